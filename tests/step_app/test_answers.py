import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.responses import Response

from step_app.answers import ChainPart, chain_answer, item_reply, problem
from step_app.contract.frames import BatchItem
from step_app.contract.limits import MAX_PIECES
from step_app.contract.pictures import PICTURES_MEDIA_TYPE, Picture, PictureReply, decode_pictures
from step_app.errors import ImageTooLargeError, InvalidParamsError, NextStepFailedError
from step_app.runner import StepResult
from step_app.steps.base import JsonOutput, Outcome, PictureOutput
from tests.step_app.replying import bytes_of

PROBLEM = ChainPart("application/problem+json", b'{"code":"step_failed"}', status=500)


def picture(body: bytes = b"koala", **times: str) -> ChainPart:
    return ChainPart("image/png", body, {f"X-Step-{key[1:]}-Time": t for key, t in times.items()})


def document(**content: Any) -> ChainPart:
    return ChainPart("application/json", json.dumps(content).encode())


def as_part(answer: Response, times: Mapping[str, str] | None = None) -> ChainPart:
    """Return an answer as the step before receives it."""
    return ChainPart(str(answer.media_type), bytes(answer.body), times or {})


def unzipped(answer: Response) -> dict[str, bytes]:
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(bytes(answer.body))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def reply(outcome: Outcome) -> Any:
    return item_reply(BatchItem("7", "k.png", b""), StepResult(outcome, 0.25, 0.5))


def test_a_problem_says_what_where_and_how_grave() -> None:
    answer = problem(InvalidParamsError("ksize: 4 is no size"))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert json.loads(bytes(answer.body)) == {
        "type": "about:blank",
        "title": "The params are invalid",
        "status": 422,
        "code": "invalid_params",
        "detail": "ksize: 4 is no size",
    }


def test_an_item_is_answered_with_data_with_pictures_or_with_a_problem() -> None:
    data = reply(JsonOutput({"predictions": ["koala"]}))
    assert (data.id, data.status, data.content_type, data.duration_s) == (
        "7",
        200,
        "application/json",
        0.5,
    )
    assert json.loads(bytes_of(data)) == {
        "filename": "k.png",
        "inference_time": 0.25,
        "predictions": ["koala"],
    }
    made = PictureReply([Picture("image/png", 1, 2, b"x")], timings_s=[0.1, 0.2], reused=1)
    pictures = reply(PictureOutput(made))
    assert (pictures.status, pictures.content_type) == (200, PICTURES_MEDIA_TYPE)
    assert decode_pictures(bytes_of(pictures)) == made
    refused = reply(ImageTooLargeError())
    assert (refused.status, refused.content_type) == (422, "application/problem+json")
    assert json.loads(bytes_of(refused))["code"] == "image_too_large"


def test_one_picture_is_the_answer_itself() -> None:
    answer = chain_answer([picture(b"koala", _1="0.5")], {"X-Step-0-Time": "0.25"})
    assert (answer.body, answer.headers["content-type"]) == (b"koala", "image/png")
    assert answer.headers["X-Step-0-Time"] == "0.25"
    assert answer.headers["X-Step-1-Time"] == "0.5"


def test_one_document_is_the_answer_itself() -> None:
    answer = chain_answer([document(a=1)], {})
    assert (json.loads(bytes(answer.body)), answer.media_type) == ({"a": 1}, "application/json")


def test_pieces_are_one_zip_in_their_order() -> None:
    answer = chain_answer([picture(bytes([n])) for n in range(12)], {})
    assert list(unzipped(answer)) == [f"piece-{n:02}.png" for n in range(12)]
    assert list(unzipped(answer).values()) == [bytes([n]) for n in range(12)]


def test_pieces_of_pieces_are_one_zip_too() -> None:
    left = chain_answer([picture(b"a"), ChainPart("image/jpeg", b"b")], {})
    right = chain_answer([picture(b"c"), picture(b"d")], {})
    answer = chain_answer([as_part(left), as_part(right), picture(b"e")], {})
    assert unzipped(answer) == {
        "piece-00.png": b"a",
        "piece-01.jpg": b"b",
        "piece-02.png": b"c",
        "piece-03.png": b"d",
        "piece-04.png": b"e",
    }


def test_data_of_pieces_are_one_list_in_their_order() -> None:
    answer = chain_answer([document(n=n) for n in range(3)], {})
    assert json.loads(bytes(answer.body)) == {"outputs": [{"n": 0}, {"n": 1}, {"n": 2}]}
    twice = chain_answer([as_part(answer), document(n=3)], {})
    assert [output["n"] for output in json.loads(bytes(twice.body))["outputs"]] == [0, 1, 2, 3]


def test_of_several_pieces_the_slowest_time_of_each_step_is_told() -> None:
    parts = [picture(_1="0.5", _2="9.5"), picture(_1="10.25", _2="0.5"), picture(_1="2")]
    answer = chain_answer(parts, {"X-Step-0-Time": "1"})
    times = {name: value for name, value in answer.headers.items() if name.startswith("x-step")}
    assert times == {"x-step-0-time": "1", "x-step-1-time": "10.25", "x-step-2-time": "9.5"}


def test_a_piece_that_failed_is_the_whole_answer() -> None:
    answer = chain_answer([picture(), PROBLEM, picture()], {"X-Step-0-Time": "1"})
    assert (answer.status_code, answer.body, answer.media_type) == (
        500,
        PROBLEM.body,
        PROBLEM.media_type,
    )


@pytest.mark.parametrize(
    "part",
    [
        ChainPart("application/zip", b"no zip"),
        ChainPart("application/zip", b""),
        ChainPart("text/html", b"<html>"),
        document(),
    ],
    ids=["no zip", "nothing", "a page", "a document"],
)
def test_parts_that_do_not_go_together_are_the_next_steps_failure(part: ChainPart) -> None:
    with pytest.raises(NextStepFailedError):
        chain_answer([picture(), part], {})


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"3", b'{"outputs": 3}', b"\xff"])
def test_documents_that_are_none_are_the_next_steps_failure(body: bytes) -> None:
    with pytest.raises(NextStepFailedError):
        chain_answer([document(), ChainPart("application/json", body)], {})


def test_there_are_no_more_pieces_than_one_picture_may_be_split_into() -> None:
    half = as_part(chain_answer([picture()] * (MAX_PIECES // 2), {}))
    assert len(unzipped(chain_answer([half, half], {}))) == MAX_PIECES
    with pytest.raises(ImageTooLargeError, match="more than 1024 pieces"):
        chain_answer([half, half, picture()], {})
    with pytest.raises(ImageTooLargeError, match="more than 1024 pieces"):
        chain_answer([document()] * (MAX_PIECES + 1), {})
