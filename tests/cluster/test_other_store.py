"""A worker that cannot have the images of the jobs leaves the jobs to the others."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatcher.servers.same_store import OTHER
from tests.cluster.crew import Addresses, Crew, crew
from tests.dispatcher.waiting import until
from tests.durability.checker import check, read_executions
from tests.durability.client_log import ClientLog, Order
from tests.durability.dispatcher_process import POOLS, DispatcherProcess
from tests.durability.load import Clients
from tests.servers.proxy import TcpProxy
from tests.servers.s3 import S3Server

IMAGES = 40


def says(worker: DispatcherProcess, text: str) -> Callable[[], bool]:
    """Tell whether a dispatcher has logged something."""
    return lambda: text in worker.tail()


async def assert_all_are_done(dispatchers: Crew, seed: int) -> None:
    log = ClientLog()
    async with Clients(dispatchers.urls, log) as clients, asyncio.TaskGroup() as sending:
        for number in range(IMAGES):
            order = Order(number, seed + number, 8000, "oracle", {})
            sending.create_task(clients.follow(order))
    verdict = check(log, read_executions(*dispatchers.logs))
    assert verdict.findings() == []
    assert verdict.accepted == IMAGES


async def test_a_worker_with_another_object_store_takes_no_jobs(
    tmp_path: Path, addresses: Addresses, s3_server: S3Server, seed: int
) -> None:
    with crew(tmp_path, addresses, apis=1, workers=2) as dispatchers:
        wrong = dispatchers.workers[1]
        wrong.environment["DISPATCHER_BLOB_URL"] = s3_server.url(s3_server.new_bucket())
        for right in (*dispatchers.apis, dispatchers.workers[0]):
            right.start()
            right.wait_ready(pools=POOLS)
        wrong.start()
        await until(says(wrong, OTHER), within_s=60)
        await assert_all_are_done(dispatchers, seed)


@contextmanager
def own_way_to_the_store(worker: DispatcherProcess, s3: S3Server) -> Iterator[TcpProxy]:
    """Lead a dispatcher to the same bucket by a network of its own."""
    with TcpProxy(s3.port) as network:
        url = worker.environment["DISPATCHER_BLOB_URL"]
        assert str(s3.port) in url
        worker.environment["DISPATCHER_BLOB_URL"] = url.replace(str(s3.port), str(network.port))
        yield network


async def test_a_worker_that_is_cut_off_from_the_object_store_gives_its_jobs_to_the_others(
    tmp_path: Path, addresses: Addresses, s3_server: S3Server, seed: int
) -> None:
    with crew(tmp_path, addresses, apis=1, workers=2) as dispatchers:
        alone = dispatchers.workers[1]
        with own_way_to_the_store(alone, s3_server) as network:
            dispatchers.start()
            network.refuse()
            await assert_all_are_done(dispatchers, seed)
