"""The file of API keys, and what becomes of it while the service runs."""

import json
import logging
import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from dispatcher.api.guards.keys import (
    KEY_PREFIX,
    ApiKey,
    KeyRing,
    KeysInvalidError,
    Scope,
    digest_of,
    format_keys,
    new_key,
    parse_keys,
)
from dispatcher.errors import StartupError
from tests.dispatcher.api.serving import KEYS, write_keys


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def opened(path: Path, clock: Clock | None = None) -> KeyRing:
    ring = KeyRing(path, clock=clock or Clock())
    ring.open()
    return ring


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_keys(tmp_path / "keys.json", "alice", "bob")


def test_a_key_is_found_and_another_is_not(path: Path) -> None:
    ring = opened(path)
    alice = ring.find(KEYS["alice"])
    assert alice is not None
    assert alice.owner == "alice"
    assert ring.find(KEYS["reader"]) is None
    assert ring.find(b"") is None
    assert ring.find("ключ".encode()) is None


def test_new_keys_are_marked_and_hold_more_than_128_random_bits() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    for key in keys:
        assert key.startswith(KEY_PREFIX)
        assert len(key) - len(KEY_PREFIX) == 43  # 256 bits, six to a character


def test_what_is_written_is_read_again(path: Path) -> None:
    key = ApiKey("key-1", "alice", digest_of(b"k"), frozenset(Scope), rate_per_s=2.5)
    assert parse_keys(format_keys([key])) == [key]


def test_the_file_holds_no_key(path: Path) -> None:
    assert KEYS["alice"] not in path.read_bytes()


def test_two_keys_of_one_owner_are_both_good(tmp_path: Path) -> None:
    keys = [
        ApiKey(f"key-{n}", "alice", digest_of(b"%d" % n), frozenset({Scope.READ})) for n in (1, 2)
    ]
    (tmp_path / "keys").write_text(format_keys(keys))
    (tmp_path / "keys").chmod(0o600)
    ring = opened(tmp_path / "keys")
    assert [ring.find(b"1"), ring.find(b"2")] == keys
    assert ring.owners() == {"alice"}


def test_a_revoked_key_is_good_for_a_second_at_most(path: Path) -> None:
    clock = Clock()
    ring = opened(path, clock)
    assert ring.find(KEYS["alice"])
    write_keys(path, "bob")
    clock.now += 1.0
    assert ring.find(KEYS["alice"]) is None
    assert ring.find(KEYS["bob"])


def test_a_file_that_was_replaced_by_one_of_the_same_size_is_read_again(path: Path) -> None:
    clock = Clock()
    ring = opened(path, clock)
    before = path.stat()
    new = write_keys(path.with_name("new"), "alice", "bob")
    new.write_text(new.read_text().replace('"alice"', '"carol"'))
    new.chmod(0o600)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(path)
    clock.now += 1.0
    assert ring.find(KEYS["alice"])
    assert "carol" in ring.owners()


@pytest.mark.parametrize("text", ["", "{", '{"keys": [{"id": 1}]}'])
def test_a_file_that_got_damaged_leaves_the_last_good_keys(
    path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    clock = Clock()
    ring = opened(path, clock)
    path.write_text(text)
    clock.now += 1.0
    with caplog.at_level(logging.ERROR):
        assert ring.find(KEYS["alice"])
    assert "the last ones stay in force" in caplog.text


def test_a_file_that_is_gone_leaves_the_last_good_keys(path: Path) -> None:
    clock = Clock()
    ring = opened(path, clock)
    path.unlink()
    clock.now += 1.0
    assert ring.find(KEYS["alice"])


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"keys": [{"id": "k", "name": "a", "sha256": "00", "scopes": []}]},
        {"keys": [{"id": "k", "name": "a", "sha256": "00" * 32, "scopes": ["root"]}]},
        {"keys": [{"id": "k", "name": "", "sha256": "00" * 32, "scopes": []}]},
        {"keys": [{"id": "k", "name": "a", "sha256": "00" * 32, "scopes": []}] * 2},
    ],
)
def test_what_is_no_file_of_keys_is_refused_without_being_repeated(document: object) -> None:
    with pytest.raises(KeysInvalidError) as caught:
        parse_keys(json.dumps(document))
    assert "root" not in str(caught.value)


def test_a_service_does_not_start_without_the_file(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="keys add"):
        opened(tmp_path / "missing")


def test_a_service_does_not_start_when_others_may_read_the_file(path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(StartupError, match="0600"):
        opened(path)


@pytest.mark.parametrize(("mode", "is_refused"), [(0o440, False), (0o460, True), (0o444, True)])
def test_a_mounted_secret_of_somebody_else_may_be_read_through_the_group(
    path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, is_refused: bool
) -> None:
    path.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(StartupError, match="0600") if is_refused else nullcontext():
        opened(path)
