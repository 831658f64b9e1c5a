import errno
import time
from pathlib import Path

import pytest

from dispatcher.storage.reserve import Reserve, is_for_want_of_space

SIZE = 100_000


@pytest.fixture
def reserve(tmp_path: Path) -> Reserve:
    return Reserve(tmp_path / "reserve", size_bytes=SIZE)


def fail_with(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fallocate(*_: object) -> None:
        raise OSError(number, "as told")

    monkeypatch.setattr("os.posix_fallocate", fallocate)


def set_clock(monkeypatch: pytest.MonkeyPatch, ahead_s: float) -> None:
    now = time.monotonic()
    monkeypatch.setattr("dispatcher.storage.reserve.time.monotonic", lambda: now + ahead_s)


def test_a_reserve_takes_the_space_on_the_disk(reserve: Reserve, tmp_path: Path) -> None:
    assert reserve.restore()
    status = (tmp_path / "reserve").stat()
    assert status.st_size == SIZE
    assert status.st_blocks * 512 >= SIZE


def test_one_that_an_earlier_process_left_is_taken_over(reserve: Reserve, tmp_path: Path) -> None:
    assert reserve.restore()
    assert Reserve(tmp_path / "reserve", size_bytes=SIZE).restore()
    assert (tmp_path / "reserve").stat().st_size == SIZE


def test_a_reserve_is_given_up_once(reserve: Reserve, tmp_path: Path) -> None:
    reserve.restore()
    assert reserve.give_up()
    assert not (tmp_path / "reserve").exists()
    assert not reserve.give_up()


def test_it_stays_given_up_for_a_while(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reserve.restore()
    reserve.give_up()
    assert not reserve.restore()
    set_clock(monkeypatch, 60.0)
    assert reserve.restore()
    assert (tmp_path / "reserve").stat().st_size == SIZE


def test_without_space_there_is_none_and_no_file_is_left(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail_with(monkeypatch, errno.ENOSPC)
    assert not reserve.restore()
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_cannot_set_space_aside_is_used_without(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, errno.EOPNOTSUPP)
    assert reserve.restore()
    assert not reserve.give_up()


@pytest.mark.parametrize(
    ("number", "is_full"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False), (errno.EACCES, False)],
)
def test_a_full_disk_is_told_from_other_failures(number: int, is_full: bool) -> None:
    assert is_for_want_of_space(OSError(number, "as told")) is is_full
