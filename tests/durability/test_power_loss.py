import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import apsw
import pytest

from dispatcher.blobs.local import LocalBlobStore
from dispatcher.jobs import Job, JobState, Output
from dispatcher.queues.sqlite import SqliteJobQueue
from dispatcher.results.sqlite import SqliteResultStore
from dispatcher.storage.space import Space
from dispatcher.storage.writer import DATABASE_NAME, Writer
from tests.dispatcher.records import completed, make_job
from tests.durability.recorded_disk import (
    Event,
    RecordedDisk,
    after_power_loss,
    promises,
)

LANE = "default"
ROUNDS = 80


@dataclass(frozen=True)
class Stores:
    """The durable rooms over one folder."""

    writer: Writer
    queue: SqliteJobQueue
    results: SqliteResultStore
    blobs: LocalBlobStore

    async def start(self) -> None:
        for room in (self.queue, self.results, self.blobs):
            await room.start()

    async def close(self) -> None:
        for room in (self.queue, self.results, self.blobs, self.writer):
            await room.close()


def stores_in(folder: Path) -> Stores:
    writer = Writer(folder)
    space = Space(folder, limit_bytes=0, reserve_percent=0, used_bytes=lambda: 0)
    return Stores(
        writer,
        SqliteJobQueue(writer, capacity=10_000),
        SqliteResultStore(writer, retention_s=3600, retention_count=10_000),
        LocalBlobStore(folder, writer=writer, space=space),
    )


async def accept(stores: Stores, disk: RecordedDisk, number: int) -> None:
    """Accept one job as intake does; it is promised when this returns."""
    image = random.Random(number).randbytes(700 + 37 * (number % 50))
    job = make_job(
        f"job-{number:04}", digest=hashlib.sha256(image).hexdigest(), media_type="image/png"
    )
    await stores.blobs.put(job.digest, image)
    await stores.results.add(job)
    await stores.queue.put([job])
    disk.mark(f"accepted {job.id}")


async def finish(stores: Stores, disk: RecordedDisk) -> None:
    """Carry one job to its end as a consumer does."""
    lease = await stores.queue.reserve([LANE])
    if lease is None:
        return
    job = await stores.results.get(lease.job_id)
    picture = f"picture of {job.id}".encode() * 40
    digest = hashlib.sha256(picture).hexdigest()
    await stores.blobs.put(digest, picture, is_new_work=False)
    output = Output(digest=digest, media_type="image/png", width=1, height=1, data={})
    assert await stores.results.save(completed(job, outputs=(output,)))
    disk.mark(f"ended {job.id}")
    await stores.queue.ack(lease)
    await stores.blobs.release(job.digest)


async def work(stores: Stores, disk: RecordedDisk, dice: random.Random) -> None:
    """Accept and finish jobs, several at the same time, with a checkpoint now and then."""
    stores.writer.submit(_checkpoint_often)
    numbers = iter(range(10_000))
    for _ in range(ROUNDS):
        coming = [accept(stores, disk, next(numbers)) for _ in range(dice.randint(1, 4))]
        going = [finish(stores, disk) for _ in range(dice.randint(0, 4))]
        await asyncio.gather(*coming, *going)


def _checkpoint_often(database: apsw.Connection) -> None:
    database.execute("PRAGMA wal_autocheckpoint = 60")


@pytest.fixture
async def history(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> Sequence[Event]:
    """Everything that was written while jobs were accepted and finished."""
    disk = RecordedDisk()
    folder = tmp_path / "running"
    folder.mkdir()
    with disk.recording(monkeypatch):
        stores = stores_in(folder)
        await stores.start()
        await work(stores, disk, random.Random(seed))
        await stores.close()
    return disk.events


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def find_broken(folder: Path, kept: Sequence[str]) -> list[str]:
    """Return the promises that are broken by what is in a folder."""
    database = apsw.Connection(str(folder / DATABASE_NAME))
    try:
        sound = database.execute("PRAGMA integrity_check").get
        if not promises_need_tables(database):
            return list(kept)
        states = dict(database.execute("SELECT id, state FROM jobs"))
        waiting = {row[0] for row in database.execute("SELECT job_id FROM queue")}
        broken = [] if sound == "ok" else [f"integrity: {sound}"]
        for promise in kept:
            kind, job_id = promise.split(" ")
            state = states.get(job_id)
            is_kept = state == JobState.COMPLETED or (
                kind == "accepted" and state == JobState.QUEUED and job_id in waiting
            )
            if not is_kept:
                broken.append(f"{promise}: {state}, waits: {job_id in waiting}")
    finally:
        database.close()
    return broken


def promises_need_tables(database: apsw.Connection) -> bool:
    return bool(database.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'jobs'").get)


async def find_missing_bytes(folder: Path) -> list[str]:
    """Open a folder as the product does; return the jobs whose bytes are not what they were."""
    stores = stores_in(folder)
    await stores.start()
    try:
        jobs = [job async for job in stores.results.kept() if isinstance(job, Job)]
        holds = [digest for job in jobs for digest in job.holds]
        missing = set(await stores.blobs.adopt(dict.fromkeys(holds, 1)))
        for digest in set(holds) - missing:
            await stores.blobs.get(digest)  # compares the bytes with their digest
        return [job.id for job in jobs if missing.intersection(job.holds)]
    finally:
        await stores.close()


async def test_no_promise_is_broken_when_the_power_fails_anywhere(
    history: Sequence[Event], tmp_path: Path, seed: int, is_long: bool
) -> None:
    folder = tmp_path / "after"
    folder.mkdir()
    for number in range(10_000 if is_long else 500):
        dice = random.Random(f"{seed}/{number}")
        events = history[: dice.randrange(1, len(history) + 1)]
        lay_out(folder, after_power_loss(events, dice))
        assert find_broken(folder, promises(events)) == [], f"power loss {number}"
        if number % 5 == 0:
            assert await find_missing_bytes(folder) == [], f"power loss {number}"


async def test_what_was_never_synced_is_found_to_be_broken(
    history: Sequence[Event], tmp_path: Path, seed: int
) -> None:
    folder = tmp_path / "after"
    folder.mkdir()
    careless = [replace(event, kind="mark") if event.kind == "sync" else event for event in history]
    broken, losses = 0, (0.0, 0.5, 0.9) * 3
    for number, likely in enumerate(losses):
        dice = random.Random(f"{seed}/{number}")
        lay_out(folder, after_power_loss(careless, dice, likely=likely))
        try:
            broken += bool(find_broken(folder, promises(history)))
        except apsw.Error:
            broken += 1
    assert broken == len(losses)
