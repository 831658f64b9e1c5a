import time
from pathlib import Path

import pytest

from dispatcher.execution.deadlines import Deadlines
from dispatcher.jobs import Priority
from dispatcher.queues.sqlite import SqliteJobQueue
from dispatcher.storage.writer import Writer
from tests.dispatcher.records import make_job

LANE = "default"
JUMPS_S = [-30 * 86_400, -3600, 3600, 30 * 86_400]


def set_clock(monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    """Have the clock jump; monotonic time goes on."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + jump_s)


async def start(folder: Path) -> tuple[Writer, SqliteJobQueue]:
    writer = Writer(folder)
    queue = SqliteJobQueue(writer, capacity=100)
    await queue.start()
    return writer, queue


async def take_all(queue: SqliteJobQueue) -> list[str]:
    taken = []
    while (lease := await queue.reserve([LANE])) is not None:
        taken.append(lease.job_id)
    return taken


@pytest.mark.parametrize("jump_s", JUMPS_S)
async def test_a_clock_that_jumps_changes_neither_order_nor_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    writer, queue = await start(tmp_path)
    for number in range(3):
        await queue.put([make_job(f"before-{number}")])
    leased = await queue.reserve([LANE])
    assert leased is not None
    set_clock(monkeypatch, jump_s)
    assert 0 <= queue.oldest_age_s() < 60
    await queue.put([make_job("after"), make_job("urgent", priority=Priority.HIGH)])
    assert await take_all(queue) == ["urgent", "before-1", "before-2", "after"]
    assert await queue.ack(leased)
    await queue.close()
    await writer.close()


@pytest.mark.parametrize("jump_s", JUMPS_S)
async def test_jobs_go_on_in_their_order_after_a_restart_with_another_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    writer, queue = await start(tmp_path)
    for number in range(5):
        await queue.put([make_job(f"job-{number}")])
    await queue.close()
    await writer.close()
    set_clock(monkeypatch, jump_s)
    writer, queue = await start(tmp_path)
    assert queue.oldest_age_s() >= 0
    assert await take_all(queue) == [f"job-{number}" for number in range(5)]
    await queue.close()
    await writer.close()


@pytest.mark.parametrize("jump_s", JUMPS_S)
async def test_a_clock_that_jumps_expires_nothing(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    deadlines = Deadlines()
    deadlines.watch(make_job(deadline_s=600))
    set_clock(monkeypatch, jump_s)
    assert not deadlines.is_over("job-1")
