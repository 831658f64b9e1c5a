"""An Idempotency-Key that came with another request to another dispatcher."""

import pytest

from dispatcher.errors import IdempotencyKeyReusedError, ResultsUnavailableError
from dispatcher.intake.idempotency import Repeats
from dispatcher.jobs import Idempotency, Job
from dispatcher.results.base import KeyTakenError
from dispatcher.results.memory import MemoryResultStore
from tests.dispatcher.records import make_job

WANTED = Idempotency("key", "asked")


class Contested(MemoryResultStore):
    """A store whose key is taken by others, who are refused then, so many times."""

    def __init__(self, *, times: int, fingerprint: str = WANTED.fingerprint) -> None:
        super().__init__(retention_s=60.0, retention_count=10)
        self.accepted: list[str] = []
        self._times = times
        self._fingerprint = fingerprint

    async def add(self, job: Job) -> None:
        """Keep a job, unless the key is taken."""
        self._times -= 1
        if self._times >= 0:
            raise KeyTakenError(fingerprint=self._fingerprint, job_id="another")
        await super().add(job)

    async def note_accepted(self, job: Job) -> None:
        """Take note of it."""
        self.accepted.append(job.id)


async def accept(store: Contested) -> Job:
    async def accept_once() -> Job:
        job = make_job("mine", idempotency=WANTED)
        await store.add(job)
        return job

    return await Repeats(store).accept_once("", WANTED, accept_once)


async def test_it_is_tried_again_when_the_other_one_is_refused() -> None:
    store = Contested(times=2)
    assert (await accept(store)).id == "mine"


async def test_whoever_meets_others_again_and_again_comes_back_later() -> None:
    store = Contested(times=100)
    with pytest.raises(ResultsUnavailableError) as refused:
        await accept(store)
    assert refused.value.retry_after_s
    assert store.accepted == []


async def test_one_that_asks_for_something_else_is_refused_at_once() -> None:
    with pytest.raises(IdempotencyKeyReusedError):
        await accept(Contested(times=1, fingerprint="something else"))


async def test_what_is_accepted_is_noted_once() -> None:
    store = Contested(times=0)
    for _ in range(2):
        await accept(store)
    assert store.accepted == ["mine"]
