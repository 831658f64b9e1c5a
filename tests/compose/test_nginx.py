"""What nginx does with requests and answers: it passes them on, at once and unchanged."""

import asyncio
import io
import json
import re
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import httpx

from dispatcher.api.guards.patience import Limits
from dispatcher.api.jobs import MAX_WAIT_S
from dispatcher.intake.batch_form import MAX_BODY_BYTES, MAX_OVERHEAD_BYTES
from step_app.contract.limits import MAX_IMAGE_BYTES
from tests.compose.proxy import CONFIGURATION, Fronted, Nginx
from tests.dispatcher.api.raw_http import IMAGE, connect, exchange, request, submission
from tests.dispatcher.api.serving import bearer
from tests.dispatcher.images import png
from tests.dispatcher.records import make_pipeline, make_stage
from tests.dispatcher.waiting import until
from tests.ports import free_port
from tests.servers.fixtures import need
from tests.servers.processes import Guard

MIB = 1024 * 1024


def client(front: Fronted) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{front.port}", timeout=20)


async def test_the_largest_image_passes_and_arrives_as_it_was(front: Fronted) -> None:
    image = png()
    image += b"\0" * (MAX_IMAGE_BYTES - len(image))
    async with client(front) as http:
        raw = await http.post(
            "/predict_async", content=image, headers={"Content-Type": "image/png"}
        )
        form = await http.post("/predict_async", files={"image": ("i.png", image)})
    assert (raw.status_code, form.status_code) == (202, 202)
    # Kept once: both had the same bytes.
    assert front.served.services.blobs.total_bytes() == MAX_IMAGE_BYTES


async def test_one_byte_more_is_refused_by_the_dispatcher(front: Fronted) -> None:
    head = request(
        "POST",
        "/predict_async",
        "Content-Type: image/png",
        f"Content-Length: {MAX_IMAGE_BYTES + 1}",
    )
    answer = await exchange(front.port, head)
    assert (answer.status, answer.code) == (413, "payload_too_large")
    assert front.served.is_untouched()


async def test_a_strangers_body_is_refused_before_it_has_been_sent(locked_front: Fronted) -> None:
    head = request("POST", "/predict_async", "Content-Type: image/png", "Content-Length: 20000000")
    async with connect(locked_front.port) as wire:
        wire.send(head + b"x" * 1000)
        answer = await wire.answer()
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_opens_the_door(locked_front: Fronted) -> None:
    answer = await exchange(
        locked_front.port, submission(f"Authorization: {bearer('alice')}", body=IMAGE)
    )
    assert answer.status == 202


async def test_a_body_in_chunks_passes(front: Fronted) -> None:
    head = request(
        "POST", "/predict_async", "Content-Type: image/png", "Transfer-Encoding: chunked"
    )
    async with connect(front.port) as wire:
        wire.send(head + b"%x\r\n" % len(IMAGE) + IMAGE + b"\r\n0\r\n\r\n")
        assert (await wire.answer()).status == 202


async def test_an_event_arrives_when_it_happens(front: Fronted) -> None:
    async with client(front) as http:
        ticket = (
            await http.post("/predict_async", content=IMAGE, headers={"Content-Type": "image/png"})
        ).json()
        events = f"{ticket['status_url']}/events"
        async with http.stream("GET", events) as stream:
            lines = stream.aiter_lines()
            # The stream goes on, and what has happened so far is here.
            assert "event: queued" in [await anext(lines) for _ in range(4)]
            await http.delete(ticket["status_url"])
            rest = [line async for line in lines]
    assert "event: cancelled" in rest


async def test_somebody_who_waits_for_a_result_hears_of_it_at_once(front: Fronted) -> None:
    async with client(front) as http:
        ticket = (
            await http.post("/predict_async", content=IMAGE, headers={"Content-Type": "image/png"})
        ).json()
        waiting = asyncio.create_task(http.get(ticket["status_url"], params={"wait": 20}))
        other = await http.get(ticket["status_url"])  # meanwhile others are served
        assert other.status_code == 202
        assert not waiting.done()
        await http.delete(ticket["status_url"])
        answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


async def test_a_batch_can_be_browsed_and_taken_home_as_one_file(front: Fronted) -> None:
    operations = make_stage(pipeline_id="operations", step_type="operations")
    front.served.services.pipelines.replace([make_pipeline(operations, pipeline_id="operations")])
    files = [("files", (f"{name}.png", png(tail=name.encode()))) for name in ("a", "b")]
    actions = {"actions": json.dumps({"operations": [["resize", "8x8"]]})}
    async with client(front) as http:
        accepted = await http.post("/process", data=actions, files=files)
        assert accepted.status_code == 202, accepted.text
        batch = accepted.json()
        page = await http.get(f"/static/{batch['batch_id']}/")
        picture = await http.get(f"/static/{batch['batch_id']}/sent/a.png")
        packed = await http.get(f"/batch/{batch['batch_id']}/zip")
    assert "sent/a.png" in page.text
    assert picture.content == png(tail=b"a")
    assert picture.headers["x-content-type-options"] == "nosniff"
    with ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.read("sent/b.png") == png(tail=b"b")
        assert archive.testzip() is None


async def test_connections_on_both_sides_are_used_again(front: Fronted) -> None:
    async with connect(front.port) as wire:
        for _ in range(20):
            wire.send(request("GET", "/livez"))
            answer = await wire.answer()
            assert answer.status == 200
            assert answer.headers["connection"] == "keep-alive"
    assert len(front.served.connections()) == 1


async def test_a_path_goes_on_as_it_came(front: Fronted) -> None:
    for path in ("/static/../livez", "/static/%2e%2e/livez", "//livez", "/livez/", "/LIVEZ"):
        through = await exchange(front.port, request("GET", path))
        direct = await exchange(front.served.port, request("GET", path))
        assert through.status == direct.status == 404, path


async def test_who_knocks_when_nobody_is_there_is_told_to_come_again(
    guard: Guard, tmp_path: Path
) -> None:
    need(Nginx.program)
    with closing(Nginx(guard, tmp_path / "nginx", upstreams=[free_port()])) as nginx:
        nginx.start()
        for data in (request("GET", "/livez"), submission()):
            answer = await exchange(nginx.port, data)
            assert (answer.status, answer.code) == (503, "overloaded")
            assert int(answer.headers["retry-after"]) >= 1


async def test_nothing_of_a_request_is_kept(front: Fronted) -> None:
    await exchange(front.port, request("GET", "/results?secret=1", "Authorization: Bearer cvy_x"))
    await until(lambda: " GET " in front.nginx.output())  # written after the answer
    output = front.nginx.output()
    assert "secret" not in output
    assert "cvy_x" not in output
    assert not [path for path in (front.nginx.folder / "body").rglob("*") if path.is_file()]


def test_time_limits_and_sizes_fit_those_of_the_dispatcher() -> None:
    upstream, server = CONFIGURATION.read_text().split("    server {\n")
    limits = Limits()
    # A connection is never closed by the dispatcher while nginx uses it again.
    assert _number(upstream, "keepalive_timeout", "s") < limits.idle_timeout_s
    assert _number(server, "keepalive_timeout", "s") >= limits.idle_timeout_s
    assert _number(server, "proxy_read_timeout", "s") > MAX_WAIT_S
    assert _number(server, "client_header_timeout", "s") <= limits.header_timeout_s
    # What is too large is said by the dispatcher, which knows why.
    assert _number(server, "client_max_body_size", "m") * MIB >= MAX_BODY_BYTES + MAX_OVERHEAD_BYTES
    assert _number(server, "large_client_header_buffers 4", "k") * 1024 > limits.max_url_bytes


def _number(text: str, directive: str, unit: str) -> int:
    found = re.search(rf"^\s*{directive} (\d+){unit};", text, re.MULTILINE)
    assert found, directive
    return int(found[1])
