"""Schedules replayed in this process against a service whose every move is known."""

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from load_tester.engine.recorder import Flight, Recorder
from load_tester.images import find_images, pick_images
from load_tester.pacing import now_s
from load_tester.record import Outcome
from load_tester.settings import TargetSettings
from tests.load_tester.engine.running import replay
from tests.load_tester.scripted_service import Fate, ScriptedService, serve


def at(service: ScriptedService) -> TargetSettings:
    return TargetSettings(urls=(service.url,))


def fates(special: dict[int, Fate]) -> Callable[[int], Fate]:
    return lambda number: special.get(number, Fate())


async def test_every_kind_of_end_is_counted_once_and_the_counts_add_up(photos: Path) -> None:
    script = fates(
        {
            1: Fate(submit_status=503),
            2: Fate(submit_status=429),
            4: Fate(changes={"status": "failed", "error": {"code": "decode_error"}}),
            5: Fate(result_status=410),
            6: Fate(result_status=404),
            8: Fate(after_s=None),
            9: Fate(submit_status=200, after_s=0),
            10: Fate(raw_result=b"{"),
            11: Fate(raw_ticket=b"[]"),
            12: Fate(cut=True),
            13: Fate(submit_status=500),
            14: Fate(changes={"coalesced": True}),
            15: Fate(raw_ticket=b'{"request_id": "job-3"}'),
        }
    )
    async with serve(script) as service:
        run = await replay(at(service), photos, (20, 4), timeout_s=1.0, squeeze=0.1)
    counts = run.counts
    assert counts.find_discrepancies() == []
    assert (counts.scheduled, counts.sent, counts.not_sent) == (24, 24, 0)
    assert (counts.refused, counts.failed, counts.timed_out, counts.wrong) == (2, 5, 1, 3)
    assert counts.ok == 13
    assert run.reasons == {
        "ok:None": 13,
        "refused:http_503": 1,
        "refused:http_429": 1,
        "failed:job_failed:decode_error": 1,
        "failed:lost_410": 1,
        "failed:lost_404": 1,
        "timed_out:no_result": 1,
        "wrong:result_not_json": 1,
        "wrong:ticket_not_an_object": 1,
        "wrong:ticket_given_twice": 1,
        "failed:connection": 1,
        "failed:http_500": 1,
    }
    done = run.only(Outcome.OK)
    assert sum(record.from_cache for record in done) == 1
    assert sum(record.coalesced for record in done) == 1
    assert {(record.queue_time_s, record.processing_time_s) for record in done} == {(0.25, 0.125)}
    assert {record.target for record in run.records} == {service.url}
    assert len(service.submissions) == 24


async def test_every_second_sends_exactly_its_images_at_their_moments(photos: Path) -> None:
    async with serve() as service:
        run = await replay(at(service), photos, (10, 0, 25))
    assert Counter(int(record.sent_s or 0.0) for record in run.records) == {0: 10, 2: 25}
    lateness_s = sorted(record.lateness_s or 0.0 for record in run.records)
    assert lateness_s[0] >= 0
    assert lateness_s[17] < 0.05
    first, last = service.submissions[0], service.submissions[-1]
    assert last.arrived_s - first.arrived_s == pytest.approx(2.96, abs=0.4)


async def test_the_result_is_seen_when_it_is_there(photos: Path) -> None:
    async with serve(lambda number: Fate(after_s=0.02 * (number % 7))) as service:
        run = await replay(at(service), photos, (30,), squeeze=0.5)
    start_s = service.submissions[0].arrived_s - min(r.sent_s or 0.0 for r in run.records)
    errors_s = [
        abs((record.seen_s or 0.0) - ((service.submissions[record.index].ended_s or 0.0) - start_s))
        for record in run.records
    ]
    assert sum(errors_s) / len(errors_s) < 0.1
    assert service.looks == 30


async def test_without_long_polls_few_looks_are_needed_once_the_times_are_known(
    photos: Path,
) -> None:
    async with serve(lambda _: Fate(after_s=0.1), hold=False) as service:
        run = await replay(at(service), photos, (5, 20), squeeze=0.7)
    assert run.counts.ok == 25
    later = [record.polls for record in run.records if record.second > 1]
    assert sum(later) / len(later) < 8
    assert sum(record.polls for record in run.records) == service.looks
    assert max(record.end_to_end_s or 0.0 for record in run.records) < 1.0
    assert min(record.end_to_end_s or 0.0 for record in run.records) >= 0.1


@asynccontextmanager
async def stalled_for(duration_s: float, service: ScriptedService) -> AsyncIterator[None]:
    """The service answers nothing from now until so long after the first upload."""

    async def stall() -> None:
        await service.arrivals.get()
        await asyncio.sleep(duration_s)
        service.running.set()

    service.running.clear()
    stalling = asyncio.create_task(stall())
    yield
    await stalling


async def test_a_stall_of_the_service_shows_from_the_intended_moments(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=0.0)) as service, stalled_for(1.0, service):
        run = await replay(at(service), photos, (20, 5))
    stalled = [record for record in run.records if record.sched_s < 0.9]
    for record in stalled:
        assert record.end_to_end_s == pytest.approx(1.0 - record.sched_s, abs=0.5)
    # The service stood still, the schedule did not.
    assert max(record.lateness_s or 0.0 for record in run.records) < 0.5
    assert max(record.end_to_end_s or 0.0 for record in run.records[-3:]) < 0.7


async def test_with_one_worker_a_stall_shows_as_lateness_and_drops_nothing(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=0.0)) as service, stalled_for(0.8, service):
        run = await replay(at(service), photos, (10,), max_workers=1)
    assert run.counts.ok == 10
    first, second = run.records[:2]
    assert first.lateness_s == pytest.approx(0.0, abs=0.3)
    assert second.lateness_s == pytest.approx(0.7, abs=0.35)
    assert second.from_send_s is not None
    assert second.from_send_s < 0.35
    assert second.end_to_end_s == pytest.approx(0.7, abs=0.35)
    # All of it was waiting for the worker: none of it is the generator's own.
    assert first.held_s < 0.3
    assert second.held_s == pytest.approx(second.lateness_s, abs=0.3)


async def test_an_image_that_never_found_a_worker_is_not_sent_and_says_so(photos: Path) -> None:
    async with serve() as service:
        service.running.clear()
        # So dense that one worker's time runs out together with that of those who wait for it.
        run = await replay(at(service), photos, (1500,), max_workers=1, timeout_s=0.1)
    assert run.counts.find_discrepancies() == []
    assert run.counts.sent < 1500
    assert {record.reason for record in run.only(Outcome.NOT_SENT)} == {"no_free_worker"}
    assert {record.reason for record in run.only(Outcome.TIMED_OUT)} == {"no_ticket"}


async def test_an_image_whose_time_was_up_before_its_turn_is_not_sent(photos: Path) -> None:
    async with serve() as service:
        run = await replay(at(service), photos, (3,), timeout_s=-1.0)
    assert run.counts.find_discrepancies() == []
    assert run.reasons == {"not_sent:generator_too_late": 3}
    assert service.submissions == []


async def test_waiting_for_results_takes_no_worker(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=0.4)) as service:
        run = await replay(at(service), photos, (20,), max_workers=1, squeeze=0.1)
    assert run.counts.ok == 20
    assert max(record.lateness_s or 0.0 for record in run.records) < 2.0


async def test_images_go_round_in_the_order_of_the_seed(photos: Path) -> None:
    async with serve() as service:
        await replay(at(service), photos, (9,), seed=4, squeeze=0.1)
    names = [item.filename for item in service.submissions]
    assert names[:3] == [path.name for path in pick_images(find_images(photos), count=3, seed=4)]
    assert names == names[:3] * 3
    assert len(set(names)) == 3


async def test_an_interruption_leaves_a_record_for_every_planned_image(photos: Path) -> None:
    stop = asyncio.Event()
    async with serve(lambda _: Fate(after_s=None)) as service:
        running = asyncio.create_task(replay(at(service), photos, (10, 10, 500), stop=stop))
        while len(service.submissions) < 7:
            await service.arrivals.get()
        stop.set()
        run = await running
    assert run.interrupted
    assert run.counts.find_discrepancies() == []
    assert run.counts.abandoned == run.counts.sent >= 7
    assert {record.reason for record in run.records} == {"interrupted"}
    assert len(run.records) == 520


async def test_a_service_that_stops_in_the_middle_costs_its_images_and_not_the_schedule(
    photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(lambda _: Fate(after_s=0.0)) as service:
        running = asyncio.create_task(
            replay(at(service), photos, (20, 20), timeout_s=0.5, squeeze=0.5)
        )
        while len(service.submissions) < 10:
            await service.arrivals.get()
    run = await running
    assert not run.interrupted
    assert run.counts.find_discrepancies() == []
    assert run.counts.sent == 40
    assert run.counts.ok + run.counts.failed + run.counts.timed_out == 40
    assert run.counts.failed >= 20
    said = [record for record in caplog.records if "does not answer any more" in record.message]
    assert len(said) == 1


async def test_the_counters_of_the_live_view_agree_with_the_records(photos: Path) -> None:
    script = fates({1: Fate(submit_status=503), 2: Fate(submit_status=500)})
    async with serve(script) as service:
        run = await replay(at(service), photos, (8,), squeeze=0.1)
    recorder = run.recorder
    assert recorder.ended == {Outcome.OK: 6, Outcome.REFUSED: 1, Outcome.FAILED: 1}
    assert (recorder.sent, recorder.in_flight) == (8, 0)
    assert sorted(recorder.latest_s) == sorted(
        record.end_to_end_s or 0.0 for record in run.only(Outcome.OK)
    )
    assert len(recorder.lateness_s) == 8


def test_the_live_lateness_is_the_generators_own() -> None:
    recorder = Recorder()
    recorder.start_s = now_s() - 10.0
    recorder.send(Flight(index=0, second=1, at_s=0.0, file="a.jpg", held_s=9.0))
    (late_s,) = recorder.lateness_s
    assert late_s == pytest.approx(1.0, abs=0.9)


async def test_an_answer_that_trips_up_its_reader_is_wrong_and_told_once(
    photos: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def trip(*_: object, **__: object) -> None:
        raise LookupError("never thought of")

    monkeypatch.setattr("load_tester.targets.dispatcher.read_result", trip)
    async with serve() as service:
        run = await replay(at(service), photos, (4,), squeeze=0.1)
    assert run.counts.find_discrepancies() == []
    assert run.reasons == {"wrong:answer_unreadable": 4}
    told = [record for record in caplog.records if record.exc_info]
    assert len(told) == 1


@pytest.mark.parametrize(
    "ticket", [b'{"request_id": "\\ud800"}', b'{"request_id": "\xed\xa0\x80"}', b"\xff\xfe{\0}\0"]
)
async def test_half_a_character_in_an_answer_ends_one_image_and_not_the_run(
    photos: Path, ticket: bytes
) -> None:
    async with serve(fates({0: Fate(raw_ticket=ticket)})) as service:
        run = await replay(at(service), photos, (3,), squeeze=0.1)
    assert run.reasons == {"ok:None": 2, "wrong:ticket_not_json": 1}


async def test_the_interpreter_works_as_usual_after_a_run(photos: Path) -> None:
    before = gc.get_threshold(), sys.getswitchinterval()
    async with serve() as service:
        await replay(at(service), photos, (2,), squeeze=0.1)
    assert (gc.get_threshold(), sys.getswitchinterval()) == before
    assert gc.get_freeze_count() == 0
