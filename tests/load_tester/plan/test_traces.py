from pathlib import Path

import pytest

from load_tester.errors import ScheduleError
from load_tester.plan.demand import Counts, Moments
from load_tester.plan.traces import read_trace

AZURE = """app,func,end_timestamp,duration
734272c0,313c03f5,5160.125,0.125
17c37a0f,c9f8e30e,5161.5,0.25
7fa05b60,9bc86d6c,5241.5,42.25
f7bfe5bc,34f47753,5160.75,0.5
"""


def write(folder: Path, content: str) -> Path:
    path = folder / "trace.txt"
    path.write_text(content)
    return path


def test_an_invocation_begins_its_duration_before_its_end(tmp_path: Path) -> None:
    demand = read_trace(f"azure-functions-2021:{write(tmp_path, AZURE)}")
    assert isinstance(demand, Moments)
    # 5160 s is the earliest start; the longest invocation started before others that ended first.
    assert list(demand.moments_s) == [0.0, 0.25, 1.25, 39.25]
    assert demand.source == "trace trace.txt"


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    path = write(tmp_path, "duration,end_timestamp\n1,3\n\n0,4\n")
    demand = read_trace(f"azure-functions-2021:{path}")
    assert isinstance(demand, Moments)
    assert list(demand.moments_s) == [0.0, 2.0]


def test_a_twitter_trace_has_a_number_for_each_second(tmp_path: Path) -> None:
    path = write(tmp_path, "12 15 0 9\n11 ")
    demand = read_trace(f"twitter:{path}")
    assert isinstance(demand, Counts)
    assert tuple(demand.per_second) == (12, 15, 0, 9, 11)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no columns 'end_timestamp' and 'duration'"),
        ("a,b\n1,2\n", "no columns"),
        ("end_timestamp,duration\n", "no invocations"),
        ("end_timestamp,duration\n1\n", "line 2 is not an invocation"),
        ("end_timestamp,duration\n1,x\n", "line 2 is not an invocation"),
        ("end_timestamp,duration\n1,0\nnan,1\n", "line 3 is not an invocation"),
        ("end_timestamp,duration\ninf,1\n", "line 2 is not an invocation"),
    ],
)
def test_a_file_that_is_no_invocation_trace_is_refused_with_the_line(
    tmp_path: Path, content: str, message: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ScheduleError, match=message) as caught:
        read_trace(f"azure-functions-2021:{path}")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", ["12 x 3", "1.5", "-1 2", '{"a": 1}'])
def test_anything_but_whole_numbers_is_no_twitter_trace(tmp_path: Path, content: str) -> None:
    with pytest.raises(ScheduleError, match="is not a whole number"):
        read_trace(f"twitter:{write(tmp_path, content)}")


@pytest.mark.parametrize("text", ["", "twitter", "twitter:", "myspace:a.csv", "a.csv"])
def test_an_unknown_kind_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(ScheduleError, match="azure-functions-2021, twitter"):
        read_trace(text)


@pytest.mark.parametrize("kind", ["azure-functions-2021", "twitter"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, kind: str) -> None:
    binary = tmp_path / "a.bin"
    binary.write_bytes(b"\xff\xfe\x81")
    for path in (tmp_path / "nowhere", tmp_path, binary):
        with pytest.raises(ScheduleError, match="cannot read the trace"):
            read_trace(f"{kind}:{path}")
