import json
import random
from collections import OrderedDict

import pytest

from dispatcher.intake.cache import ResultCache
from dispatcher.jobs import CachedResult, Output

PICTURE = Output(digest="a" * 64, media_type="image/png", width=4, height=3, data={})


def kept(number: int = 0, *, revision: str = "r1") -> CachedResult:
    """A result that bears a number."""
    return CachedResult(result={"n": number}, outputs=(), revision=revision)


def number_of(result: CachedResult | None) -> int | None:
    if result is None:
        return None
    assert result.result is not None
    return int(result.result["n"])


def test_what_was_kept_is_found_with_its_pictures_and_its_revision() -> None:
    cache = ResultCache(max_size=2)
    result = CachedResult({"predictions": ["koala"]}, (PICTURE,), "r1")
    cache.put("a", result)
    assert cache.get("a") == result


@pytest.mark.parametrize("key", [None, "", "b", "A"])
def test_what_was_not_kept_is_not_found(key: str | None) -> None:
    cache = ResultCache(max_size=2)
    cache.put("a", kept())
    assert cache.get(key) is None


def test_the_least_recently_used_goes_first() -> None:
    cache = ResultCache(max_size=2)
    cache.put("a", kept())
    cache.put("b", kept())
    cache.get("a")
    cache.put("c", kept())
    assert [key for key in "abc" if cache.get(key)] == ["a", "c"]
    assert len(cache) == 2


def test_the_newer_result_takes_the_place_of_the_older() -> None:
    cache = ResultCache(max_size=2)
    cache.put("a", kept())
    cache.put("a", kept(revision="r2"))
    found = cache.get("a")
    assert found is not None
    assert found.revision == "r2"
    assert len(cache) == 1


def test_a_cache_of_size_0_is_off() -> None:
    cache = ResultCache(max_size=0)
    cache.put("a", kept())
    assert cache.get("a") is None
    assert (len(cache), cache.total_bytes(), cache.max_size) == (0, 0, 0)


# What had to go


def test_while_there_is_space_nothing_has_to_go() -> None:
    cache = ResultCache(max_size=2)
    assert cache.put("a", kept(1)) == cache.put("b", kept(2)) == []


def test_what_had_to_go_for_a_result_is_handed_back() -> None:
    cache = ResultCache(max_size=2)
    first, second, third = (kept(number) for number in range(3))
    cache.put("a", first)
    cache.put("b", second)
    cache.get("a")
    assert cache.put("c", third) == [("b", second)]


def test_a_result_that_is_replaced_is_handed_back_and_pushes_out_no_other() -> None:
    cache = ResultCache(max_size=2)
    older, other = kept(1), kept(2)
    cache.put("a", older)
    cache.put("b", other)
    assert cache.put("a", kept(3)) == [("a", older)]
    assert cache.get("b") == other


def test_a_cache_that_is_off_hands_back_the_result_itself() -> None:
    result = kept()
    assert ResultCache(max_size=0).put("a", result) == [("a", result)]


def test_its_bytes_are_those_of_what_it_keeps_now() -> None:
    cache = ResultCache(max_size=2)
    for number in range(5):
        cache.put(str(number), CachedResult({"n": "x" * number}, (), "r1"))
    assert cache.total_bytes() == sum(len(json.dumps({"n": "x" * n})) for n in (3, 4))


def test_a_result_that_is_pictures_alone_has_a_size_too() -> None:
    cache = ResultCache(max_size=2)
    cache.put("a", CachedResult(None, (PICTURE,), "r1"))
    assert 0 < cache.total_bytes() < 100, "its pictures are kept elsewhere"


def test_it_agrees_with_a_least_recently_used_list_kept_by_hand() -> None:
    dice = random.Random(1)
    cache, by_hand = ResultCache(max_size=5), OrderedDict[str, int]()
    for number in range(2000):
        key = str(dice.randrange(12))
        if dice.random() < 0.5:
            gone = [by_hand.pop(key)] if key in by_hand else []
            if len(by_hand) == 5:
                gone.append(by_hand.popitem(last=False)[1])
            by_hand[key] = number
            assert [number_of(result) for _, result in cache.put(key, kept(number))] == gone
        else:
            assert number_of(cache.get(key)) == by_hand.get(key)
            if key in by_hand:
                by_hand.move_to_end(key)
        assert len(cache) == len(by_hand)
