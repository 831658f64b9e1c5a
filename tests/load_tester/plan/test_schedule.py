import json
from pathlib import Path

import pytest

from load_tester.errors import ScheduleError
from load_tester.schedule import (
    DEFAULT_SCHEDULE,
    check_schedule,
    plan_sends,
    read_schedule,
    schedule_hash,
)


def test_the_default_schedule_is_the_56_seconds_of_the_reference() -> None:
    assert len(DEFAULT_SCHEDULE) == 56
    assert list(DEFAULT_SCHEDULE[:8]) == [4, 8, 11, 15, 19, 22, 26, 30]
    assert list(DEFAULT_SCHEDULE[-8:]) == [30, 26, 23, 19, 16, 12, 9, 5]
    assert DEFAULT_SCHEDULE[24] == 27
    assert DEFAULT_SCHEDULE[36] == 1


@pytest.mark.parametrize("text", ["4,8,11", " 4, 8 ,11 ", "4 8 11", "[4, 8, 11]", "4,8,11,"])
def test_a_list_may_be_written_as_people_write_lists(text: str) -> None:
    assert read_schedule(text) == (4, 8, 11)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "4,8,11\n"),
        ("a.csv", "4\n8\n11\n"),
        ("a.csv", "second,images\n1,4\n2,8\n3,11\n"),
        ("a.json", "[4, 8, 11]"),
        ("a.json", '{"images": [4, 8, 11]}'),
        ("a.jsonl", "4\n8\n\n11\n"),
        ("a.jsonl", '{"second": 1, "images": 4}\n{"images": 8}\n{"images": 11}\n'),
        ("a.txt", "# burst\n4, 8 # then\n11\n"),
        ("plain", "[4, 8, 11]\n"),
        ("bom.csv", "\ufeffimages\n4\n8\n11\n"),
    ],
)
def test_a_file_of_any_kind_gives_the_same_schedule(
    tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert read_schedule(str(path)) == (4, 8, 11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4,-1", "entry 2 is not a whole number from 0 up: -1"),
        ("4.5,1", "entry 1 is not a whole number from 0 up: 4.5"),
        ("4,,8", "entry 2 is not a whole number"),
        ("0,0", "sends no image"),
        ("99999999999999", "too large"),
        ("nowhere.csv", "neither a list nor a file"),
        ("", "cannot read the schedule"),
    ],
)
def test_a_bad_list_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        read_schedule(text)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "not JSON"),
        ("a.json", "4", "not a JSON list"),
        ("a.json", "[4, true]", "entry 2"),
        ("a.json", "[4, 1.5]", "entry 2"),
        ("a.jsonl", '{"rate": 3}', "an object without 'images'"),
        ("a.csv", "second,images\n1,4\n2\n", "entry 2"),
        ("a.csv", "time,rate\n1,4\n", "entry 1"),
        ("a.txt", "", "entry 1"),
        ("a.csv", "", "sends no image"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_reason(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ScheduleError, match=message) as caught:
        read_schedule(str(path))
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ScheduleError, match="cannot read the schedule"):
        read_schedule(str(path))


def test_the_sends_of_a_second_are_spread_evenly_from_its_beginning() -> None:
    sends = list(plan_sends([2, 0, 4]))
    assert [send.at_s for send in sends] == [0.0, 0.5, 2.0, 2.25, 2.5, 2.75]
    assert [send.second for send in sends] == [1, 1, 3, 3, 3, 3]
    assert [send.index for send in sends] == list(range(6))


def test_every_second_of_the_plan_sends_exactly_what_the_schedule_says() -> None:
    per_second = [0] * len(DEFAULT_SCHEDULE)
    for send in plan_sends(DEFAULT_SCHEDULE):
        per_second[int(send.at_s)] += 1
    assert tuple(per_second) == DEFAULT_SCHEDULE


def test_the_hash_tells_schedules_apart() -> None:
    assert schedule_hash([4, 8]) == schedule_hash((4, 8))
    assert schedule_hash([4, 8]) != schedule_hash([8, 4])


def test_json_keeps_a_schedule_as_it_is() -> None:
    assert check_schedule(json.loads(json.dumps(list(DEFAULT_SCHEDULE)))) == DEFAULT_SCHEDULE
