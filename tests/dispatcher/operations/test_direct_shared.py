"""The queue of several dispatchers, reached without any of them, over the real servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import JobState
from dispatcher.operations.choosing import Choice, open_queue
from dispatcher.operations.direct import started_stores
from dispatcher.operations.target import OperationError
from dispatcher.settings import Settings, load_settings
from dispatcher.wiring import Services
from tests.dispatcher.intake.submitting import upload
from tests.dispatcher.records import failed, make_pipeline


@pytest.fixture
def settings(tmp_path: Path, rabbitmq_url: str, redis_url: str) -> Settings:
    servers = ("--rabbitmq-url", rabbitmq_url, "--redis-url", redis_url)
    folders = ("--blob-url", str(tmp_path / "objects"), "--data-dir", str(tmp_path / "data"))
    return load_settings(["--queue", "rabbitmq", *servers, *folders])


@asynccontextmanager
async def dispatcher(settings: Settings) -> AsyncIterator[Services]:
    """A dispatcher that accepts jobs and works on none."""
    async with started_stores(settings) as services:
        services.pipelines.replace([make_pipeline()])
        yield services


async def test_what_waits_is_seen_and_cancelled_and_what_failed_is_repeated(
    settings: Settings,
) -> None:
    async with dispatcher(settings) as other:
        jobs = [await other.intake.submit(upload(seed), SubmitOptions()) for seed in range(4)]
        lost = failed(jobs[0], "poison")
        assert await other.results.save(lost)
        await other.queue.withdraw(lost.id)
        choice = Choice(settings, url=None, is_direct=True, api_key=None)
        async with open_queue(choice) as target:
            assert target.name == "the servers, without a dispatcher"
            state = await target.state()
            assert (state.backend, state.failed) == ("rabbitmq", {"poison": 1})
            # The message of the one that has ended is there until a worker takes it.
            assert (state.waiting, state.lanes[0].priorities[1].waiting) == (4, 4)
            assert (await target.purge({"before": state.at})).purged == 3
            assert (await target.requeue({})).requeued == 1
            assert (await target.requeue({})).requeued == 0, "each of them once"
        states = [(await other.results.get(job.id)).state for job in jobs]
        assert states == [JobState.FAILED] + [JobState.CANCELLED] * 3
        [again] = await other.results.list_jobs(tenant=None, states={JobState.QUEUED})
        assert again.requeued_from == lost.id


async def test_servers_that_are_away_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.operations.direct._SERVERS_TIMEOUT_S", 0.5)
    away = settings.model_copy(update={"rabbitmq_url": SecretStr("amqp://a:b@127.0.0.1:1/x")})
    with pytest.raises(OperationError, match="RabbitMQ"):
        async with open_queue(Choice(away, url=None, is_direct=True, api_key=None)):
            pass
