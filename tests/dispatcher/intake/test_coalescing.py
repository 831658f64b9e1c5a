import asyncio
import gc

from dispatcher.errors import OverloadedError
from dispatcher.intake.coalescing import Coalescing
from dispatcher.jobs import Job
from tests.dispatcher.records import completed, make_job


def working(job_id: str, work: str = "work") -> Job:
    return make_job(job_id, work_key=work)


async def test_a_flight_is_found_by_its_work_until_it_lands() -> None:
    coalescing = Coalescing()
    assert coalescing.find("work") is None
    flight = coalescing.take_off(working("leader", "work"))
    assert coalescing.find("work") is flight
    assert coalescing.find("other work") is None
    assert flight.outcome is None
    ended = completed(make_job("leader"))
    coalescing.land("leader", outcome=ended)
    assert coalescing.find("work") is None
    assert flight.outcome is ended


async def test_landing_gives_those_who_followed_in_their_order() -> None:
    coalescing = Coalescing()
    flight = coalescing.take_off(working("leader", "work"))
    followers = [make_job(f"follower-{number}") for number in range(3)]
    flight.followers.extend(followers)
    assert coalescing.land("leader", outcome=completed(make_job("leader"))) == followers


async def test_nobody_follows_a_job_that_leads_no_flight() -> None:
    assert Coalescing().land("nobody", outcome=None) == []


async def test_a_flight_lands_once() -> None:
    coalescing = Coalescing()
    coalescing.take_off(working("leader", "work")).followers.append(make_job())
    assert len(coalescing.land("leader", outcome=None)) == 1
    assert coalescing.land("leader", outcome=None) == []


async def test_the_same_work_can_take_off_again_after_it_landed() -> None:
    coalescing = Coalescing()
    coalescing.take_off(working("first", "work"))
    coalescing.land("first", outcome=None)
    again = coalescing.take_off(working("second", "work"))
    assert coalescing.find("work") is again


async def test_flights_of_different_work_do_not_meet() -> None:
    coalescing = Coalescing()
    one, other = (coalescing.take_off(working(f"leader of {work}", work)) for work in ("a", "b"))
    one.followers.append(make_job("follower"))
    assert coalescing.land("leader of b", outcome=None) == []
    assert coalescing.find("a") is one
    assert coalescing.find("b") is None
    assert coalescing.find("b") is not other


async def test_a_refusal_that_nobody_follows_is_no_unhandled_error() -> None:
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: unhandled.append(what))
    coalescing = Coalescing()
    coalescing.take_off(working("leader", "work")).accepted.set_exception(OverloadedError())
    coalescing.land("leader", outcome=None)
    await asyncio.sleep(0)
    gc.collect()
    assert not unhandled


# Leaving


async def test_a_flight_is_wanted_for_as_long_as_anybody_waits_for_it() -> None:
    coalescing = Coalescing()
    flight = coalescing.take_off(working("leader"))
    assert flight.is_wanted
    flight.has_leader = False
    assert not flight.is_wanted
    flight.followers.append(working("follower"))
    assert flight.is_wanted
    assert coalescing.leave(working("follower")) is flight
    assert not flight.is_wanted
    with flight.being_joined(), flight.being_joined():
        assert flight.is_wanted
    assert not flight.is_wanted


async def test_only_the_one_who_leaves_leaves() -> None:
    coalescing = Coalescing()
    flight = coalescing.take_off(working("leader"))
    flight.followers += [working("a"), working("b"), working("c")]
    assert coalescing.leave(working("b")) is flight
    assert coalescing.leave(working("b")) is None
    assert coalescing.leave(working("leader")) is None
    assert coalescing.leave(working("a", "other work")) is None
    assert [job.id for job in flight.followers] == ["a", "c"]


async def test_a_leader_that_has_ended_may_lead_for_those_who_follow() -> None:
    coalescing = Coalescing()
    flight = coalescing.take_off(working("leader").cancelled(1.0))
    flight.followers.append(working("follower"))
    assert coalescing.led_by("leader") is flight
    assert coalescing.claim("leader")
    assert coalescing.find("work") is flight


async def test_work_that_nobody_claims_can_be_joined_by_nobody() -> None:
    coalescing = Coalescing()
    coalescing.take_off(working("leader").cancelled(1.0))
    assert not coalescing.claim("leader")
    assert coalescing.find("work") is coalescing.led_by("leader") is None
    assert not coalescing.claim("never seen")


async def test_an_older_flight_that_lands_takes_no_newer_one_with_it() -> None:
    coalescing = Coalescing()
    coalescing.take_off(working("first"))
    newer = coalescing.take_off(working("second"))
    coalescing.land("first", outcome=None)
    assert coalescing.find("work") is newer


async def test_a_follower_that_takes_over_leads_the_same_flight() -> None:
    coalescing = Coalescing()
    leader, first, second = (working(name) for name in ("1", "2", "3"))
    flight = coalescing.take_off(leader)
    flight.followers += [first, second]

    assert coalescing.hand_over(flight, first)

    assert coalescing.leaders() == [first.id]
    assert coalescing.led_by(first.id) is coalescing.find("work") is flight
    assert (flight.leader, flight.followers, flight.has_leader) == (first, [second], True)
    assert coalescing.land(leader.id, outcome=None) == [], "it leads no longer"
    assert coalescing.land(first.id, outcome=None) == [second]


async def test_one_who_follows_no_longer_takes_nothing_over() -> None:
    coalescing = Coalescing()
    leader, follower = working("1"), working("2")
    flight = coalescing.take_off(leader)

    assert not coalescing.hand_over(flight, follower)

    assert coalescing.leaders() == [leader.id]
