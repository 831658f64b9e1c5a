"""The whole load test, in this process, against a service whose every move is known."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from load_tester.cli import choose_exit_code, run_load_test
from load_tester.errors import ExitCode
from load_tester.images import find_images, pick_images
from load_tester.record import ImageRecord, Outcome
from load_tester.report import Run, count_seconds
from load_tester.settings import LoadSettings
from tests.load_tester.scripted_service import Fate, ScriptedService, serve


async def replay(
    service: ScriptedService, photos: Path, schedule: tuple[int, ...], **choices: object
) -> Run:
    settings = LoadSettings(url=service.url, images=photos, schedule=schedule)
    return await run_load_test(replace(settings, **choices))  # type: ignore[arg-type]


def fates(special: dict[int, Fate]) -> Callable[[int], Fate]:
    return lambda number: special.get(number, Fate())


def only(run: Run, outcome: Outcome) -> list[ImageRecord]:
    return [record for record in run.records if record.outcome is outcome]


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
        }
    )
    async with serve(script) as service:
        run = await replay(service, photos, (20, 4), timeout_s=1.0)
    counts = run.summary.counts
    assert counts.find_discrepancies() == []
    assert (counts.scheduled, counts.sent, counts.not_sent) == (24, 24, 0)
    assert (counts.refused, counts.failed, counts.timed_out, counts.wrong) == (2, 5, 1, 2)
    assert counts.ok == 14
    assert run.summary.reasons == {
        "refused:http_503": 1,
        "refused:http_429": 1,
        "failed:job_failed:decode_error": 1,
        "failed:lost_410": 1,
        "failed:lost_404": 1,
        "timed_out:no_result": 1,
        "wrong:result_not_json": 1,
        "wrong:ticket_not_an_object": 1,
        "failed:connection": 1,
        "failed:http_500": 1,
    }
    assert (run.summary.cache_hits, run.summary.coalesced) == (1, 1)
    assert (run.summary.mean_queue_time_s, run.summary.mean_processing_time_s) == (0.25, 0.125)
    assert choose_exit_code(run.summary) is ExitCode.WRONG_ANSWERS
    assert len(service.submissions) == 24


async def test_every_second_sends_exactly_its_images_at_their_moments(photos: Path) -> None:
    async with serve() as service:
        run = await replay(service, photos, (10, 0, 25))
    seconds = count_seconds((10, 0, 25), run.records)
    assert [second["sent"] for second in seconds[:3]] == [10, 0, 25]
    assert run.summary.lateness.p50_s is not None
    assert run.summary.lateness.p50_s < 0.05
    first, last = service.submissions[0], service.submissions[-1]
    assert last.arrived_s - first.arrived_s == pytest.approx(2.96, abs=0.4)


async def test_the_result_is_seen_when_it_is_there(photos: Path) -> None:
    async with serve(lambda number: Fate(after_s=0.02 * (number % 7))) as service:
        run = await replay(service, photos, (30,))
    start_s = service.submissions[0].arrived_s - min(r.sent_s or 0.0 for r in run.records)
    errors_s = [
        abs((record.seen_s or 0.0) - ((service.submissions[record.index].ended_s or 0.0) - start_s))
        for record in run.records
    ]
    assert sum(errors_s) / len(errors_s) < 0.1
    assert service.looks == 30


async def test_without_long_polls_the_result_is_found_by_asking_again(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=0.1), hold=False) as service:
        run = await replay(service, photos, (5,))
    assert run.summary.counts.ok == 5
    assert 10 < service.looks <= 50
    assert run.summary.end_to_end.max_s is not None
    assert 0.1 <= run.summary.end_to_end.max_s < 1.0


async def test_a_stall_of_the_service_shows_from_the_intended_moments(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=0.0)) as service:
        service.running.clear()
        asyncio.get_running_loop().call_later(1.0, service.running.set)
        run = await replay(service, photos, (20, 5))
    stalled = [record for record in run.records if record.sched_s < 0.9]
    for record in stalled:
        assert record.end_to_end_s == pytest.approx(1.0 - record.sched_s, abs=0.5)
    # The service stood still, the schedule did not.
    assert run.summary.lateness.max_s is not None
    assert run.summary.lateness.max_s < 0.5
    assert max(record.end_to_end_s or 0.0 for record in run.records[-3:]) < 0.7


async def test_with_one_worker_a_stall_shows_as_lateness_and_drops_nothing(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=0.0)) as service:
        service.running.clear()
        asyncio.get_running_loop().call_later(0.8, service.running.set)
        run = await replay(service, photos, (10,), max_workers=1)
    assert run.summary.counts.ok == 10
    by_index = sorted(run.records, key=lambda record: record.index)
    assert by_index[0].lateness_s == pytest.approx(0.0, abs=0.3)
    assert by_index[1].lateness_s == pytest.approx(0.7, abs=0.35)
    assert by_index[1].from_send_s is not None
    assert by_index[1].from_send_s < 0.35
    assert by_index[1].end_to_end_s == pytest.approx(0.7, abs=0.35)


async def test_an_image_that_never_found_a_worker_is_not_sent_and_says_so(photos: Path) -> None:
    async with serve() as service:
        service.running.clear()
        # So dense that one worker's time runs out together with that of those who wait for it.
        run = await replay(service, photos, (1500,), max_workers=1, timeout_s=0.1)
    assert run.summary.counts.find_discrepancies() == []
    assert run.summary.counts.sent < 1500
    assert {record.reason for record in only(run, Outcome.NOT_SENT)} == {"no_free_worker"}
    assert {record.reason for record in only(run, Outcome.TIMED_OUT)} == {"no_ticket"}


async def test_waiting_for_results_takes_no_worker(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=0.4)) as service:
        run = await replay(service, photos, (20,), max_workers=1)
    assert run.summary.counts.ok == 20
    assert run.summary.lateness.max_s is not None
    assert run.summary.lateness.max_s < 2.0


async def test_the_bytes_arrive_with_type_and_name_and_the_choices_in_the_query(
    photos: Path,
) -> None:
    (photos / "large.webp").write_bytes(b"x" * 3_000_000)
    sizes = {path.name: path.stat().st_size for path in find_images(photos)}
    async with serve() as service:
        await replay(service, photos, (4,), pipeline="a b", use_cache=False)
        await replay(service, photos, (4,), multipart=True)
    raw, forms = service.submissions[:4], service.submissions[4:]
    for sent in (raw, forms):
        assert {item.filename: item.size_bytes for item in sent} == sizes
    assert {item.content_type for item in raw} == {"image/jpeg", "image/png", "image/webp"}
    assert raw[0].query == {"pipeline": "a b", "cache": "false"}
    assert {item.content_type for item in forms} == {"multipart/form-data"}
    assert forms[0].query == {}


async def test_images_go_round_in_the_order_of_the_seed(photos: Path) -> None:
    async with serve() as service:
        await replay(service, photos, (9,), seed=4)
    names = [item.filename for item in service.submissions]
    assert names[:3] == [path.name for path in pick_images(find_images(photos), count=3, seed=4)]
    assert names == names[:3] * 3
    assert len(set(names)) == 3
