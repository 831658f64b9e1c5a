"""What a dispatcher has in its hands, whatever becomes of the channels that brought it."""

from typing import cast

import pytest
from aio_pika.abc import AbstractIncomingMessage

from dispatcher.jobs import Priority
from dispatcher.queues.base import Lease
from dispatcher.queues.holdings import Holdings
from tests.dispatcher.queues.taking import LANE
from tests.dispatcher.records import make_job


class Clock:
    """Monotonic time that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def holdings(clock: Clock) -> Holdings:
    return Holdings(clock=clock)


def message() -> AbstractIncomingMessage:
    """A message that is only told from others."""
    return cast(AbstractIncomingMessage, object())


def arrive(
    holdings: Holdings,
    job_id: str,
    *,
    at: float = 0.0,
    priority: Priority = Priority.NORMAL,
    source: object = None,
) -> AbstractIncomingMessage:
    """Have a job delivered that was accepted then."""
    brought = message()
    job = make_job(job_id, queued_at=at, priority=priority)
    assert holdings.arrive(job, brought, source=source) is None
    return brought


def take(holdings: Holdings) -> Lease:
    lease = holdings.reserve([LANE])
    assert lease is not None
    return lease


def test_jobs_are_taken_by_when_they_were_accepted_not_delivered(holdings: Holdings) -> None:
    for name, at in (("late", 30.0), ("first", 10.0), ("middle", 20.0)):
        arrive(holdings, name, at=at)
    assert [take(holdings).job_id for _ in range(3)] == ["first", "middle", "late"]


def test_a_patient_job_that_has_waited_long_comes_before_an_urgent_one(holdings: Holdings) -> None:
    arrive(holdings, "urgent", at=100.0, priority=Priority.HIGH)
    arrive(holdings, "patient", at=39.0, priority=Priority.BULK)
    arrive(holdings, "too late", at=41.0, priority=Priority.BULK)
    assert [take(holdings).job_id for _ in range(3)] == ["patient", "urgent", "too late"]


def test_of_two_messages_of_one_job_the_older_is_spare(holdings: Holdings) -> None:
    first, second = arrive(holdings, "a"), message()
    assert holdings.arrive(make_job("a"), second, source=None) is first
    assert [one.message for one in holdings.all()] == [second]
    assert take(holdings).job_id == "a"
    assert holdings.reserve([LANE]) is None


def test_a_job_whose_channel_is_lost_waits_here_no_more(holdings: Holdings) -> None:
    left, right = object(), object()
    arrive(holdings, "a", source=left)
    arrive(holdings, "b", source=right)
    assert [job.id for job in holdings.lose(left)] == ["a"]
    assert [one.job.id for one in holdings.all()] == ["b"]
    arrive(holdings, "a", source=right)


def test_a_job_in_work_goes_on_without_its_message_and_gets_the_new_one(
    holdings: Holdings,
) -> None:
    channel = object()
    arrive(holdings, "a", source=channel)
    lease = take(holdings)
    assert holdings.lose(channel) == []
    found = holdings.find("a")
    assert found is not None and found.message is None
    again = message()
    assert holdings.arrive(make_job("a"), again, source=object()) is None
    assert holdings.reserve([LANE]) is None, "it is in work"
    ended = holdings.end(lease)
    assert ended is not None and ended.message is again


def test_a_job_given_back_without_a_message_is_not_held_any_more(holdings: Holdings) -> None:
    channel = object()
    arrive(holdings, "a", source=channel)
    lease = take(holdings)
    holdings.lose(channel)
    assert holdings.give_back(lease) is not None
    assert holdings.all() == []
    assert holdings.reserve([LANE]) is None


def test_a_void_lease_changes_nothing(holdings: Holdings) -> None:
    arrive(holdings, "a")
    stranger = Lease("a", lane=LANE, token=10**6)
    assert holdings.end(stranger) is None
    assert holdings.give_back(stranger) is None
    holdings.put_aside(stranger, for_s=1.0)
    assert take(holdings).job_id == "a"


def test_what_is_put_aside_is_taken_by_nobody_until_its_time(
    holdings: Holdings, clock: Clock
) -> None:
    arrive(holdings, "a")
    holdings.put_aside(take(holdings), for_s=5.0)
    assert (holdings.reserve([LANE]), holdings.leased()) == (None, 0)
    clock.now += 4.9
    assert holdings.look_aside() == []
    clock.now += 0.2
    assert [job.id for job in holdings.look_aside()] == ["a"]
    assert holdings.look_aside() == []
    assert take(holdings).job_id == "a"


def test_what_is_put_aside_can_be_lost_or_taken_out(holdings: Holdings, clock: Clock) -> None:
    channel = object()
    for name in ("lost", "out"):
        arrive(holdings, name, source=channel if name == "lost" else None)
        holdings.put_aside(take(holdings), for_s=5.0)
    assert [job.id for job in holdings.lose(channel)] == ["lost"]
    assert holdings.take_out("out") is not None
    clock.now += 10.0
    assert holdings.look_aside() == []


def test_only_what_waits_can_be_taken_out(holdings: Holdings) -> None:
    arrive(holdings, "a")
    assert holdings.take_out("never seen") is None
    lease = take(holdings)
    assert holdings.take_out("a") is None
    holdings.give_back(lease)
    assert holdings.take_out("a") is not None
    assert holdings.reserve([LANE]) is None
    assert (holdings.leased(), holdings.leased_of(LANE)) == (0, 0)
