import json
from typing import Any

import pytest

from load_tester.answers import read_result, read_ticket
from load_tester.errors import FailedError, RefusedError, WrongError

GOOD: dict[str, Any] = {
    "request_id": "a",
    "filename": "drum.jpg",
    "status": "completed",
    "queue_time": 1.5,
    "processing_time": 0.5,
    "replica_used": "http://127.0.0.1:5000",
    "from_cache": False,
    "coalesced": True,
    "result": {"predictions": ["drum", "tank"], "scores": [0.9, 0.1]},
}


def result_of(body: object) -> Any:
    return read_result(json.dumps(body).encode(), request_id="a", file="drum.jpg")


def test_a_ticket_is_read_from_202_and_from_200() -> None:
    assert read_ticket(202, b'{"request_id": "a"}').from_cache is False
    assert read_ticket(200, b'{"request_id": "a", "from_cache": true}').from_cache is True


@pytest.mark.parametrize("status", [429, 503])
def test_too_much_is_a_refusal(status: int) -> None:
    with pytest.raises(RefusedError, match=f"http_{status}"):
        read_ticket(status, b"{}")


@pytest.mark.parametrize("status", [302, 400, 413, 415, 500, 502])
def test_any_other_status_is_a_failure(status: int) -> None:
    with pytest.raises(FailedError, match=f"http_{status}"):
        read_ticket(status, b"{}")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "ticket_not_json"),
        (b"[]", "ticket_not_an_object"),
        (b"{}", "ticket_without_request_id"),
        (b'{"request_id": 7}', "ticket_without_request_id"),
        (b'{"request_id": "a", "from_cache": "no"}', "from_cache_not_a_boolean"),
        (b"[" * 100_000, "ticket_not_json"),
    ],
)
def test_a_ticket_that_is_none_is_wrong(body: bytes, reason: str) -> None:
    with pytest.raises(WrongError, match=reason):
        read_ticket(202, body)


def test_a_completed_job_is_read_as_the_service_reports_it() -> None:
    result = result_of(GOOD)
    assert (result.queue_time_s, result.processing_time_s) == (1.5, 0.5)
    assert (result.from_cache, result.coalesced) == (False, True)
    assert result.top_label == "drum"


def test_the_bare_answer_of_the_reference_is_enough() -> None:
    bare = {
        "request_id": "a",
        "status": "completed",
        "result": {"filename": "drum.jpg", "inference_time": 0.2, "predictions": ["drum"]},
    }
    assert result_of(bare).top_label == "drum"


@pytest.mark.parametrize(
    "change",
    [
        {"result": {"width": 3, "height": 4, "url": "/result/a/image"}},
        {"result": None, "outputs": [{"url": "/x"}]},
    ],
)
def test_a_picture_is_a_result_without_a_label(change: dict[str, Any]) -> None:
    assert result_of(GOOD | change).top_label is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "failed", "error": {"code": "decode_error"}}, "job_failed:decode_error"),
        ({"status": "failed", "error": "no"}, "job_failed"),
        ({"status": "cancelled"}, "job_cancelled"),
        ({"status": "expired"}, "job_expired"),
    ],
)
def test_a_job_that_ended_badly_is_a_failure(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(FailedError, match=f"^{reason}$"):
        result_of(GOOD | change)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"request_id": "b"}, "result_of_another_request"),
        ({"filename": "tank.png"}, "result_of_another_file"),
        ({"status": "processing"}, "result_status_unknown"),
        ({"status": ["completed"]}, "result_status_unknown"),
        ({"result": None}, "result_empty"),
        ({"result": {}}, "result_empty"),
        ({"result": "drum"}, "result_empty"),
        ({"result": {"predictions": []}}, "predictions_malformed"),
        ({"result": {"predictions": "drum"}}, "predictions_malformed"),
        ({"result": {"predictions": ["drum", ""]}}, "predictions_malformed"),
        ({"result": {"predictions": ["a", "b"], "scores": [1]}}, "scores_malformed"),
        ({"result": {"predictions": ["a"], "scores": ["1"]}}, "scores_malformed"),
        ({"result": {"predictions": ["a"], "scores": [float("nan")]}}, "result_not_json"),
        ({"result": {"predictions": ["a", "b"], "scores": [0, 1]}}, "scores_not_best_first"),
        ({"queue_time": "fast"}, "queue_time_not_a_duration"),
        ({"processing_time": -1}, "processing_time_not_a_duration"),
        ({"from_cache": 1}, "from_cache_not_a_boolean"),
        ({"replica_used": 5}, "replica_used_not_a_string"),
    ],
)
def test_a_malformed_result_is_wrong(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(WrongError, match=f"^{reason}$"):
        result_of(GOOD | change)


def test_a_name_that_a_service_may_clean_proves_nothing() -> None:
    body = json.dumps(GOOD | {"filename": "gr_n.jpg"}).encode()
    assert read_result(body, request_id="a", file="grün.jpg").top_label == "drum"
