from pathlib import Path

import pytest

from load_tester.errors import ScheduleError
from load_tester.plan.demand import Counts, Moments, check_size
from load_tester.plan.schedule import DEFAULT_SCHEDULE, read_schedule


def counts_in(text: str) -> tuple[int, ...]:
    demand = read_schedule(text)
    assert isinstance(demand, Counts)
    return tuple(demand.per_second)


def moments_in(text: str) -> list[float]:
    demand = read_schedule(text)
    assert isinstance(demand, Moments)
    return list(demand.moments_s)


def test_the_default_schedule_is_the_56_seconds_of_the_reference() -> None:
    assert len(DEFAULT_SCHEDULE) == 56
    assert list(DEFAULT_SCHEDULE[:8]) == [4, 8, 11, 15, 19, 22, 26, 30]
    assert list(DEFAULT_SCHEDULE[-8:]) == [30, 26, 23, 19, 16, 12, 9, 5]
    assert DEFAULT_SCHEDULE[24] == 27
    assert DEFAULT_SCHEDULE[36] == 1


@pytest.mark.parametrize("text", ["4,8,11", " 4, 8 ,11 ", "4 8 11", "[4, 8, 11]", "4,8,11,"])
def test_a_list_may_be_written_as_people_write_lists(text: str) -> None:
    assert counts_in(text) == (4, 8, 11)


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
    assert counts_in(str(path)) == (4, 8, 11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4,-1", "entry 2 is not a whole number from 0 up: -1"),
        ("4.5,1", "entry 1 is not a whole number from 0 up: 4.5"),
        ("4,,8", "entry 2 is not a whole number"),
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
        ("a.jsonl", '{"rate": 3}', "an object without 'images' or 'timestamp'"),
        ("a.csv", "second,images\n1,4\n2\n", "entry 2"),
        ("a.csv", "time,rate\n1,4\n", "entry 1"),
        ("a.txt", "", "entry 1"),
        ("a.csv", "timestamp\n", "sends no image"),
        ("a.csv", "timestamp\n1\nsoon\n", "timestamp 2 is not a number of seconds: soon"),
        ("a.csv", "timestamp\nnan\n", "timestamp 1 is not a time in ISO 8601: nan"),
        ("a.jsonl", '{"timestamp": 1}\n{"images": 3}\n', "an entry without 'timestamp'"),
        ("a.jsonl", '{"timestamp": "2026-01-31T10:00:00Z"}\n{"timestamp": 5}\n', "timestamp 2"),
        ("a.jsonl", '{"timestamp": true}\n', "timestamp 1"),
        ("a.jsonl", '{"timestamp": 1e400}\n', "timestamp 1"),
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


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "timestamp\n100.5\n100\n102.25\n"),
        ("a.csv", "id,Timestamp\n1,100.5\n2,100\n3,102.25\n"),
        ("a.jsonl", '{"timestamp": 100}\n{"timestamp": 100.5}\n{"timestamp": "102.25"}\n'),
        ("a.json", '[{"timestamp": 102.25}, {"timestamp": 100}, {"timestamp": 100.5}]'),
        ("a.json", '{"timestamp": [102.25, 100, 100.5]}'),
        (
            "a.csv",
            "timestamp\n2026-01-31T10:00:00Z\n2026-01-31T11:00:00.5+01:00\n"
            "2026-01-31 10:00:02.250\n",
        ),
    ],
)
def test_timestamps_are_kept_exactly_and_count_from_the_earliest(
    tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert moments_in(str(path)) == [0.0, 0.5, 2.25]


def test_images_per_second_win_over_timestamps_that_stand_beside_them(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("timestamp,images\n0,4\n1,8\n")
    assert counts_in(str(table)) == (4, 8)
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"timestamp": 0, "images": 4}\n{"timestamp": 1, "images": 8}\n')
    assert counts_in(str(lines)) == (4, 8)


def test_a_schedule_knows_where_it_came_from(tmp_path: Path) -> None:
    path = tmp_path / "burst.csv"
    path.write_text("4,8")
    assert read_schedule(str(path)).source == "burst.csv"
    assert read_schedule("4,8").source == "list"


@pytest.mark.parametrize(
    ("images", "seconds", "message"),
    [
        (0, 5, "sends no image"),
        (1_000_001, 5, "too large"),
        (5, 86_401, "too large"),
        (float("nan"), 5, "too large"),
    ],
)
def test_nothing_and_too_much_are_refused(images: float, seconds: float, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        check_size(images=images, seconds=seconds)


def test_the_largest_schedule_is_accepted() -> None:
    check_size(images=1_000_000, seconds=86_400)
