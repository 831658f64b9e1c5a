"""What every result store promises of Idempotency-Keys; each backend runs through all of it."""

import time

import pytest

from dispatcher.errors import GoneError
from dispatcher.jobs import Idempotency, Job
from dispatcher.results.base import ResultStore
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.results.ending import KEY_RETENTION_S, RETENTION_S, too_long_ago


def keyed(job_id: str, *, key: str = "k", tenant: str = "", **changes: object) -> Job:
    idempotency = Idempotency(key, fingerprint=f"of {job_id}")
    # One that waits for an identical one: safe as soon as it is added.
    return make_job(job_id, tenant=tenant, idempotency=idempotency, coalesced=True, **changes)


async def test_a_job_is_found_by_its_key(results: ResultStore) -> None:
    await results.add(keyed("a"))
    await results.add(keyed("b", key="other"))
    assert await results.find_by_key("", "k") == ("of a", "a")
    assert await results.find_by_key("", "other") == ("of b", "b")
    assert await results.find_by_key("", "unknown") is None


async def test_a_key_belongs_to_a_tenant(results: ResultStore) -> None:
    await results.add(keyed("a", tenant="one"))
    await results.add(keyed("b", tenant="two"))
    assert await results.find_by_key("one", "k") == ("of a", "a")
    assert await results.find_by_key("two", "k") == ("of b", "b")
    assert await results.find_by_key("", "k") is None


async def test_a_key_is_found_in_every_state_of_its_job(results: ResultStore) -> None:
    job = keyed("a")
    await results.add(job)
    await results.save(job.started(time.time()))
    assert await results.find_by_key("", "k") == ("of a", "a")
    await results.save(completed(job))
    assert await results.find_by_key("", "k") == ("of a", "a")


async def test_a_job_that_was_answered_at_once_is_found(results: ResultStore) -> None:
    await results.add(keyed("a").served_from_cache({}, (), "r1"))
    assert await results.find_by_key("", "k") == ("of a", "a")


async def test_a_job_that_was_never_accepted_leaves_no_key(results: ResultStore) -> None:
    await results.add(keyed("a"))
    await results.discard("a")
    assert await results.find_by_key("", "k") is None
    await results.add(keyed("b"))
    assert await results.find_by_key("", "k") == ("of b", "b")


async def test_a_key_outlives_the_record_of_its_job(results: ResultStore) -> None:
    assert KEY_RETENTION_S > RETENTION_S
    job = keyed("a", queued_at=too_long_ago(2))
    await results.add(job)
    await results.save(completed(job, at=too_long_ago(1)))
    with pytest.raises(GoneError):
        await results.get("a")
    assert await results.find_by_key("", "k") == ("of a", "a")


async def test_a_key_is_forgotten_after_a_while(results: ResultStore) -> None:
    long_ago = time.time() - KEY_RETENTION_S - 1
    await results.add(keyed("a", queued_at=long_ago))
    assert await results.find_by_key("", "k") is None
    await results.drop_old()
    assert await results.find_by_key("", "k") is None
    assert (await results.get("a")).id == "a", "a job that has not ended is kept all the same"


async def test_a_key_that_was_forgotten_can_be_used_again(results: ResultStore) -> None:
    await results.add(keyed("a", queued_at=time.time() - KEY_RETENTION_S - 1))
    await results.add(keyed("b"))
    await results.drop_old()
    assert await results.find_by_key("", "k") == ("of b", "b")
