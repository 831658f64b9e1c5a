from pathlib import Path

import pytest

from dispatcher.errors import StartupError
from dispatcher.operations.reset.command import run_reset_command


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Flags that name nothing that runs."""
    monkeypatch.chdir(tmp_path)
    return ["--data-dir", str(tmp_path / "data"), "--folder", str(tmp_path / "cluster")]


@pytest.mark.parametrize("verb", ["check", "purge", "restart"])
def test_where_nothing_runs_it_says_so(nowhere: list[str], verb: str) -> None:
    with pytest.raises(StartupError, match="nothing of Conveyor runs here"):
        run_reset_command([verb, "--yes", *nowhere])


def test_without_a_terminal_there_is_no_menu(
    nowhere: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(StartupError, match="name check, purge or restart"):
        run_reset_command(nowhere)


def test_an_unknown_verb_is_a_mistake_of_use(nowhere: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_reset_command(["destroy", *nowhere])
    assert caught.value.code == 2
