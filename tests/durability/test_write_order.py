import asyncio
import bisect
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dispatcher.storage.writer import DATABASE_NAME
from tests.conftest import Tell
from tests.durability.client_log import ClientLog, Order
from tests.durability.dispatcher_process import stage
from tests.durability.load import Clients
from tests.durability.oracle import label
from tests.durability.system_calls import Call, is_strace_allowed, read_calls, strace
from tests.end_to_end.service import wait_until

WAL = f"{DATABASE_NAME}-wal>"
PACK = ".pack>"
CLIENTS = 8
JOB_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
LABEL = re.compile("noise [0-9]+;")
ANSWER = re.compile(f'request_id\\\\":\\\\"({JOB_ID.pattern})')


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
    seen = Trace()
    for call in sorted(read_calls(trace), key=lambda call: call.began):
        seen.note(call)
    accepted = log.accepted()
    broken = [
        problem
        for job_id, order in accepted.items()
        for problem in find_early_answer(seen, job_id, order)
    ]
    syncs = len(seen.syncs[WAL])
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


@dataclass
class Trace:
    """What matters of a trace."""

    answers: dict[str, Call] = field(default_factory=dict)
    """The call that sent the 202, by job id."""
    written: dict[str, Call] = field(default_factory=dict)
    """The first call that wrote a job id to the log, or the label of an image to a pack."""
    syncs: dict[str, list[Call]] = field(default_factory=lambda: {WAL: [], PACK: []})
    """In the order in which they began."""

    def note(self, call: Call) -> None:
        file = call.arguments.split(",")[0]
        if call.name in ("fsync", "fdatasync"):
            for kind, syncs in self.syncs.items():
                if kind in file:
                    syncs.append(call)
        elif "<TCP" in file:
            self.answers.update(dict.fromkeys(ANSWER.findall(call.arguments), call))
        elif WAL in file or PACK in file:
            for token in (JOB_ID if WAL in file else LABEL).findall(call.arguments):
                self.written.setdefault(token, call)

    def first_sync(self, kind: str, *, of: str, before: Call) -> Call | None:
        """Return the sync of a file that followed the write of some text to it."""
        written = self.written.get(of)
        if written is None:
            return None
        syncs = self.syncs[kind]
        for sync in syncs[bisect.bisect(syncs, written.ended, key=lambda call: call.began) :]:
            if sync.began > before.began:
                break
            if sync.ended < before.began:
                return sync
        return None


def find_early_answer(trace: Trace, job_id: str, order: Order) -> list[str]:
    """Return what was not on stable storage when a job's 202 left."""
    row_sync = trace.first_sync(WAL, of=job_id, before=trace.answers[job_id])
    if row_sync is None:
        return [f"{job_id}: its row"]
    if trace.first_sync(PACK, of=label(order.image_seed), before=row_sync) is None:
        return [f"{job_id}: its image, when its row was"]
    return []


def tail(path: Path) -> str:
    return path.read_text(errors="replace")[-2000:] if path.exists() else ""
