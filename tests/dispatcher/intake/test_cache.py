import json
import random
from collections import OrderedDict

import pytest

from dispatcher.intake.cache import ResultCache

RESULT = {"predictions": ["koala"]}


def test_what_was_kept_is_found_with_its_revision() -> None:
    cache = ResultCache(max_size=2)
    cache.put("a", RESULT, "r1")
    found = cache.get("a")
    assert found is not None
    assert (found.result, found.revision) == (RESULT, "r1")


@pytest.mark.parametrize("key", [None, "", "b", "A"])
def test_what_was_not_kept_is_not_found(key: str | None) -> None:
    cache = ResultCache(max_size=2)
    cache.put("a", RESULT, "r1")
    assert cache.get(key) is None


def test_the_least_recently_used_goes_first() -> None:
    cache = ResultCache(max_size=2)
    cache.put("a", RESULT, "r1")
    cache.put("b", RESULT, "r1")
    cache.get("a")
    cache.put("c", RESULT, "r1")
    assert [key for key in "abc" if cache.get(key)] == ["a", "c"]
    assert len(cache) == 2


def test_the_newer_result_takes_the_place_of_the_older() -> None:
    cache = ResultCache(max_size=2)
    cache.put("a", RESULT, "r1")
    cache.put("a", {"predictions": ["drum"]}, "r2")
    found = cache.get("a")
    assert found is not None
    assert found.revision == "r2"
    assert len(cache) == 1


def test_a_cache_of_size_0_is_off() -> None:
    cache = ResultCache(max_size=0)
    cache.put("a", RESULT, "r1")
    assert cache.get("a") is None
    assert (len(cache), cache.total_bytes(), cache.max_size) == (0, 0, 0)


def test_its_bytes_are_those_of_what_it_keeps_now() -> None:
    cache = ResultCache(max_size=2)
    for number in range(5):
        cache.put(str(number), {"n": "x" * number}, "r1")
    assert cache.total_bytes() == sum(len(json.dumps({"n": "x" * n})) for n in (3, 4))


def test_it_agrees_with_a_least_recently_used_list_kept_by_hand() -> None:
    dice = random.Random(1)
    cache, by_hand = ResultCache(max_size=5), OrderedDict[str, int]()
    for number in range(2000):
        key = str(dice.randrange(12))
        if dice.random() < 0.5:
            cache.put(key, {"n": number}, "r1")
            by_hand[key] = number
            by_hand.move_to_end(key)
            if len(by_hand) > 5:
                by_hand.popitem(last=False)
        else:
            found = cache.get(key)
            assert (None if found is None else found.result["n"]) == by_hand.get(key)
            if key in by_hand:
                by_hand.move_to_end(key)
        assert len(cache) == len(by_hand)
