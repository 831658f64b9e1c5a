import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.blobs.packs import Packs


@pytest.fixture
def packs(tmp_path: Path) -> Iterator[Packs]:
    """Packs of a thousand bytes."""
    made = Packs(tmp_path, pack_bytes=1000)
    yield made
    made.close(remove=True)
    assert list(tmp_path.iterdir()) == []


def fill(packs: Packs, *names: str, size: int = 400) -> None:
    for name in names:
        packs.append(name, name.encode() * size)


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_bytes_come_back_whatever_else_is_in_their_pack(packs: Packs, tmp_path: Path) -> None:
    fill(packs, "a", "b", "c", "d")
    assert [packs.read(name) for name in "abcd"] == [name.encode() * 400 for name in "abcd"]
    assert len(files(tmp_path)) == 2, "a pack that is full is followed by another"
    assert packs.read("e") is None
    assert "a" in packs
    assert "e" not in packs


def test_a_pack_goes_when_nothing_in_it_is_needed(packs: Packs, tmp_path: Path) -> None:
    fill(packs, "a", "b", "c", "d")
    packs.drop("a")
    packs.drop("b")
    assert len(files(tmp_path)) == 2
    packs.drop("c")
    assert len(files(tmp_path)) == 1
    assert packs.read("c") is None
    assert packs.read("d") == b"d" * 400


def test_the_pack_that_is_written_stays_until_it_is_full(packs: Packs, tmp_path: Path) -> None:
    fill(packs, "a")
    packs.drop("a")
    packs.drop("a")
    assert len(files(tmp_path)) == 1
    fill(packs, "b", "c")
    for name in "bc":
        packs.drop(name)
    fill(packs, "d")
    assert len(files(tmp_path)) == 1, "the full one went when the next was begun"
    assert packs.read("d") == b"d" * 400


def test_the_pack_that_is_written_goes_once_it_is_half_full_of_nothing(
    packs: Packs, tmp_path: Path
) -> None:
    fill(packs, "a", "b")
    packs.drop("a")
    assert len(files(tmp_path)) == 1
    packs.drop("b")
    assert files(tmp_path) == []
    fill(packs, "c")
    assert packs.read("c") == b"c" * 400


def test_packs_can_be_made_smaller(packs: Packs, tmp_path: Path) -> None:
    packs.limit_size(400)
    fill(packs, "a", "b")
    assert len(files(tmp_path)) == 2
    packs.limit_size(10_000)
    fill(packs, "c")
    assert len(files(tmp_path)) == 3, "never larger than they were meant to be"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no path of the project
    packs = Packs(tmp_path, pack_bytes=10)
    for number in range(50):
        packs.append(str(number), b"x" * 20)
    for number in range(0, 50, 2):
        packs.drop(str(number))
    packs.close(remove=True)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert files(tmp_path) == []


def test_what_cannot_be_written_leaves_the_others_whole(tmp_path: Path) -> None:
    packs = Packs(tmp_path / "missing", pack_bytes=1000)
    with pytest.raises(OSError, match="missing"):
        packs.append("a", b"a")
    assert "a" not in packs
    (tmp_path / "missing").mkdir()
    packs.append("a", b"a")
    assert packs.read("a") == b"a"
    packs.close(remove=True)


def test_a_pack_that_was_cut_off_has_no_bytes_to_give(packs: Packs, tmp_path: Path) -> None:
    fill(packs, "a", "b")
    (file,) = tmp_path.iterdir()
    os.truncate(file, 500)
    assert packs.read("a") == b"a" * 400
    assert packs.read("b") is None


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_appending_and_dropping_keeps_what_is_needed(packs: Packs, seed: int) -> None:
    dice = random.Random(seed)
    kept: dict[str, bytes] = {}
    for number in range(300):
        if kept and dice.random() < 0.5:
            name = dice.choice(sorted(kept))
            packs.drop(name)
            del kept[name]
        else:
            kept[str(number)] = dice.randbytes(dice.randrange(0, 600))
            packs.append(str(number), kept[str(number)])
        assert all(packs.read(name) == data for name, data in kept.items())
