"""What several dispatchers do once, together."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import aiohttp

from tests.cluster.crew import Addresses, crew
from tests.durability.checker import check, read_executions
from tests.durability.client_log import ClientLog, Order
from tests.durability.load import Clients

IMAGES = 1000


async def test_a_thousand_identical_images_through_two_dispatchers_are_computed_once(
    tmp_path: Path, addresses: Addresses, seed: int
) -> None:
    log = ClientLog()
    with crew(tmp_path, addresses, options=("--delay-s", "0.3")) as dispatchers:
        dispatchers.start()
        async with Clients(dispatchers.urls, log) as clients, asyncio.TaskGroup() as sending:
            for number in range(IMAGES):
                sending.create_task(clients.follow(Order(number, seed, 8000, "oracle", {})))
        executions = read_executions(*dispatchers.logs)
        verdict = check(log, executions)
    assert verdict.findings() == []
    assert verdict.accepted == IMAGES
    assert Counter(execution.event for execution in executions) == {"start": 1, "end": 1}


async def test_one_key_sent_to_two_dispatchers_at_once_is_one_job(
    tmp_path: Path, addresses: Addresses, seed: int
) -> None:
    log = ClientLog()
    order = Order(0, seed, 8000, "oracle", {}, key="only-once")
    with crew(tmp_path, addresses, workers=1) as dispatchers:
        dispatchers.start()
        async with Clients(dispatchers.urls, log) as clients, asyncio.TaskGroup() as sending:
            for _ in range(100):
                sending.create_task(clients.follow(order))
        verdict = check(log, read_executions(*dispatchers.logs))
    assert verdict.findings() == []
    assert len(log.accepted()) == 1
    assert len([one for one in log.tries if one.is_accepted]) == 100


async def test_any_dispatcher_answers_for_any_ticket_lists_it_and_may_cancel_it(
    tmp_path: Path, addresses: Addresses, seed: int
) -> None:
    log = ClientLog()
    with crew(tmp_path, addresses, options=("--delay-s", "30"), workers=1) as dispatchers:
        dispatchers.start()
        first, second = dispatchers.apis
        async with Clients(first.url, log) as clients:
            job_id = await clients.send(Order(0, seed, 8000, "oracle", {}))
        async with aiohttp.ClientSession() as session:
            for url in (second.url, dispatchers.workers[0].url):
                async with session.get(f"{url}/result/{job_id}") as seen:
                    assert (seen.status, (await seen.json())["request_id"]) == (202, job_id)
            async with session.get(f"{second.url}/results") as listed:
                assert [one["request_id"] for one in (await listed.json())["results"]] == [job_id]
            waiting = asyncio.create_task(_wait(session, f"{first.url}/result/{job_id}?wait=30"))
            async with session.delete(f"{second.url}/result/{job_id}") as cancelled:
                assert cancelled.status == 200
            assert (await waiting)["status"] == "cancelled"


async def test_a_worker_accepts_nothing_and_says_so(tmp_path: Path, addresses: Addresses) -> None:
    with crew(tmp_path, addresses, apis=0, workers=1) as dispatchers:
        dispatchers.start()
        url = f"{dispatchers.workers[0].url}/predict_async?pipeline=oracle"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=b"x", headers={"Content-Type": "image/png"}) as refused,
        ):
            assert (refused.status, (await refused.json())["code"]) == (503, "not_accepting")
            assert refused.headers["Retry-After"]


async def _wait(session: aiohttp.ClientSession, url: str) -> dict[str, object]:
    async with session.get(url) as answer:
        document: dict[str, object] = json.loads(await answer.text())
        return document
