import asyncio
import os

import psutil
import pytest

from load_tester.generator.ceiling import measure_ceiling, run_echo
from load_tester.images import Upload
from load_tester.settings import TargetKind, TargetSettings
from load_tester.targets.base import Answer, Ticket
from load_tester.targets.opening import open_target

UPLOAD = Upload(file="a.jpg", body=bytes(50_000), headers={"Content-Type": "image/jpeg"})


async def test_an_upload_is_answered_as_a_dispatcher_does_and_done_at_once() -> None:
    async with run_echo() as url, open_target(TargetSettings(urls=(url,))) as target:
        await target.check_reachable()
        endpoint = target.choose(0)
        first, second = [await endpoint.send(UPLOAD) for _ in range(2)]
        assert isinstance(first, Ticket)
        assert isinstance(second, Ticket)
        assert first.request_id != second.request_id
        answer = await endpoint.await_answer(first, UPLOAD)
        assert (answer.polls, answer.top_label) == (1, "echo")


async def test_an_upload_is_answered_as_a_replica_does() -> None:
    async with run_echo() as url:
        settings = TargetSettings(urls=(url,), kind=TargetKind.REPLICA)
        async with open_target(settings) as target:
            answer = await target.choose(0).send(UPLOAD)
            assert isinstance(answer, Answer)
            assert answer.top_label == "echo"


async def test_other_paths_are_not_there_and_what_is_no_http_closes_the_connection() -> None:
    async with run_echo() as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        writer.write(b"\x00nonsense\r\n\r\n")
        assert b"{}" in await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_the_echo_server_ends_with_whoever_started_it() -> None:
    async with run_echo() as url:
        host, port = url.removeprefix("http://").split(":")
    with pytest.raises(OSError):
        await asyncio.open_connection(host, int(port))


async def test_ctrl_c_is_not_for_the_echo_server() -> None:
    before = set(psutil.Process().children())
    async with run_echo():
        (child,) = set(psutil.Process().children()) - before
        # A terminal sends it to a whole process group.
        assert os.getpgid(child.pid) != os.getpgrp()


@pytest.mark.parametrize("kind", list(TargetKind))
async def test_the_ceiling_is_measured_with_the_client_and_the_images_of_the_run(
    kind: TargetKind,
) -> None:
    settings = TargetSettings(
        urls=("http://127.0.0.1:1",), kind=kind, api_key="secret", checks=("labels",)
    )
    ceiling = await measure_ceiling([UPLOAD], settings, seconds=0.2)
    assert ceiling.cycles_per_s > 20
    assert ceiling.body_bytes == 50_000


async def test_no_process_is_left_behind() -> None:
    before = psutil.Process().children()
    await measure_ceiling([UPLOAD], TargetSettings(), seconds=0.05)
    assert set(psutil.Process().children()) <= set(before)
