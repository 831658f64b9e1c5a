import json

import pytest

from dispatcher.errors import (
    AttemptError,
    InvalidResponseError,
    ItemRejectedError,
    ReplicaFailedError,
)
from dispatcher.pools.replies import read_reply
from step_app.contract import JSON_MEDIA_TYPE, ItemReply


def reply(body: object, *, status: int = 200, content_type: str = JSON_MEDIA_TYPE) -> ItemReply:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ItemReply("job-1", status, content_type, encoded, 0.1)


PROBLEM = {"code": "image_corrupt", "detail": "It ends early."}
PROBLEM_TYPE = "application/problem+json"


def test_a_result_is_read() -> None:
    result = {"predictions": ["koala"], "scores": [0.5, 1, 1e-9]}
    assert read_reply(reply(result)) == result


@pytest.mark.parametrize("status", [400, 413, 415, 422, 499])
def test_a_problem_is_a_judgement(status: int) -> None:
    with pytest.raises(ItemRejectedError) as rejected:
        read_reply(reply(PROBLEM, status=status, content_type=PROBLEM_TYPE))
    assert (rejected.value.item_code, rejected.value.detail) == ("image_corrupt", "It ends early.")


@pytest.mark.parametrize("status", [500, 503, 599])
def test_a_problem_of_the_step_itself_is_a_failure(status: int) -> None:
    with pytest.raises(ReplicaFailedError, match="image_corrupt"):
        read_reply(reply(PROBLEM, status=status, content_type=PROBLEM_TYPE))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b'"text"',
        b"\xff\xfe",
        b'{"predictions": ["koala"], "scores": [NaN]}',
        b'{"predictions": ["koala"], "scores": [Infinity]}',
        b'{"predictions": ["koala"], "scores": [-Infinity]}',
        b'{"predictions": ["koala"], "scores": [1e999]}',
        b'{"predictions": ["koala"], "scores": [-1e999]}',
        b'{"scores": ' + b"9" * 5000 + b"}",
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
    ids=lambda body: ascii(body[-24:]),
)
@pytest.mark.parametrize("status", [200, 422, 500])
def test_garbage_is_no_answer(body: bytes, status: int) -> None:
    with pytest.raises(InvalidResponseError):
        read_reply(reply(body, status=status))


@pytest.mark.parametrize("status", [422, 500])
@pytest.mark.parametrize(
    "problem",
    [{}, {"code": "x"}, {"detail": "x"}, {"code": 3, "detail": "x"}, {"code": "x", "detail": None}],
    ids=json.dumps,
)
def test_a_problem_without_code_and_detail_is_no_answer(
    status: int, problem: dict[str, object]
) -> None:
    with pytest.raises(InvalidResponseError):
        read_reply(reply(problem, status=status))


def test_a_result_of_another_media_type_is_no_answer() -> None:
    with pytest.raises(InvalidResponseError):
        read_reply(reply(PROBLEM, content_type=PROBLEM_TYPE))
    with pytest.raises(InvalidResponseError):
        read_reply(reply(b"\xff\xd8\xff", content_type="image/jpeg"))


@pytest.mark.parametrize("number", ["1e308", "-0.0", "5e-324", "9" * 4000])
def test_what_is_read_can_be_written_again(number: str) -> None:
    body = f'{{"predictions": ["koala"], "score": {number}}}'.encode()
    json.dumps(read_reply(reply(body)), allow_nan=False)


@pytest.mark.parametrize("result", [{}, {"scores": [0.5]}, {"predictions": []}, PROBLEM])
def test_a_result_without_predictions_is_no_answer(result: dict[str, object]) -> None:
    with pytest.raises(InvalidResponseError):
        read_reply(reply(result))


def test_every_kind_of_bad_answer_is_an_attempt_error() -> None:
    assert issubclass(InvalidResponseError, AttemptError)
    assert issubclass(ItemRejectedError, AttemptError)
