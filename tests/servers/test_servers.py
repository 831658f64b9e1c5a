import asyncio
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import aio_pika
import psutil
import pytest
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.end_to_end.service import wait_until
from tests.servers.processes import Guard, is_listening
from tests.servers.prometheus import PrometheusServer, QueryError, Target
from tests.servers.rabbitmq import RabbitmqServer
from tests.servers.rabbitmq_cluster import RabbitmqCluster
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server


async def declare(url: str, name: str) -> None:
    """Make a queue that survives its node."""
    connection = await aio_pika.connect(url, timeout=5)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})


def bucket_of(server: S3Server) -> S3Store:
    """Make a bucket and connect to it."""
    return S3Store(
        server.new_bucket(),
        endpoint=f"http://127.0.0.1:{server.port}",
        access_key_id=server.environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=server.environment["AWS_SECRET_ACCESS_KEY"],
        client_options={"allow_http": True},
    )


async def test_each_test_has_a_virtual_host_of_its_own(rabbitmq: RabbitmqServer) -> None:
    mine, other = rabbitmq.new_vhost(), rabbitmq.new_vhost()
    await declare(rabbitmq.url(mine), "here")
    assert "here" in rabbitmq.ctl("list_queues", "-p", mine, "name")
    assert "here" not in rabbitmq.ctl("list_queues", "-p", other, "name")
    for name in (mine, other):
        rabbitmq.delete_vhost(name)
    assert mine not in rabbitmq.ctl("list_vhosts")


def test_what_rabbitmqctl_says_of_a_failure_is_kept(rabbitmq: RabbitmqServer) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        rabbitmq.ctl("delete_queue", "-p", "/", "none")
    assert "Queue not found" in failed.value.stderr


async def test_a_broker_killed_and_started_again_has_its_queues(
    own_rabbitmq: RabbitmqServer,
) -> None:
    vhost = own_rabbitmq.new_vhost()
    await declare(own_rabbitmq.url(vhost), "kept")
    own_rabbitmq.kill()
    assert not is_listening(own_rabbitmq.port)
    own_rabbitmq.start()
    assert "kept" in own_rabbitmq.ctl("list_queues", "-p", vhost, "name")


async def test_a_cluster_goes_on_when_the_leader_of_a_queue_is_killed(
    rabbitmq_cluster: RabbitmqCluster,
) -> None:
    vhost = rabbitmq_cluster.new_vhost()
    await declare(rabbitmq_cluster.nodes[0].url(vhost), "led")
    leader = rabbitmq_cluster.leader_of(vhost, "led")
    assert leader is not None
    leader.kill()
    async with asyncio.timeout(30):
        while rabbitmq_cluster.leader_of(vhost, "led") in {None, leader}:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    leader.start()
    assert rabbitmq_cluster.names_running() == {"a", "b", "c"}


async def test_each_test_has_a_database_of_its_own(redis_server: RedisServer) -> None:
    numbers = redis_server.new_database(), redis_server.new_database()
    mine, other = (Redis.from_url(redis_server.url(number)) for number in numbers)
    await mine.set("key", "value")
    assert await other.get("key") is None
    for client in (mine, other):
        await client.aclose()


def test_a_paused_redis_says_nothing_and_then_goes_on(own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.set("key", "value")
        own_redis.pause()
        with pytest.raises(RedisError):
            client.get("key")
        own_redis.resume()
        assert client.get("key") == "value"


def test_a_restarted_redis_has_the_same_address_and_nothing_in_it(own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.set("key", "value")
    own_redis.restart()
    with own_redis.client() as client:
        assert client.get("key") is None


def test_the_s3_server_keeps_an_object_only_if_there_is_none(s3_server: S3Server) -> None:
    store = bucket_of(s3_server)
    store.put("path", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        store.put("path", b"second", mode="create")
    assert store.get("path").bytes() == b"first"


class RestlessS3Server(S3Server):
    """One that changes threads so often that two requests often do the same at once."""

    def _command(self) -> Sequence[str]:
        python, program, *arguments = super()._command()
        restless = (
            f"import runpy, sys; sys.setswitchinterval(1e-6); sys.argv = {[program, *arguments]}; "
            f"runpy.run_path({program!r}, run_name='__main__')"
        )
        return [python, "-c", restless]


def test_of_many_who_put_at_once_the_s3_server_lets_one(guard: Guard, tmp_path: Path) -> None:
    with closing(RestlessS3Server(guard, tmp_path)) as server, ThreadPoolExecutor(8) as threads:
        server.start()
        put = partial(is_put, bucket_of(server))
        for path in map(str, range(100)):
            assert sum(threads.map(put, [path] * 8)) == 1


def is_put(store: S3Store, path: str) -> bool:
    """Put an object if there is none, and say whether that was so."""
    try:
        store.put(path, b"", mode="create")
    except AlreadyExistsError:
        return False
    return True


def test_what_is_left_behind_ends_with_its_guard() -> None:
    guard = Guard()
    ended, watched = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    for process in (ended, watched):
        guard.watch(process.pid)
    guard.forget(ended.pid)
    guard.close()
    assert watched.wait(timeout=10) != 0
    assert psutil.pid_exists(ended.pid)
    ended.kill()
    ended.wait()


def test_a_query_that_is_none_is_said_to_be(prometheus: PrometheusServer) -> None:
    with pytest.raises(QueryError, match="parse error"):
        prometheus.ask("sum(")


def test_prometheus_looks_at_what_it_is_told_to(prometheus: PrometheusServer) -> None:
    assert prometheus.ask("up") == []
    prometheus.scrape([Target(f"127.0.0.1:{prometheus.port}", {"step_id": "0"})])
    wait_until(lambda: prometheus.ask("up == 1"), what="a look at itself", timeout_s=60)
    assert prometheus.ask_one('prometheus_build_info{step_id="0"}') == 1
