"""Requests sent by workers, in this process, against a service whose every move is known."""

import asyncio
from pathlib import Path

import pytest

from load_tester.engine.closed_loop import describe_end, retry_pause_s
from load_tester.record import Outcome
from load_tester.settings import TargetSettings
from tests.load_tester.engine.running import send_closed
from tests.load_tester.records import make_record
from tests.load_tester.scripted_service import Fate, ScriptedService, serve


def at(service: ScriptedService) -> TargetSettings:
    return TargetSettings(urls=(service.url,))


async def test_no_more_requests_are_under_way_than_there_are_workers(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=0.03)) as service:
        run = await send_closed(at(service), photos, 13, concurrency=4)
    assert run.counts.ok == 13
    assert run.counts.find_discrepancies() == []
    moments = [(r.sent_s or 0.0, 1) for r in run.records] + [
        (r.seen_s or 0.0, -1) for r in run.records
    ]
    under_way = most = 0
    for _, change in sorted(moments):
        under_way += change
        most = max(most, under_way)
    assert most == 4


async def test_a_worker_pauses_between_its_requests(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=0.0)) as service:
        run = await send_closed(at(service), photos, 4, delay_s=0.1)
    gaps_s = [
        (later.sent_s or 0.0) - (earlier.seen_s or 0.0)
        for earlier, later in zip(run.records, run.records[1:], strict=False)
    ]
    assert min(gaps_s) >= 0.098


async def test_more_workers_than_requests_are_not_needed(photos: Path) -> None:
    async with serve() as service:
        run = await send_closed(at(service), photos, 2, concurrency=50)
    assert run.counts.ok == len(service.submissions) == 2


async def test_each_attempt_at_a_failing_request_is_a_record_of_its_own(photos: Path) -> None:
    script = {0: Fate(submit_status=500), 1: Fate(submit_status=503), 2: Fate()}
    async with serve(lambda number: script.get(number, Fate())) as service:
        run = await send_closed(at(service), photos, 2, retries=3)
    assert run.counts.find_discrepancies() == []
    assert [(r.attempt, r.outcome) for r in run.records] == [
        (1, Outcome.FAILED),
        (2, Outcome.REFUSED),
        (3, Outcome.OK),
        (1, Outcome.OK),
    ]
    assert len({record.file for record in run.records[:3]}) == 1
    assert [record.index for record in run.records] == [0, 1, 2, 3]


async def test_retries_end(photos: Path) -> None:
    async with serve(lambda _: Fate(submit_status=500)) as service:
        run = await send_closed(at(service), photos, 1, retries=1)
    assert [record.attempt for record in run.records] == [1, 2]
    assert run.counts.failed == 2


async def test_a_wrong_answer_is_not_tried_again(photos: Path) -> None:
    async with serve(lambda _: Fate(raw_result=b"{")) as service:
        run = await send_closed(at(service), photos, 1, retries=3)
    assert run.reasons == {"wrong:result_not_json": 1}


async def test_an_attempt_that_takes_too_long_is_tried_again(photos: Path) -> None:
    script = {0: Fate(after_s=None)}
    async with serve(lambda number: script.get(number, Fate())) as service:
        run = await send_closed(at(service), photos, 1, timeout_s=3.0, retries=1)
    assert [record.outcome for record in run.records] == [Outcome.TIMED_OUT, Outcome.OK]


async def test_an_interruption_keeps_what_was_sent(photos: Path) -> None:
    stop = asyncio.Event()
    async with serve(lambda number: Fate(after_s=0.0 if number < 3 else None)) as service:
        running = asyncio.create_task(
            send_closed(at(service), photos, 100, concurrency=2, stop=stop)
        )
        while len(service.submissions) < 5:
            await service.arrivals.get()
        stop.set()
        run = await running
    assert run.interrupted
    assert run.counts.find_discrepancies() == []
    assert (run.counts.ok, run.counts.abandoned, run.counts.not_sent) == (3, 2, 95)
    assert {record.reason for record in run.only(Outcome.NOT_SENT)} == {"interrupted"}
    assert sorted(record.index for record in run.records) == list(range(100))


async def test_a_request_whose_worker_still_pauses_was_not_sent(photos: Path) -> None:
    stop = asyncio.Event()
    async with serve(lambda _: Fate(submit_status=500)) as service:
        running = asyncio.create_task(
            send_closed(at(service), photos, 3, delay_s=60, retries=1, stop=stop)
        )
        await service.arrivals.get()
        stop.set()
        run = await running
    assert run.counts.find_discrepancies() == []
    assert (run.counts.scheduled, run.counts.not_sent) == (3, 2)


@pytest.mark.parametrize(
    ("attempt", "delay_s", "pause_s"),
    [(2, 0.0, 0.5), (3, 0.0, 1.0), (4, 0.0, 2.0), (9, 0.0, 5.0), (60, 0.0, 5.0), (2, 7.0, 7.0)],
)
def test_pauses_before_retries_double_up_to_a_bound(
    attempt: int, delay_s: float, pause_s: float
) -> None:
    assert retry_pause_s(attempt, delay_s=delay_s) == pause_s


def test_debugging_tells_every_step_of_a_request() -> None:
    record = make_record(
        0, request_id="a1", polls=2, queue_time_s=0.1, steps_s={"s0": 0.05}, top_label="drum"
    )
    assert describe_end(record) == (
        "ok; ticket a1 after 500.0 ms; result after 1000.0 ms; 2 looks; queued 100.0 ms; "
        "step s0 50.0 ms; label drum"
    )
    hostile = make_record(0, request_id="\x1b[31m", top_label="two\nlines", steps_s={"\a": 1.0})
    assert describe_end(hostile).isprintable()
    assert describe_end(make_record(0, Outcome.FAILED)) == "failed: because"
