"""What a chain answers when the next step is missing, not ready, broken or lies."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from step_app import forwarding as forwarding_module
from step_app import replica as replica_module
from step_app.codec import decode_upright_pixels
from step_app.contract.pictures import RAW_MEDIA_TYPE
from step_app.replica import Replica
from step_app.settings import Settings, StepConfig
from step_app.steps.base import Step
from tests.step_app.chaining import chain_step, koala
from tests.step_app.in_process import problem
from tests.step_app.running_pipeline import (
    Answer,
    RunningPipeline,
    answering,
    closed_port,
    pretending,
    running,
    serving,
    step,
)

HALF = {"size": "50%"}
PICTURE = answering(200, "image/png", koala(20))
NOT_READY = answering(503, "application/problem+json", b'{"code":"not_ready"}')
REFUSED = answering(422, "application/problem+json", b'{"code":"image_too_large","detail":"no"}')


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[RunningPipeline]:
    """A step that blurs, and two that would follow if their records were there."""
    absent = [step("resize", HALF), step("sobel")]
    with running(tmp_path, step("blur"), absent=absent) as pipeline:
        yield pipeline


@pytest.fixture
def resizing(tmp_path: Path) -> Iterator[str]:
    """The URL of a replica that could be the second step."""
    config = StepConfig("p", "1", "resize", HALF)
    with serving(Replica(config, Settings(step_threads=1, records_dir=tmp_path))) as replica:
        yield replica.url


def close(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Close the connection instead of an answer."""
    handler.close_connection = True


def send_elsewhere(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Name another place, where a picture would be had."""
    redirect = answering(307, "text/plain", headers={"Location": "/elsewhere"})
    (redirect if handler.path == "/process" else PICTURE)(handler, body)


def break_off(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Announce more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Type", "image/png")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half")


def test_without_the_steps_that_follow_a_picture_is_not_even_begun(chain: RunningPipeline) -> None:
    answer = chain.process(koala())
    assert problem(answer) == (502, "next_step_missing")
    assert answer.json()["detail"] == "step 1 (resize) is not active."
    assert "step_batch_size_count 0.0" in chain.metrics("0")
    assert chain.process(koala(), X_Forward="none").status_code == 200


def test_a_step_without_replicas_is_not_ready(chain: RunningPipeline) -> None:
    chain.put_record("1")
    answer = chain.process(koala())
    assert problem(answer) == (503, "next_step_unready")
    assert answer.json()["detail"] == "step 1 (resize): no replica is ready."


def test_a_step_whose_replicas_are_all_gone_is_not_ready(chain: RunningPipeline) -> None:
    with closed_port() as one, closed_port() as other:
        chain.put_record("1", one, other)
        assert problem(chain.process(koala())) == (503, "next_step_unready")


def test_a_step_whose_replica_is_still_loading_is_not_ready(
    chain: RunningPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()

    def load(*_: object) -> Step:
        assert loaded.wait(30)
        return chain_step()

    monkeypatch.setattr(replica_module, "load_step", load)
    with serving(Replica(StepConfig("p", "2", "sobel", {}), Settings())) as replica:
        try:
            chain.put_record("2", replica.url)
            answer = chain.process(koala())
        finally:
            loaded.set()
        assert problem(answer) == (503, "next_step_unready")
        assert answer.json()["detail"] == "step 2 (sobel): no replica is ready."


@pytest.mark.parametrize("answer", [None, NOT_READY, close], ids=["gone", "not ready", "broken"])
def test_of_two_replicas_the_one_that_works_is_used(
    chain: RunningPipeline, answer: Answer | None
) -> None:
    config = StepConfig("p", "2", "sobel", {})
    with (
        serving(Replica(config, Settings(step_threads=1))) as good,
        closed_port() if answer is None else pretending(answer) as bad,
    ):
        chain.put_record("2", bad, good.url)
        expected = chain.process(koala()).content
        for _ in range(8):  # the order is left to chance
            given = chain.process(koala())
            assert (given.status_code, given.content) == (200, expected)


def test_a_step_that_only_ever_closes_the_connection_is_not_ready(chain: RunningPipeline) -> None:
    with pretending(close) as url:
        chain.put_record("1", url)
        assert problem(chain.process(koala())) == (503, "next_step_unready")


def test_the_problem_of_the_own_step_names_it(chain: RunningPipeline, resizing: str) -> None:
    chain.put_record("1", resizing)
    answer = chain.process(koala()[:500])
    assert problem(answer) == (422, "image_corrupt")
    assert answer.json()["detail"] == "step 0 (blur): The image is damaged."


def test_the_problem_of_a_later_step_names_that_step(tmp_path: Path) -> None:
    steps = [step("blur"), step("sobel"), step("resize", {"size": "20000x20000"})]
    with running(tmp_path, *steps) as pipeline:
        answer = pipeline.process(koala())
    assert problem(answer) == (422, "image_too_large")
    detail = answer.json()["detail"]
    assert detail.startswith("step 2 (resize): ")
    assert detail.count("step ") == 1


def test_a_step_missing_further_down_is_named(chain: RunningPipeline, tmp_path: Path) -> None:
    config = StepConfig("p", "1", "resize", HALF, chain.steps)
    with serving(Replica(config, Settings(step_threads=1, records_dir=tmp_path))) as replica:
        chain.put_record("1", replica.url)
        answer = chain.process(koala())
    assert problem(answer) == (502, "next_step_missing")
    assert answer.json()["detail"] == "step 2 (sobel) is not active."


@pytest.mark.parametrize(
    "answer",
    [
        answering(500, "text/plain", b"Internal Server Error"),
        answering(404, "application/json", b"{}"),
        answering(503, "text/html", b"<h1>Service unavailable</h1>"),
        answering(200, "text/html", b"<h1>Welcome</h1>"),
        answering(200, "application/octet-stream", b"bytes"),
        answering(204, "image/png"),
        send_elsewhere,
        break_off,
    ],
    ids=["500", "404", "503", "a page", "bytes", "nothing", "a redirect", "half an answer"],
)
def test_an_answer_that_is_none_is_the_next_steps_failure(
    chain: RunningPipeline, answer: Answer
) -> None:
    with pretending(answer) as url:
        chain.put_record("1", url)
        given = chain.process(koala())
    assert problem(given) == (502, "next_step_failed")
    assert given.json()["detail"].startswith("step 1 (resize): ")


def test_an_answer_longer_than_any_may_be_is_not_read_to_its_end(
    chain: RunningPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding_module, "MAX_REPLY_BYTES", 100_000)
    with pretending(answering(200, "image/png", bytes(100_001))) as url:
        chain.put_record("1", url)
        answer = chain.process(koala())
        assert problem(answer) == (502, "next_step_failed")
        assert answer.json()["detail"] == "step 1 (resize): the answer is too long."
    with pretending(answering(200, "image/png", bytes(100_000))) as url:
        chain.put_record("1", url)
        assert chain.process(koala()).status_code == 200


def test_a_step_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding_module, "_ANSWER_TIMEOUT_S", 0.2)
    released = threading.Event()

    def hang(*_: object) -> None:
        released.wait(30)

    with (
        running(tmp_path, step("blur"), absent=[step("sobel")]) as pipeline,
        pretending(hang) as url,
    ):
        pipeline.put_record("1", url)
        answer = pipeline.process(koala())
        released.set()
    assert problem(answer) == (502, "next_step_failed")
    assert answer.json()["detail"] == "step 1 (sobel): TimeoutError."


def test_one_piece_that_fails_is_the_answer_for_all(tmp_path: Path) -> None:
    taken = threading.Lock()

    def refuse_one(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        (REFUSED if taken.acquire(blocking=False) else PICTURE)(handler, body)

    with (
        running(tmp_path, step("split"), absent=[step("sobel")]) as pipeline,
        pretending(refuse_one) as url,
    ):
        pipeline.put_record("1", url)
        answer = pipeline.process(koala())
        assert (answer.status_code, answer.json()["detail"]) == (422, "no")
        assert pipeline.process(koala()).headers["content-type"] == "application/zip"


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "-1", "1e3", "0x1", "1.2.3", ".", ""])
def test_times_that_are_no_times_are_left_out(chain: RunningPipeline, value: str) -> None:
    headers = {
        "X-Step-1-Time": value,
        "X-Step-2-Time": "0.5",
        "X-Step-2-Place": "7",
        "X-Other": "1",
    }
    with pretending(answering(200, "image/png", koala(20), headers)) as url:
        chain.put_record("1", url)
        answer = chain.process(koala())
    assert answer.status_code == 200
    told = [name for name in answer.headers if name.startswith("x-")]
    assert sorted(told) == ["x-step-0-time", "x-step-2-time"]
    assert answer.headers["X-Step-2-Time"] == "0.5"


@pytest.mark.parametrize(
    ("next_step", "media_type"),
    [
        (step("sobel"), RAW_MEDIA_TYPE),
        (step("split"), RAW_MEDIA_TYPE),
        (step("classifier"), "image/bmp"),
        (step("sharpening"), "image/bmp"),
        ({"params": {}}, "image/bmp"),
    ],
    ids=["a picture step", "a split", "a classifier", "an unknown type", "no type"],
)
def test_a_step_that_makes_pictures_is_sent_raw_ones_and_any_other_what_it_can_open(
    tmp_path: Path, next_step: dict[str, object], media_type: str
) -> None:
    received = []

    def remember(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        received.append((dict(handler.headers), body))
        PICTURE(handler, body)

    with (
        running(tmp_path, step("blur", {"ksize": 1}), absent=[next_step]) as pipeline,
        pretending(remember) as url,
    ):
        pipeline.put_record("1", url)
        answer = pipeline.process(koala(40, "BMP"), X_Filename="r%C3%A9s%0A.bmp")
    assert answer.status_code == 200
    ((headers, body),) = received
    assert headers["Content-Type"] == media_type
    assert headers["X-Output-Type"] == "image/bmp"
    assert unquote(headers["X-Filename"]) == "r\u00e9s\n.bmp"
    assert "X-Forward" not in headers
    assert np.array_equal(decode_upright_pixels(body), decode_upright_pixels(koala(40)))
