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
