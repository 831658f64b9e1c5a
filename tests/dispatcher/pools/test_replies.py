import json
import random

import pytest

from dispatcher.pools.errors import (
    AttemptError,
    InvalidResponseError,
    ItemRejectedError,
    NotSentError,
    ReplicaFailedError,
)
from dispatcher.pools.replies import read_reply
from step_app.contract.frames import JSON_MEDIA_TYPE, ItemReply
from step_app.contract.pictures import (
    PICTURES_MEDIA_TYPE,
    RAW_MEDIA_TYPE,
    Picture,
    PictureReply,
    encode_pictures,
)


def framed(pictures: PictureReply) -> bytes:
    return b"".join(encode_pictures(pictures))


def reply(body: object, *, status: int = 200, content_type: str = JSON_MEDIA_TYPE) -> ItemReply:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ItemReply("job-1", status, content_type, encoded, 0.1)


PROBLEM = {"code": "image_corrupt", "detail": "It ends early."}
PROBLEM_TYPE = "application/problem+json"


def test_a_result_is_read() -> None:
    result = {"predictions": ["koala"], "scores": [0.5, 1, 1e-9]}
    assert read_reply(reply(result)) == result


@pytest.mark.parametrize("status", [400, 413, 415, 422, 498])
def test_a_problem_is_a_judgement(status: int) -> None:
    with pytest.raises(ItemRejectedError) as rejected:
        read_reply(reply(PROBLEM, status=status, content_type=PROBLEM_TYPE))
    assert (rejected.value.item_code, rejected.value.detail) == ("image_corrupt", "It ends early.")


def test_work_that_was_stopped_for_somebody_else_is_done_again_at_no_cost() -> None:
    problem = {"code": "cancelled", "detail": "The work was cancelled."}
    with pytest.raises(NotSentError) as stopped:
        read_reply(reply(problem, status=499, content_type=PROBLEM_TYPE))
    assert not stopped.value.uses_attempt


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


# Pictures


def picture(media_type: str = "image/png", *, width: int = 6, height: int = 4) -> Picture:
    return Picture(media_type, width, height, b"pixels", {"timings": [{"threads": 1}]})


def pictures_reply(pictures: PictureReply, *, status: int = 200) -> ItemReply:
    return reply(framed(pictures), status=status, content_type=PICTURES_MEDIA_TYPE)


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/tiff", RAW_MEDIA_TYPE])
def test_pictures_are_read_with_their_times_and_what_was_done_before(media_type: str) -> None:
    sent = PictureReply(
        pictures=[picture(media_type), picture(media_type, width=1)],
        timings_s=[0.0, 1.5],
        reused=1,
    )
    assert read_reply(pictures_reply(sent)) == sent


@pytest.mark.parametrize(
    "wrong",
    [
        picture("text/html"),
        picture("image/svg+xml"),
        picture(""),
        picture(width=0),
        picture(height=-1),
    ],
    ids=["text", "svg", "no type", "no column", "negative rows"],
)
def test_a_picture_that_is_none_is_no_answer(wrong: Picture) -> None:
    for pictures in ([wrong], [picture(), wrong]):
        with pytest.raises(InvalidResponseError):
            read_reply(pictures_reply(PictureReply(pictures=pictures, timings_s=[0.1])))


@pytest.mark.parametrize("time_s", ["-0.1", "NaN", "Infinity", "1e999"])
def test_a_time_that_is_no_number_of_seconds_is_no_answer(time_s: str) -> None:
    # All of these have as many characters as 123.4567, so that no length changes.
    sent = framed(PictureReply(pictures=[picture()], timings_s=[123.4567]))
    forged = sent.replace(b"123.4567", time_s.encode().ljust(8))
    with pytest.raises(InvalidResponseError):
        read_reply(reply(forged, content_type=PICTURES_MEDIA_TYPE))


def test_no_picture_at_all_is_no_answer() -> None:
    with pytest.raises(InvalidResponseError):
        read_reply(pictures_reply(PictureReply(pictures=[], timings_s=[0.1])))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_pictures_are_no_answer_and_no_crash(seed: int) -> None:
    dice = random.Random(seed)
    sent = framed(PictureReply([picture(), picture()], [0.1, 0.2], reused=1))
    for cut in range(len(sent)):
        with pytest.raises(InvalidResponseError):
            read_reply(reply(sent[:cut], content_type=PICTURES_MEDIA_TYPE))
    for _ in range(500):
        damaged = bytearray(sent)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.getrandbits(8)
        try:
            read_reply(reply(bytes(damaged), content_type=PICTURES_MEDIA_TYPE))
        except InvalidResponseError:
            continue


@pytest.mark.parametrize("reused", [-1, 3, 10**9])
def test_more_operations_done_before_than_there_are_is_no_answer(reused: int) -> None:
    with pytest.raises(InvalidResponseError):
        read_reply(pictures_reply(PictureReply([picture()], [0.1, 0.2], reused=reused)))


@pytest.mark.parametrize("status", [422, 500])
def test_pictures_with_the_status_of_a_problem_are_no_answer(status: int) -> None:
    with pytest.raises(InvalidResponseError):
        read_reply(pictures_reply(PictureReply([picture()], [0.1]), status=status))


def test_pictures_as_json_are_no_answer() -> None:
    with pytest.raises(InvalidResponseError):
        read_reply(reply(framed(PictureReply([picture()], [0.1]))))


def test_every_kind_of_bad_answer_is_an_attempt_error() -> None:
    assert issubclass(InvalidResponseError, AttemptError)
    assert issubclass(ItemRejectedError, AttemptError)
