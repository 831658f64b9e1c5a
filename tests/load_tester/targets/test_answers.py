import json
from typing import Any

import pytest

from load_tester.errors import FailedError, RefusedError, WrongError
from load_tester.pacing import now_s
from load_tester.targets.answers import (
    read_process_answer,
    read_result,
    read_step_times,
    read_ticket,
)

GOOD: dict[str, Any] = {
    "request_id": "a",
    "filename": "drum.jpg",
    "status": "completed",
    "queue_time": 1.5,
    "processing_time": 0.5,
    "replica_used": "http://127.0.0.1:5000",
    "from_cache": False,
    "coalesced": True,
    "steps": [{"id": "s0", "type": "classifier", "time": 0.25, "replica": None}],
    "result": {"predictions": ["drum", "tank"], "scores": [0.9, 0.1]},
}
PICTURE = {"Content-Type": "image/png", "X-Step-Blur-1-Time": "0.25", "x-step-s0-time": "2"}
DATA = {"Content-Type": "application/json; charset=utf-8", "X-Step-s0-Time": "0.5"}


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
    assert result.steps_s == {"s0": 0.25}
    assert result.seen_s == pytest.approx(now_s(), abs=5)


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
        ({"status": "failed", "error": {"code": "\x1b[31m"}}, "job_failed"),
        ({"status": "failed", "error": {"code": "two\nlines"}}, "job_failed"),
        ({"status": "failed", "error": {"code": "line\n"}}, "job_failed"),
        ({"status": "failed", "error": {"code": "x" * 81}}, "job_failed"),
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
        ({"result": {"predictions": ["a"], "scores": [10**400]}}, "scores_malformed"),
        ({"queue_time": "fast"}, "queue_time_not_a_duration"),
        ({"queue_time": 10**400}, "queue_time_not_a_duration"),
        ({"steps": [{"id": "s0", "time": 10**400}]}, "time_not_a_duration"),
        ({"replica_used": "\ud800"}, "result_not_json"),
        ({"processing_time": -1}, "processing_time_not_a_duration"),
        ({"from_cache": 1}, "from_cache_not_a_boolean"),
        ({"replica_used": 5}, "replica_used_not_a_string"),
        ({"steps": 5}, "steps_malformed"),
        ({"steps": [5]}, "steps_malformed"),
        ({"steps": [{"id": "s0", "time": -1}]}, "time_not_a_duration"),
    ],
)
def test_a_malformed_result_is_wrong(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(WrongError, match=f"^{reason}$"):
        result_of(GOOD | change)


def test_a_name_that_a_service_may_clean_proves_nothing() -> None:
    body = json.dumps(GOOD | {"filename": "gr_n.jpg"}).encode()
    assert read_result(body, request_id="a", file="grün.jpg").top_label == "drum"


def test_a_whole_character_in_two_escapes_is_read() -> None:
    assert result_of(GOOD | {"result": {"predictions": ["\U0001f941"]}}).top_label == "\U0001f941"


def test_a_service_knows_the_last_part_of_a_path() -> None:
    body = json.dumps(GOOD).encode()
    assert read_result(body, request_id="a", file="birds/drum.jpg").top_label == "drum"
    with pytest.raises(WrongError, match="result_of_another_file"):
        read_result(body, request_id="a", file="drum.jpg/tank.png")


def test_steps_without_a_time_are_left_out_and_those_that_ran_twice_added_up() -> None:
    steps = [{"id": "a", "time": 1.0}, {"id": "a", "time": 0.5}, {"id": "b", "time": None}, {}]
    assert result_of(GOOD | {"steps": steps}).steps_s == {"a": 1.5}


def test_the_picture_of_a_replica_comes_with_the_times_of_its_steps() -> None:
    answer = read_process_answer(200, PICTURE, b"png", file="drum.jpg")
    assert (answer.picture, answer.polls) == (b"png", 0)
    assert answer.steps_s == {"Blur-1": 0.25, "s0": 2.0}
    assert answer.top_label is None


def test_the_document_of_a_classifying_replica_has_a_label() -> None:
    body = b'{"filename": "drum.jpg", "inference_time": 0.25, "predictions": ["drum"]}'
    answer = read_process_answer(200, DATA, body, file="drum.jpg")
    assert (answer.top_label, answer.processing_time_s) == ("drum", 0.25)
    assert answer.steps_s == {"s0": 0.5}
    assert answer.document is not None
    assert answer.document["filename"] == "drum.jpg"


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (PICTURE, b"", "answer_neither_picture_nor_json"),
        ({"Content-Type": "text/html"}, b"<html>", "answer_neither_picture_nor_json"),
        ({}, b"x", "answer_neither_picture_nor_json"),
        (PICTURE | {"X-Step-s0-Time": "fast"}, b"x", "step_time_not_a_duration"),
        (DATA, b"{", "answer_not_json"),
        (DATA, b"{}", "result_empty"),
        (DATA, b'{"filename": "tank.png", "predictions": ["drum"]}', "result_of_another_file"),
    ],
)
def test_an_answer_of_a_replica_that_is_none_is_wrong(
    headers: dict[str, str], body: bytes, reason: str
) -> None:
    with pytest.raises(WrongError, match=f"^{reason}$"):
        read_process_answer(200, headers, body, file="drum.jpg")


def test_a_replica_refuses_and_fails_as_a_dispatcher_does() -> None:
    with pytest.raises(RefusedError, match="http_503"):
        read_process_answer(503, {}, b"", file="drum.jpg")
    with pytest.raises(FailedError, match="http_422"):
        read_process_answer(422, {}, b"", file="drum.jpg")


def test_other_headers_are_no_step_times() -> None:
    assert read_step_times({"X-Step-Time": "1", "X-Steps-a-Time": "1", "Content-Type": "a"}) == {}
