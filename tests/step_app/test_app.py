"""The replica's HTTP face, in this process: with the real model, and with a scripted step."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from step_app import replica as replica_module
from step_app.app import create_app
from step_app.contract.frames import BatchItem
from step_app.contract.limits import MAX_IMAGE_BYTES
from step_app.errors import ConfigurationError
from step_app.replica import Replica
from step_app.settings import Settings, StepConfig
from tests.step_app.conftest import CLASSIFIER_PARAMS
from tests.step_app.in_process import fail, form, problem, send_batch, serving, talking_to
from tests.step_app.pictures import encode, photo, small_photo
from tests.step_app.replying import bytes_of
from tests.step_app.scripted_step import POISON, UNREADABLE, ScriptedStep

CONFIG = StepConfig("p", "7", "classifier", CLASSIFIER_PARAMS)
of_one_loop = pytest.mark.asyncio(loop_scope="module")
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(step_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Talks to a replica with the shared model."""
    async with serving(Replica(CONFIG, step_settings)) as client:
        yield client


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedStep:
    """The step that replicas load in this test."""
    step = ScriptedStep()
    monkeypatch.setattr(replica_module, "load_step", lambda *_: step)
    return step


async def test_a_replica_that_is_loading_is_alive_but_not_ready() -> None:
    async with talking_to(create_app(Replica(CONFIG, Settings()), on_failure=fail)) as client:
        assert (await client.get("/health")).json() == {"status": "healthy"}
        assert (await client.get("/livez")).status_code == 200
        assert problem(await client.get("/readyz")) == (503, "not_ready")
        for path in ("/predict", "/process", "/process_batch"):
            assert problem(await client.post(path, content=b"x")) == (503, "not_ready")
        assert (await client.get("/metrics")).status_code == 200


@of_one_loop
async def test_a_ready_replica_says_what_it_is(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/readyz")).json()
    assert (answer["status"], answer["type"], answer["step_id"]) == ("ready", "classifier", "7")
    assert (answer["model"], answer["runtime"]) == ("efficientnet_lite0", "openvino")


@of_one_loop
@pytest.mark.parametrize("path", ["/predict", "/process"])
async def test_an_image_is_taken_from_a_form(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, files={"image": ("a b.jpg", photo("koala"), "text/html")})
    document = answer.json()
    assert answer.status_code == 200
    assert document.keys() == {"filename", "inference_time", "predictions", "scores", "model"}
    assert document["filename"] == "a b.jpg"
    assert document["predictions"][0] == "koala"


@of_one_loop
@pytest.mark.parametrize("path", ["/predict", "/process"])
async def test_an_image_is_taken_as_the_raw_body(client: httpx.AsyncClient, path: str) -> None:
    headers = {"Content-Type": "image/jpeg", "X-Filename": "k.jpg"}
    answer = await client.post(path, content=photo("koala"), headers=headers)
    assert answer.json()["filename"] == "k.jpg"
    assert answer.json()["predictions"][0] == "koala"


@of_one_loop
async def test_a_file_name_in_a_header_is_percent_encoded(client: httpx.AsyncClient) -> None:
    headers = {"X-Filename": "r%C3%A9s%20%E7%8C%AB.jpg"}
    answer = await client.post("/process", content=photo("koala"), headers=headers)
    assert answer.json()["filename"] == "r\u00e9s \u732b.jpg"


@of_one_loop
async def test_process_tells_the_time_of_its_step_under_its_id(client: httpx.AsyncClient) -> None:
    answer = await client.post("/process", content=photo("koala"))
    assert answer.json()["inference_time"] < float(answer.headers["X-Step-7-Time"])
    assert "X-Step-7-Time" not in (await client.post("/predict", content=photo("koala"))).headers


@of_one_loop
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (b"", (422, "empty_file")),
        (b"hello", (415, "unsupported_image_type")),
        (photo("koala")[:5000], (422, "image_truncated")),
        (encode(small_photo("koala", 90), "PNG")[:500], (422, "image_corrupt")),
        (bytes(MAX_IMAGE_BYTES), (415, "unsupported_image_type")),
        (bytes(MAX_IMAGE_BYTES + 1), (413, "payload_too_large")),
    ],
    ids=["empty", "text", "cut JPEG", "cut PNG", "as long as allowed", "too long"],
)
async def test_a_body_that_is_no_image_gets_its_problem(
    client: httpx.AsyncClient, image: bytes, expected: tuple[int, str]
) -> None:
    assert problem(await client.post("/process", content=image)) == expected


@of_one_loop
@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (form(), FORM, (422, "missing_field")),
        (form(('name="image"', b"text")), FORM, (422, "missing_field")),
        (form(('name="photo"; filename="a"', b"x")), FORM, (422, "missing_field")),
        (form(('name="image"; filename="a"', b"")), FORM, (422, "empty_file")),
        (form(*[('name="image"; filename="a"', b"x")] * 2), FORM, (400, "invalid_request")),
        (form(*[('name="text"', b"x")] * 9), FORM, (400, "invalid_request")),
        (form(('name="text"', bytes(2_000_000))), FORM, (400, "invalid_request")),
        (b"no form at all", FORM, (400, "invalid_request")),
        (b"", {"Content-Type": "multipart/form-data"}, (400, "invalid_request")),
        (
            form(('name="image"; filename="a"', bytes(MAX_IMAGE_BYTES))),
            FORM,
            (413, "payload_too_large"),
        ),
    ],
    ids=[
        "no parts",
        "image as text",
        "another name",
        "empty file",
        "two files",
        "many fields",
        "long field",
        "no form",
        "no boundary",
        "too long",
    ],
)
async def test_a_form_without_its_one_image_gets_its_problem(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert problem(await client.post("/predict", content=body, headers=headers)) == expected


@of_one_loop
async def test_a_body_without_end_is_refused_while_it_arrives(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield bytes(1024 * 1024)

    answer = await client.post("/process", content=endless())
    assert problem(answer) == (413, "payload_too_large")
    assert sent == MAX_IMAGE_BYTES // (1024 * 1024) + 1


@of_one_loop
async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/nothing")) == (404, "not_found")
    refused = await client.get("/process")
    assert problem(refused) == (405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"


@of_one_loop
async def test_the_images_of_a_batch_are_answered_each_alone_and_in_order(
    client: httpx.AsyncClient,
) -> None:
    replies = await send_batch(
        client,
        BatchItem("z", "1.jpg", photo("koala")),
        BatchItem("y", "2.jpg", photo("koala")[:5000]),
        BatchItem("x", "3.jpg", photo("espresso"), {"top_k": 2}),
        BatchItem("w", "4.jpg", photo("espresso"), {"model": "resnet18"}),
        BatchItem("v", "5.jpg", photo("espresso"), {"top_k": "many"}),
        BatchItem("u", "6.jpg", photo("giant_panda"), {"top_k": 3.0}),
    )
    assert [reply.status for reply in replies] == [200, 422, 200, 422, 422, 200]
    documents = [json.loads(bytes_of(reply)) for reply in replies]
    assert documents[0]["predictions"][0] == "koala"
    assert documents[0]["filename"] == "1.jpg"
    assert documents[1]["code"] == "image_truncated"
    assert documents[2]["predictions"][0] == "espresso"
    assert len(documents[2]["predictions"]) == 2
    assert {documents[3]["code"], documents[4]["code"]} == {"invalid_params"}
    assert documents[5]["predictions"][0] == "giant panda"
    assert len(documents[5]["predictions"]) == 3


@of_one_loop
async def test_an_empty_batch_gets_an_empty_reply(client: httpx.AsyncClient) -> None:
    assert await send_batch(client) == []


@of_one_loop
@pytest.mark.parametrize("body", [b"", b"CVB1", b"\xff\xd8\xff no frame", b"CVB1\0\0\0\2{}"])
async def test_a_batch_that_is_no_frame_is_an_invalid_request(
    client: httpx.AsyncClient, body: bytes
) -> None:
    assert problem(await client.post("/process_batch", content=body)) == (400, "invalid_request")


@of_one_loop
async def test_the_metrics_have_the_names_of_the_contract(client: httpx.AsyncClient) -> None:
    await client.post("/process", content=photo("koala"))
    await client.post("/process", content=b"no image")
    text = (await client.get("/metrics")).text
    for name in (
        "step_batch_size_bucket",
        "step_batch_wait_seconds_bucket",
        'step_process_seconds_bucket{le="0.001",type="classifier"}',
        'step_failures_total{code="unsupported_image_type"}',
    ):
        assert name in text


async def test_a_poison_image_fails_alone_in_its_batch(scripted: ScriptedStep) -> None:
    async with serving(Replica(CONFIG, Settings())) as client:
        images = (b"a", POISON, b"b", UNREADABLE)
        replies = await send_batch(
            client, *(BatchItem(str(n), "", image) for n, image in enumerate(images))
        )
    assert [reply.status for reply in replies] == [200, 500, 200, 422]
    documents = [json.loads(bytes_of(reply)) for reply in replies]
    assert documents[1]["code"] == "step_failed"
    assert (documents[0]["echo"], documents[2]["echo"]) == ("a", "b")


async def test_a_poison_image_alone_is_a_failed_step(scripted: ScriptedStep) -> None:
    async with serving(Replica(CONFIG, Settings())) as client:
        assert problem(await client.post("/process", content=POISON)) == (500, "step_failed")
        assert (await client.post("/process", content=b"next")).json()["echo"] == "next"


async def test_a_batch_that_runs_for_far_too_long_makes_the_replica_not_alive(
    scripted: ScriptedStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Replica(CONFIG, Settings())) as client:
        scripted.gate.clear()
        pending = asyncio.create_task(client.post("/process", content=b"slow"))
        assert await asyncio.to_thread(scripted.computing.wait, 10)
        assert (await client.get("/livez")).status_code == 200
        monkeypatch.setattr(replica_module, "_STUCK_AFTER_S", 0.0)
        assert problem(await client.get("/livez")) == (503, "not_ready")
        scripted.gate.set()
        assert (await pending).status_code == 200
        assert (await client.get("/livez")).status_code == 200


async def test_closing_the_application_finishes_what_it_has_accepted(
    scripted: ScriptedStep,
) -> None:
    replica = Replica(CONFIG, Settings())
    async with serving(replica) as client:
        scripted.gate.clear()
        pending = asyncio.create_task(client.post("/process", content=b"slow"))
        assert await asyncio.to_thread(scripted.computing.wait, 10)
        closing = asyncio.create_task(replica.close())
        scripted.gate.set()
        await closing
        assert (await pending).json()["echo"] == "slow"


@pytest.mark.parametrize("error", [ConfigurationError("no such model"), OSError("disk full")])
async def test_a_step_that_cannot_be_loaded_ends_the_replica(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def load(*_: object) -> None:
        raise error

    monkeypatch.setattr(replica_module, "load_step", load)
    replica = Replica(CONFIG, Settings())
    gave_up = asyncio.Event()
    app = create_app(replica, on_failure=gave_up.set)
    async with app.router.lifespan_context(app), talking_to(app) as client:
        await asyncio.wait_for(gave_up.wait(), 10)
        assert problem(await client.get("/readyz")) == (503, "not_ready")
    assert replica.failure is error


async def test_every_call_is_described(scripted: ScriptedStep) -> None:
    app = create_app(Replica(CONFIG, Settings()), on_failure=fail)
    paths = {"/predict", "/process", "/process_batch", "/health", "/livez", "/readyz", "/metrics"}
    assert paths <= app.openapi()["paths"].keys()
