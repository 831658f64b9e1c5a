"""What is no longer kept goes from the database, in this process or the next."""

import asyncio
from pathlib import Path

import pytest

from dispatcher.errors import GoneError, NotFoundError
from dispatcher.jobs import JobState
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import Dropped, end, hit, make_batch, too_long_ago
from tests.dispatcher.results.keeping import URL, results_in
from tests.dispatcher.waiting import turns, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def test_retention_goes_on_in_the_next_process(folder: Path) -> None:
    async with results_in(folder) as results:
        for number in range(5):
            await end(results, f"job-{number}")
            await results.add(hit(f"hit-{number}"))
    dropped = Dropped()
    async with results_in(folder, retention_count=3, dropped=dropped) as again:
        await end(again, "one more")
        assert sorted(dropped.ids()) == ["hit-0", "hit-1", "job-0", "job-1", "job-2"]
        for job_id in dropped.ids():
            with pytest.raises(GoneError):
                await again.get(job_id)
    async with results_in(folder, retention_count=3) as later:
        assert later.count() == 6
        with pytest.raises(GoneError):
            await later.get("job-0")
        with pytest.raises(NotFoundError):
            await later.get("never seen")


async def test_what_became_too_old_while_nothing_ran_is_dropped(folder: Path) -> None:
    async with results_in(folder, retention_s=1e9) as results:
        await end(results, "old", at=too_long_ago())
        await results.add_batch(make_batch("old batch", at=too_long_ago()))
        await end(results, "young")
    dropped = Dropped()
    async with results_in(folder, dropped=dropped) as again:
        await again.drop_old()
        assert dropped.ids() == ["old", "old batch"]
        assert again.count() == 1


async def test_a_job_whose_webhook_is_due_stays_and_pushes_out_no_other(folder: Path) -> None:
    async with results_in(folder) as results:
        for number in range(5):
            job = make_job(f"due-{number}", webhook_url=URL)
            await results.add(job)
            await results.save(completed(job, at=too_long_ago()))
    dropped = Dropped()
    async with results_in(folder, retention_count=2, dropped=dropped) as again:
        await end(again, "a")
        await end(again, "b")
        assert dropped.ids() == []
        assert (await again.get("due-0")).state is JobState.COMPLETED
        await again.end_delivery("due-0")
        await again.drop_old()
        assert dropped.ids() == ["due-0"], "it is too old"
        assert (await again.get("a")).id == "a"


async def test_many_are_dropped_together(folder: Path) -> None:
    dropped = Dropped()
    async with results_in(folder, retention_count=1000, dropped=dropped) as results:
        jobs = [failed(make_job(f"job-{number}")) for number in range(1021)]
        await asyncio.gather(*(results.add(job) for job in jobs[:1020]))
        assert dropped.ids() == []
        await results.add(jobs[1020])
        assert dropped.ids() == [f"job-{number}" for number in range(21)]
        assert results.count() == 1000


async def test_what_was_dropped_is_handed_over_although_its_reader_left(folder: Path) -> None:
    dropped = Dropped()
    async with results_in(folder, retention_s=1e9) as results:
        await end(results, "old", at=too_long_ago())
    async with results_in(folder, dropped=dropped) as again:
        reading = asyncio.create_task(again.get("old"))
        await turns(2)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await until(dropped.ids)
        assert dropped.ids() == ["old"]
