"""``python -m dispatcher keys``: making, listing and revoking."""

import stat
from pathlib import Path

import pytest

from dispatcher.api.guards.keys import KEY_PREFIX, KeyRing, Scope, parse_keys
from dispatcher.api.guards.keys_command import run_keys_command
from dispatcher.errors import StartupError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def run(verb: str, path: Path, *arguments: str) -> None:
    run_keys_command([verb, "--file", str(path), *arguments])


def add(capsys: pytest.CaptureFixture[str], path: Path, name: str, *arguments: str) -> str:
    """Make a key and return it as it was printed."""
    run("add", path, "--name", name, *arguments)
    return capsys.readouterr().out.strip()


def test_a_key_is_printed_once_and_only_its_hash_is_kept(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    key = add(capsys, path, "alice")
    assert key.startswith(KEY_PREFIX)
    assert key not in path.read_text()
    run("list", path)
    assert key not in capsys.readouterr().out
    ring = KeyRing(path)
    ring.open()
    found = ring.find(key.encode())
    assert found is not None
    assert found.owner == "alice"
    assert found.scopes == {Scope.SUBMIT, Scope.READ}


def test_nobody_else_may_read_the_file(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    add(capsys, path, "alice")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_scopes_and_rate_are_as_told(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    add(capsys, path, "operator", "--scopes", "admin,read", "--rate-per-s", "2.5")
    (key,) = parse_keys(path.read_text())
    assert key.scopes == {Scope.ADMIN, Scope.READ}
    assert key.rate_per_s == 2.5
    run("list", path)
    assert "operator admin,read 2.5/s" in capsys.readouterr().out


def test_an_owner_changes_keys_without_a_gap(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    old = add(capsys, path, "alice")
    new = add(capsys, path, "alice")
    first, second = parse_keys(path.read_text())
    run("revoke", path, "--name", "alice", "--id", first.id)
    ring = KeyRing(path)
    ring.open()
    assert ring.find(old.encode()) is None
    assert ring.find(new.encode()) == second


def test_revoking_a_name_leaves_the_keys_of_others(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    for name in ("alice", "alice", "bob"):
        add(capsys, path, name)
    run("revoke", path, "--name", "alice")
    assert "2 revoked" in capsys.readouterr().out
    assert [key.owner for key in parse_keys(path.read_text())] == ["bob"]


def test_revoking_what_is_not_there_changes_nothing(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    add(capsys, path, "alice")
    before = path.read_bytes()
    with pytest.raises(StartupError, match="no such key"):
        run("revoke", path, "--name", "bob")
    assert path.read_bytes() == before


def test_a_damaged_file_is_not_overwritten(path: Path) -> None:
    path.write_text("{")
    with pytest.raises(StartupError):
        run("add", path, "--name", "alice")
    assert path.read_text() == "{"


def test_what_a_killed_command_has_left_is_in_nobodys_way(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    path.with_name(f".{path.name}.new").write_text("half a fi")
    add(capsys, path, "alice")
    assert len(parse_keys(path.read_text())) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", ""),
        ("--name", "a" * 65),
        ("--name", "ali\nce"),
        ("--name", "alice", "--scopes", "root"),
        ("--name", "alice", "--scopes", ""),
        ("--name", "alice", "--rate-per-s", "-1"),
        ("--name", "alice", "--rate-per-s", "nan"),
    ],
)
def test_what_makes_no_sense_is_refused(
    capsys: pytest.CaptureFixture[str], path: Path, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit):
        run("add", path, *arguments)
    assert not path.exists()


def test_the_help_tells_that_each_dispatcher_counts_by_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run_keys_command(["add", "--help"])
    assert "at each dispatcher" in " ".join(capsys.readouterr().out.split())
