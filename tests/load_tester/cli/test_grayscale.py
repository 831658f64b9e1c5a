import json

import pytest

from load_tester.cli.grayscale import ask_for_grayscale, merge_params, read_numbers
from load_tester.cli.tables import align_table, tell_ms
from load_tester.errors import UsageError
from load_tester.settings import TargetKind, TargetSettings


def test_without_a_pipeline_the_work_is_an_operation() -> None:
    asked = ask_for_grayscale(TargetSettings(multipart=True), {"threads": 2, "passes": 3})
    assert json.loads(asked.operations or "") == [["grayscale", {"threads": 2, "passes": 3}]]
    assert asked.use_cache is asked.multipart is False


def test_with_a_pipeline_it_is_the_param_of_a_step() -> None:
    given = TargetSettings(pipeline="p", params='{"grayscale": {"output": "png"}, "blur": {}}')
    asked = ask_for_grayscale(given, {"threads": 2})
    assert asked.operations is None
    assert asked.use_cache is False
    assert json.loads(asked.params or "") == {
        "grayscale": {"output": "png", "threads": 2},
        "blur": {},
    }


def test_a_step_replica_takes_no_params() -> None:
    with pytest.raises(UsageError, match="to a dispatcher only"):
        ask_for_grayscale(TargetSettings(kind=TargetKind.REPLICA), {"threads": 2})


@pytest.mark.parametrize("given", ["[1]", "no", '{"grayscale": 3}', '"text"', "3"])
def test_params_of_another_shape_are_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--params is not a JSON object"):
        merge_params(given, {"threads": 1})


def test_numbers_are_read_once_each_in_their_order() -> None:
    assert read_numbers("4, 1,2,4", "--threads", most=32) == (4, 1, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,two", "--threads takes whole numbers such as 1,2,4; not 'two'"),
        ("", "not ''"),
        ("1,,2", "not ''"),
        ("-1", "not '-1'"),
        ("1.5", "not '1.5'"),
        ("٣", "takes whole numbers"),
        ("0", "--threads must be from 1 to 32"),
        ("33", "from 1 to 32"),
        ("9" * 5000, "from 1 to 32"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_numbers(text, "--threads", most=32)


def test_a_table_is_aligned_to_the_right() -> None:
    assert align_table(("a", "long"), [("100", "1"), ("2", "22")]) == [
        "    a  long",
        "  100     1",
        "    2    22",
    ]
    assert (tell_ms(0.01234), tell_ms(0.01234, digits=3), tell_ms(None)) == (
        "12.3",
        "12.340",
        "n/a",
    )
