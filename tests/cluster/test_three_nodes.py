"""RabbitMQ as a cluster of three: the leader of a queue is killed, again and again."""

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.crew import Addresses, Crew
from tests.cluster.faults import Harm, findings, suffer
from tests.conftest import Tell
from tests.servers.rabbitmq import RabbitmqServer
from tests.servers.rabbitmq_cluster import RabbitmqCluster
from tests.servers.s3 import S3Server

KILLS = 5
QUEUE = "conveyor.oracle.normal"


@pytest.mark.timeout(400)
async def test_the_loss_of_a_leader_loses_no_job(
    *,
    tmp_path: Path,
    rabbitmq_cluster: RabbitmqCluster,
    redis_url: str,
    s3_server: S3Server,
    seed: int,
    is_long: bool,
    tell: Tell,
) -> None:
    vhost = rabbitmq_cluster.new_vhost()
    first, *others = rabbitmq_cluster.nodes
    nodes = ",".join(f"127.0.0.1:{node.port}" for node in others)
    head, _, tail = first.url(vhost).rpartition("/")
    addresses = Addresses(
        rabbitmq_url=f"{head},{nodes}/{tail}",
        redis_url=redis_url,
        blob_url=s3_server.url(s3_server.new_bucket()),
        environment=s3_server.environment,
    )
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
