"""What a replica keeps between two operations: which of it is found, and how long."""

import random
import tracemalloc

import numpy as np
import pytest

from step_app.contract.limits import MAX_KEPT_BYTES
from step_app.steps.picture_cache import MAX_BYTES, PictureCache, Piece

KIB = 1024
NOTHING = (0, ())


def grey(size_bytes: int, *, value: int = 0) -> Piece:
    """Return a picture whose pixels take so many bytes."""
    return Piece(np.full((1, size_bytes), value, np.uint8), {"value": value})


def known(cache: PictureCache, *names: str) -> list[str]:
    return [name for name in names if cache.find([name]) != NOTHING]


def pixels_bytes(cache: PictureCache, *names: str) -> int:
    return sum(piece.pixels.nbytes for name in names for piece in cache.find([name])[1])


def test_of_an_empty_cache_nothing_is_known() -> None:
    assert PictureCache().find(["a", "b"]) == NOTHING


def test_without_names_nothing_is_known() -> None:
    cache = PictureCache()
    cache.keep("a", [grey(1)])
    assert cache.find([]) == NOTHING


def test_what_is_kept_is_found_as_it_was_and_in_order() -> None:
    cache = PictureCache()
    pieces = [grey(3, value=value) for value in (7, 3, 5)]
    cache.keep("a", pieces)
    cache.keep("b", [grey(1)])
    done, found = cache.find(["a"])
    assert done == 1
    assert all(one is other for one, other in zip(found, pieces, strict=True))


@pytest.mark.parametrize(
    ("kept", "done"),
    [("", 0), ("a", 1), ("b", 2), ("ab", 2), ("c", 3), ("ac", 3), ("abc", 3), ("d", 0)],
)
def test_the_longest_beginning_that_is_known_is_found(kept: str, done: int) -> None:
    cache = PictureCache()
    made = {name: [grey(1, value=number)] for number, name in enumerate("abcd", start=1)}
    for name in kept:
        cache.keep(name, made[name])
    found, pieces = cache.find(["a", "b", "c"])
    assert found == done
    assert [piece.data["value"] for piece in pieces] == ([done] if done else [])


def test_what_is_kept_anew_takes_the_place_of_what_was_there() -> None:
    cache = PictureCache(max_bytes=20 * KIB)
    for value in range(10):
        cache.keep("a", [grey(15 * KIB, value=value)])
    cache.keep("b", [grey(KIB)])
    _, (found,) = cache.find(["a"])
    assert found.data == {"value": 9}
    assert known(cache, "a", "b") == ["a", "b"]


def test_what_was_kept_first_is_forgotten_first() -> None:
    cache = PictureCache(max_bytes=40 * KIB)
    for name in "abcde":
        cache.keep(name, [grey(10 * KIB)])
    assert known(cache, *"abcde") == ["c", "d", "e"]


def test_what_was_found_lately_is_remembered_longer() -> None:
    cache = PictureCache(max_bytes=40 * KIB)
    for name in "abc":
        cache.keep(name, [grey(10 * KIB)])
    cache.find(["a", "unknown"])
    cache.keep("d", [grey(10 * KIB)])
    assert known(cache, *"abcd") == ["a", "c", "d"]


@pytest.mark.parametrize("seed", range(5))
def test_all_that_is_kept_together_never_takes_more_than_it_may(seed: int) -> None:
    rng = random.Random(seed)
    cache = PictureCache(max_bytes=100 * KIB)
    names = [str(number) for number in range(60)]
    largest = 0
    for _ in range(300):
        pieces = [grey(rng.randrange(1, 20 * KIB)) for _ in range(rng.randrange(1, 4))]
        cache.keep(rng.choice(names), pieces)
        kept_bytes = pixels_bytes(cache, *names)
        assert kept_bytes <= 100 * KIB
        largest = max(largest, kept_bytes)
    assert largest > 70 * KIB


def test_as_much_is_kept_as_a_replica_may_unless_told_otherwise() -> None:
    cache = PictureCache()
    size_bytes = MAX_BYTES // 8
    names = [str(number) for number in range(10)]
    picture = grey(size_bytes - 2 * KIB)
    for name in names:
        cache.keep(name, [picture])
    assert known(cache, *names) == names[2:]


def test_tiny_pictures_are_bounded_by_what_they_really_take() -> None:
    tracemalloc.start()
    cache = PictureCache(max_bytes=200 * KIB)
    for number in range(2000):
        cache.keep(f"{number:064}|resize{{'size': '1x1'}}", [grey(1), grey(1)])
    used_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used_bytes < 200 * KIB


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize(("surplus_bytes", "is_kept"), [(0, True), (1, False)])
def test_pictures_that_are_together_too_large_are_not_kept(
    count: int, surplus_bytes: int, is_kept: bool
) -> None:
    cache = PictureCache()
    cache.keep("small", [grey(1)])
    share = MAX_KEPT_BYTES // count
    cache.keep("a", [*[grey(share)] * (count - 1), grey(share + surplus_bytes)])
    assert known(cache, "a", "small") == (["a"] * is_kept) + ["small"]


def test_what_does_not_fit_at_all_is_not_kept_and_drives_nothing_out() -> None:
    cache = PictureCache(max_bytes=10 * KIB)
    cache.keep("small", [grey(KIB)])
    for size_bytes in (10 * KIB - 1, 10 * KIB, 11 * KIB):
        cache.keep("large", [grey(size_bytes)])
    assert known(cache, "large", "small") == ["small"]
