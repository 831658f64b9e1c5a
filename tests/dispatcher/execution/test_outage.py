"""When all replicas fail: retries make it no worse, jobs end, and it is over when it is over."""

import asyncio

import pytest

from dispatcher.execution.retry_budget import BudgetPolicy
from dispatcher.jobs import JobState
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import HealthPolicy
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.belt import Belt, belt
from tests.dispatcher.waiting import now_s, until

POLICY = HealthPolicy(base_ejection_s=0.2, max_ejection_s=60.0)
BURST = 4


async def keep_ready(line: Belt) -> None:
    """Let good probes come in all the while."""
    while True:
        line.make_ready()
        await asyncio.sleep(0.02)


async def end(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def heal(line: Belt) -> None:
    for replica in line.replicas["default/0"]:
        replica.script = scripted.answer


async def test_p15_retries_are_few_while_everything_fails(client: ReplicaClient) -> None:
    jobs = 100
    async with belt(client, *[scripted.break_down] * 3, policy=POLICY) as line:
        line.budget = BudgetPolicy(burst=BURST)
        executor = line.executor  # one budget for all of them
        probing = asyncio.create_task(keep_ready(line))
        before = now_s()
        running = [asyncio.create_task(line.run_by(executor)) for _ in range(jobs)]
        await until(lambda: len(line.received()) >= jobs)
        await asyncio.sleep(1.0)  # what is measured is how much comes in a time
        allowed = BURST + line.budget.min_per_s * (now_s() - before)
        # Two of three are ejected; the later of their two requests was not begun, and costs none.
        untouched = 2 * 4
        assert len(line.received()) - jobs <= allowed + untouched + 1
        heal(line)
        healed = now_s()
        ended = await asyncio.gather(*running)
        assert now_s() - healed < 5.0, "those who waited came back soon"
        await end(probing)
        assert {job.state for job in ended} <= {JobState.COMPLETED, JobState.FAILED}
        assert sum(job.state is JobState.COMPLETED for job in ended) >= jobs - allowed
        assert all(job.attempts <= 3 for job in ended)


async def test_p15_a_job_whose_retry_waits_too_long_ends(
    client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.execution.attempts.RETRY_PATIENCE_S", 0.05)
    async with belt(client, scripted.break_down) as line:
        line.budget = BudgetPolicy(burst=0.0, min_per_s=0.001)
        job = await line.run()
        assert job.error is not None
        assert (job.error.code, job.attempts) == ("replica_failed", 1)


async def test_p16_all_come_back_soon_when_all_had_failed(client: ReplicaClient) -> None:
    async with belt(client, *[scripted.break_down] * 4, policy=POLICY) as line:
        probing = asyncio.create_task(keep_ready(line))
        async with asyncio.timeout(10):
            while not any(replica.ejections > 1 for replica in line.pools.replicas()):
                await line.run()
                assert any(replica.is_ready for replica in line.pools.replicas()), "never all"
        heal(line)
        await until(lambda: all(replica.is_ready for replica in line.pools.replicas()))
        await end(probing)


async def test_f58_replicas_that_cannot_be_reached_are_not_asked_again_and_again(
    client: ReplicaClient,
) -> None:
    async with belt(client, scripted.vanish) as line:
        running = asyncio.create_task(line.run())
        await until(lambda: not line.pools.replicas()[0].is_ready)
        for _ in range(20):
            line.pools.get("default/0").apply_probe(line.pools.replicas()[0], None)
            await asyncio.sleep(0.01)
        assert len(line.received()) == 1, "no probe was good, so nothing was sent"
        heal(line)
        line.make_ready()
        assert (await running).state is JobState.COMPLETED
