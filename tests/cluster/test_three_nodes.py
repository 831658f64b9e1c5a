"""RabbitMQ as a cluster of three: the leader of a queue is killed, or the majority is lost."""

import asyncio
import itertools
import time
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.crew import Addresses, Crew, crew
from tests.cluster.faults import Harm, findings, suffer
from tests.conftest import Tell
from tests.durability.checker import check, read_executions
from tests.durability.client_log import ClientLog, Order
from tests.durability.load import Clients
from tests.servers.rabbitmq import RabbitmqServer
from tests.servers.rabbitmq_cluster import RabbitmqCluster
from tests.servers.s3 import S3Server

KILLS = 5
QUEUE = "conveyor.oracle.normal"
TRIES = 5
PROMISED_S = 5.0
"""Within which every submission is answered."""


@pytest.fixture
def vhost(rabbitmq_cluster: RabbitmqCluster) -> str:
    """A virtual host of the cluster."""
    return rabbitmq_cluster.new_vhost()


@pytest.fixture
def addresses(
    rabbitmq_cluster: RabbitmqCluster, vhost: str, redis_url: str, s3_server: S3Server
) -> Addresses:
    """Servers of which the broker has several nodes."""
    first, *others = rabbitmq_cluster.nodes
    nodes = ",".join(f"127.0.0.1:{node.port}" for node in others)
    head, _, tail = first.url(vhost).rpartition("/")
    return Addresses(
        rabbitmq_url=f"{head},{nodes}/{tail}",
        redis_url=redis_url,
        blob_url=s3_server.url(s3_server.new_bucket()),
        environment=s3_server.environment,
    )


@pytest.mark.timeout(400)
async def test_the_loss_of_a_leader_loses_no_job(
    *,
    tmp_path: Path,
    rabbitmq_cluster: RabbitmqCluster,
    vhost: str,
    addresses: Addresses,
    seed: int,
    is_long: bool,
    tell: Tell,
) -> None:
    kills = KILLS if is_long else 2
    harms: dict[str, Harm] = {
        f"kill {number}": partial(_kill_leader, rabbitmq_cluster, vhost) for number in range(kills)
    }
    outages, verdict = await suffer(
        harms, folder=tmp_path, addresses=addresses, seed=seed, is_long=is_long
    )
    for name, outage in outages.items():
        tell(f"{name}: {outage}")
    tell(f"{verdict.accepted} accepted")
    assert verdict.findings() == []
    assert findings(outages) == {}


@pytest.mark.timeout(300)
async def test_while_the_majority_is_lost_nothing_is_promised_and_results_can_be_had(
    tmp_path: Path, rabbitmq_cluster: RabbitmqCluster, addresses: Addresses, seed: int
) -> None:
    images = (Order(number, seed + number, 8000, "oracle", {}) for number in itertools.count())
    log = ClientLog()
    with crew(tmp_path, addresses, workers=1) as dispatchers:
        dispatchers.start()
        async with Clients(dispatchers.urls, log) as clients:
            before = [await clients.send(next(images)) for _ in range(TRIES)]
            await clients.look_again()
            lost = rabbitmq_cluster.nodes[1:]
            for node in lost:
                await asyncio.to_thread(node.kill)
            refused = await asyncio.gather(*(clients.try_once(next(images)) for _ in range(TRIES)))
            seen = [await clients.look(job_id) for job_id in before if job_id is not None]
            for node in lost:
                await asyncio.to_thread(node.start)
            await clients.follow(next(images))
        verdict = check(log, read_executions(*dispatchers.logs), may_half_refuse=True)
    assert {one.status for one in refused} == {503}
    assert max(one.answered_at - one.sent_at for one in refused) <= PROMISED_S
    assert [sight.document["status"] for sight in seen] == ["completed"] * TRIES
    assert verdict.findings() == []
    assert verdict.accepted == TRIES + 1


async def _kill_leader(cluster: RabbitmqCluster, vhost: str, _: Crew) -> None:
    """Kill the node that leads; the two others go on, and it comes back after a while."""
    leader = await asyncio.to_thread(_find_leader, cluster, vhost)
    await asyncio.to_thread(leader.kill)
    await asyncio.sleep(8.0)
    await asyncio.to_thread(leader.start)


def _find_leader(cluster: RabbitmqCluster, vhost: str) -> RabbitmqServer:
    """Return the node that leads; an election may be going on."""
    ends_at = time.monotonic() + 30
    while (leader := cluster.leader_of(vhost, QUEUE)) is None:
        assert time.monotonic() < ends_at, "nobody leads"
        time.sleep(0.1)
    return leader
