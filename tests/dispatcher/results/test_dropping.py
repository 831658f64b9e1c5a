"""What every result store promises of batches and of what it drops; each backend runs through."""

import random
import time
from dataclasses import replace

import pytest

from dispatcher.errors import GoneError, NotFoundError
from dispatcher.results.base import ResultStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import (
    RETENTION_COUNT,
    RETENTION_S,
    Dropped,
    end,
    expect_count,
    hit,
    let_drop,
    make_batch,
    one_process,
    too_long_ago,
)

# Batches


async def test_a_batch_is_read_as_it_was_added(results: ResultStore) -> None:
    batch = make_batch()
    await results.add_batch(batch)
    assert await results.get_batch(batch.id) == batch


async def test_an_unknown_batch_is_not_found(results: ResultStore) -> None:
    with pytest.raises(NotFoundError):
        await results.get_batch("never seen")


async def test_a_batch_is_no_job_and_a_job_is_no_batch(results: ResultStore) -> None:
    await results.add_batch(make_batch("batch-1"))
    await end(results, "job-1")
    with pytest.raises(NotFoundError):
        await results.get("batch-1")
    with pytest.raises(NotFoundError):
        await results.get_batch("job-1")
    await expect_count(results, 1)


async def test_of_batches_only_so_many_files_are_kept_the_oldest_go_first(
    results: ResultStore,
) -> None:
    batches = [f"batch-{number}" for number in range(3 * RETENTION_COUNT)]
    for name in batches:
        await results.add_batch(make_batch(name))
    await let_drop(results)
    kept = RETENTION_COUNT // len(make_batch().files)
    for name in batches[-kept:]:
        assert (await results.get_batch(name)).id == name
    for name in batches[:-kept]:
        with pytest.raises(NotFoundError):
            await results.get_batch(name)


async def test_the_newest_batch_stays_however_many_files_it_has(
    results: ResultStore,
) -> None:
    files = tuple(make_batch().files[0] for _ in range(2 * RETENTION_COUNT))
    await results.add_batch(make_batch("small"))
    await results.add_batch(replace(make_batch("large"), files=files))
    await let_drop(results)
    with pytest.raises(NotFoundError):
        await results.get_batch("small")
    assert len((await results.get_batch("large")).files) == len(files)


async def test_a_batch_that_is_too_old_is_not_found_even_before_it_is_dropped(
    results: ResultStore,
) -> None:
    await results.add_batch(make_batch("old", at=too_long_ago()))
    for _ in range(2):
        with pytest.raises(NotFoundError):
            await results.get_batch("old")
        await results.drop_old()


async def test_young_batches_stay_when_old_ones_go(results: ResultStore) -> None:
    old = [make_batch(f"old-{number}", at=too_long_ago()) for number in range(3)]
    for batch in (*old, make_batch("young", at=time.time() - RETENTION_S + 10)):
        await results.add_batch(batch)
    await results.drop_old()
    for batch in old:
        with pytest.raises(NotFoundError):
            await results.get_batch(batch.id)
    assert (await results.get_batch("young")).id == "young"


# What is dropped is handed over, once


@one_process
async def test_batches_that_go_are_handed_over(results: ResultStore, dropped: Dropped) -> None:
    batches = [make_batch(f"batch-{number}") for number in range(3 * RETENTION_COUNT)]
    for batch in batches:
        await results.add_batch(batch)
    kept = RETENTION_COUNT // len(make_batch().files)
    assert dropped.records == batches[:-kept]


@one_process
async def test_a_batch_that_is_too_old_is_handed_over_once(
    results: ResultStore, dropped: Dropped
) -> None:
    for name in ("old", "older"):
        await results.add_batch(make_batch(name, at=too_long_ago()))
    for _ in range(2):
        await results.drop_old()
        assert dropped.ids() == ["old", "older"]


@one_process
async def test_a_job_that_is_pushed_out_is_handed_over_as_it_ended(
    results: ResultStore, dropped: Dropped
) -> None:
    ended = [await end(results, f"job-{number}") for number in range(RETENTION_COUNT + 2)]
    assert dropped.records == ended[:2]


@one_process
async def test_answers_from_the_cache_are_handed_over_like_others(
    results: ResultStore, dropped: Dropped
) -> None:
    hits = [hit(f"hit-{number}") for number in range(RETENTION_COUNT + 2)]
    for job in hits:
        await results.add(job)
    assert dropped.records == hits[:2]


@one_process
async def test_a_job_that_failed_at_once_is_handed_over_like_others(
    results: ResultStore, dropped: Dropped
) -> None:
    jobs = [failed(make_job(f"job-{number}")) for number in range(RETENTION_COUNT + 1)]
    for job in jobs:
        await results.add(job)
    assert dropped.records == jobs[:1]


@one_process
async def test_what_is_too_old_when_it_ends_is_handed_over_at_once(
    results: ResultStore, dropped: Dropped
) -> None:
    await end(results, "computed", at=too_long_ago())
    await results.add(hit("hit", at=too_long_ago()))
    assert dropped.ids() == ["computed", "hit"]
    assert results.count() == 0


@one_process
async def test_drop_old_drops_by_age(
    results: ResultStore, dropped: Dropped, monkeypatch: pytest.MonkeyPatch
) -> None:
    await end(results, "computed")
    await results.add(hit("hit"))
    await results.add_batch(make_batch("batch"))
    await results.add(make_job("open"))
    await results.drop_old()
    assert dropped.ids() == []
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + RETENTION_S + 1)
    await results.drop_old()
    assert sorted(dropped.ids()) == ["batch", "computed", "hit"]
    assert results.count() == 1, "what has not ended stays"
    await results.drop_old()
    assert len(dropped.records) == 3, "each is handed over once"
    with pytest.raises(GoneError):
        await results.get("computed")
    with pytest.raises(GoneError):
        await results.get("hit")


@one_process
async def test_reading_what_is_too_old_hands_it_over_once(
    results: ResultStore, dropped: Dropped, monkeypatch: pytest.MonkeyPatch
) -> None:
    await end(results, "job-1")
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + RETENTION_S + 1)
    for _ in range(3):
        with pytest.raises(GoneError):
            await results.get("job-1")
    await results.drop_old()
    assert dropped.ids() == ["job-1"]


@one_process
async def test_a_job_that_was_never_accepted_is_not_handed_over(
    results: ResultStore, dropped: Dropped
) -> None:
    await results.add(make_job("a"))
    await results.discard("a")
    await results.drop_old()
    assert dropped.ids() == []


@one_process
async def test_a_second_end_of_a_job_changes_nothing_that_is_handed_over(
    results: ResultStore, dropped: Dropped
) -> None:
    first = await end(results, "job-0")
    assert not await results.save(completed(make_job("job-0"), result={"other": 1}))
    await results.add(failed(make_job("job-0")))
    for number in range(1, RETENTION_COUNT + 1):
        await end(results, f"job-{number}")
    assert dropped.records == [first]


@one_process
@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_each_record_is_kept_or_was_handed_over_once(
    results: ResultStore, dropped: Dropped, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    moment = time.time()
    monkeypatch.setattr("time.time", lambda: moment)
    jobs: list[str] = []
    batches: list[str] = []
    for number in range(200):
        moment += dice.choice([0, 0, 1, RETENTION_S / 2])
        kind = dice.choice(["computed", "hit", "batch", "drop", "read"])
        if kind == "computed":
            jobs.append((await end(results, f"job-{number}")).id)
        elif kind == "hit":
            jobs.append(f"hit-{number}")
            await results.add(hit(jobs[-1]))
        elif kind == "batch":
            batches.append(f"batch-{number}")
            await results.add_batch(make_batch(batches[-1]))
        elif kind == "drop":
            await results.drop_old()
        elif jobs:
            job_id = dice.choice(jobs)
            try:
                await results.get(job_id)
            except GoneError:
                assert job_id in dropped.ids()
    assert len(set(dropped.ids())) == len(dropped.ids())
    assert results.count() == len(jobs) - len(set(dropped.ids()) & set(jobs))
    moment += RETENTION_S + 1
    await results.drop_old()
    assert sorted(dropped.ids()) == sorted([*jobs, *batches])
    assert results.count() == 0
