import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from dispatcher.storage.writer import DATABASE_NAME
from tests.durability.client_log import ClientLog, Order
from tests.durability.conftest import Tell
from tests.durability.dispatcher_process import stage
from tests.durability.load import Clients
from tests.durability.oracle import label
from tests.durability.system_calls import Call, is_strace_allowed, read_calls, strace
from tests.end_to_end.service import wait_until

WAL = f"{DATABASE_NAME}-wal>"
PACK = ".pack>"
CLIENTS = 8


@pytest.mark.skipif(not is_strace_allowed(), reason="strace is not there or may not trace")
async def test_no_202_leaves_before_job_and_image_are_on_stable_storage(
    tmp_path: Path, seed: int, is_long: bool, tell: Tell
) -> None:
    trace = tmp_path / "trace"
    log = ClientLog()
    with stage(tmp_path, "--queue", "sqlite") as (dispatcher, _):
        dispatcher.start(wrapper=strace(trace))
        dispatcher.wait_ready()
        async with Clients(dispatcher.url, log) as clients:
            await send_all(clients, count=10_000 if is_long else 80, seed=seed)
        dispatcher.kill()
        wait_until(lambda: "+++ killed by SIGKILL +++" in tail(trace))
    calls = read_calls(trace)
    accepted = log.accepted()
    broken = [
        problem
        for job_id, order in accepted.items()
        for problem in find_early_answer(calls, job_id, order)
    ]
    syncs = sum(is_sync(call, WAL) for call in calls)
    tell(f"{len(accepted)} answers, {syncs} syncs of the log, {len(broken)} too early")
    assert broken == []
    assert accepted
    assert syncs < len(accepted), "several jobs shared none of the commits"


async def send_all(clients: Clients, *, count: int, seed: int) -> None:
    """Send distinct images from several clients, each one after the other."""
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            image_seed = seed * 100_000 + number
            await clients.send(Order(number, image_seed, 6000, "oracle", {}))

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


def find_early_answer(calls: Sequence[Call], job_id: str, order: Order) -> list[str]:
    """Return what was not on stable storage when a job's 202 left."""
    answer = next(call for call in calls if is_answer(call, job_id))
    row_sync = first_sync(calls, WAL, after=job_id, before=answer)
    if row_sync is None:
        return [f"{job_id}: its row"]
    if first_sync(calls, PACK, after=label(order.image_seed), before=row_sync) is None:
        return [f"{job_id}: its image, when its row was"]
    return []


def first_sync(calls: Sequence[Call], file: str, *, after: str, before: Call) -> Call | None:
    """Return the sync of a file that followed the write of some text to it."""
    written = next(
        (c for c in calls if is_write(c, file) and after in c.arguments and c.ended < before.began),
        None,
    )
    if written is None:
        return None
    return next(
        (
            c
            for c in calls
            if is_sync(c, file) and c.began > written.ended and c.ended < before.began
        ),
        None,
    )


def is_answer(call: Call, job_id: str) -> bool:
    is_sent = call.name in ("write", "writev", "sendto", "sendmsg") and "<TCP" in call.arguments
    return is_sent and f'request_id\\":\\"{job_id}' in call.arguments


def is_write(call: Call, file: str) -> bool:
    return call.name in ("pwrite64", "write") and file in call.arguments.split(",")[0]


def is_sync(call: Call, file: str) -> bool:
    return call.name in ("fsync", "fdatasync") and file in call.arguments


def tail(path: Path) -> str:
    return path.read_text(errors="replace")[-2000:] if path.exists() else ""
