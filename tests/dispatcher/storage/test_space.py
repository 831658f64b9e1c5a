from collections import namedtuple
from pathlib import Path

import pytest

from dispatcher.errors import StorageFullError
from dispatcher.storage.space import Space

GIB = 1024**3
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[Usage]:
    """How the disk is at the moment: the last one of the list."""
    usages = [Usage(100 * GIB, 10 * GIB, 90 * GIB)]
    monkeypatch.setattr("shutil.disk_usage", lambda _: usages[-1])
    return usages


@pytest.fixture
def asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.storage.space._ASK_AGAIN_S", -1.0)


def space(*, limit_bytes: int = 0, used_bytes: int = 0) -> Space:
    return Space(
        Path("/data"),
        limit_bytes=limit_bytes,
        reserve_percent=5.0,
        used_bytes=lambda: used_bytes,
    )


def is_left(space: Space, size_bytes: int) -> bool:
    try:
        space.require(size_bytes)
    except StorageFullError as exc:
        assert exc.retry_after_s is not None
        return False
    return True


@pytest.mark.usefixtures("disk")
def test_below_the_limit_new_work_may_have_all_but_the_reserve() -> None:
    limited = space(limit_bytes=1_000_000, used_bytes=900_000)
    assert is_left(limited, 50_000)
    assert not is_left(limited, 50_001)


@pytest.mark.usefixtures("disk")
def test_when_the_reserve_is_reached_not_one_byte_is_left() -> None:
    assert is_left(space(limit_bytes=1_000_000, used_bytes=950_000), 0)
    assert not is_left(space(limit_bytes=1_000_000, used_bytes=950_000), 1)
    assert not is_left(space(limit_bytes=1_000_000, used_bytes=990_000), 0)


def test_without_a_limit_the_disk_is_the_limit(disk: list[Usage]) -> None:
    disk.append(Usage(100 * GIB, 94 * GIB, 6 * GIB))
    assert is_left(space(), GIB)
    assert not is_left(space(), GIB + 1)


def test_a_limit_larger_than_the_disk_does_not_help(disk: list[Usage]) -> None:
    disk.append(Usage(100 * GIB, 96 * GIB, 4 * GIB))
    assert not is_left(space(limit_bytes=1000 * GIB), 1)


@pytest.mark.usefixtures("asked_each_time")
def test_what_others_free_on_the_disk_is_seen(disk: list[Usage]) -> None:
    of_all = space()
    disk.append(Usage(100 * GIB, 99 * GIB, GIB))
    assert not is_left(of_all, 1)
    disk.append(Usage(100 * GIB, 50 * GIB, 50 * GIB))
    assert is_left(of_all, 40 * GIB)


def test_the_disk_is_not_asked_for_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def usage(directory: Path) -> Usage:
        asked.append(directory)
        return Usage(100 * GIB, 0, 100 * GIB)

    monkeypatch.setattr("shutil.disk_usage", usage)
    of_all = space()
    for _ in range(100):
        of_all.require(1000)
    assert asked == [Path("/data")]
