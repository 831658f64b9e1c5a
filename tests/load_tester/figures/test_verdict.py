from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from load_tester.figures.disturbance import Resource
from load_tester.figures.lateness import chance_of, is_more_than
from load_tester.figures.verdict import Level, Verdict, judge
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Ceiling, Mode
from tests.load_tester.figures.samples import make_sample, make_samples
from tests.load_tester.records import make_record, make_run


def sends(
    late_s: Sequence[float], *, latency_s: float = 0.05, per_s: int = 30
) -> list[ImageRecord]:
    """Images at equal distances, each sent as late as the list says."""
    return [
        make_record(
            n,
            sched_s=n / per_s,
            second=n // per_s + 1,
            sent_s=n / per_s + late,
            accepted_s=None,
            seen_s=n / per_s + late + latency_s,
        )
        for n, late in enumerate(late_s)
    ]


def verdict_on(records: Sequence[ImageRecord], per_s: int = 30, **changes: Any) -> Verdict:
    seconds = -(-len(records) // per_s)
    known: dict[str, Any] = {
        "planned": (per_s,) * seconds,
        "generator": make_samples(seconds),
    }
    return judge(make_run(*records, **(known | changes)))


def resources(verdict: Verdict) -> list[Resource]:
    return [reason.resource for reason in verdict.reasons]


def test_a_punctual_run_is_valid_and_needs_no_reason() -> None:
    verdict = verdict_on(sends([0.0002] * 1800))
    assert (verdict.level, verdict.reasons) == (Level.VALID, ())


def test_more_than_one_send_in_a_hundred_late_by_a_millisecond_is_suspect() -> None:
    assert verdict_on(sends([0.0012] * 18 + [0.0] * 1782)).level is Level.VALID
    verdict = verdict_on(sends([0.0012] * 19 + [0.0] * 1781))
    assert verdict.level is Level.SUSPECT
    assert "19 of 1800 sends were more than 1 ms late" in verdict.reasons[0].sentence


def test_a_percentile_99_of_lateness_above_five_milliseconds_is_invalid() -> None:
    assert verdict_on(sends([0.006] * 19 + [0.0] * 1781)).level is Level.INVALID


def test_a_slow_service_forgives_five_per_cent_of_its_median() -> None:
    late = [0.006] * 60 + [0.0] * 540
    assert verdict_on(sends(late, latency_s=0.05)).level is Level.INVALID
    assert verdict_on(sends(late, latency_s=0.2)).level is Level.SUSPECT


def test_a_generator_that_was_frozen_for_a_second_of_a_minute_is_invalid() -> None:
    frozen = [1 - n / 30 if 0 <= n < 30 else 0.0 for n in range(-900, 900)]
    assert verdict_on(sends(frozen)).level is Level.INVALID


def test_with_few_sends_one_late_one_may_be_chance() -> None:
    assert verdict_on(sends([0.002] + [0.0] * 149)).level is Level.VALID
    assert verdict_on(sends([0.002] * 5 + [0.0] * 145)).level is Level.SUSPECT


def test_the_chance_of_late_sends_is_the_tail_of_the_binomial() -> None:
    assert chance_of(1, 20, share=0.01) == pytest.approx(1 - 0.99**20)
    assert chance_of(0, 20, share=0.01) == 1.0
    assert is_more_than(2, 20, share=0.01)
    assert not is_more_than(1, 20, share=0.01)


def test_a_freeze_in_a_run_with_hardly_a_send_is_seen_by_the_event_loop() -> None:
    samples = (make_sample(0.5), make_sample(2.0, loop_lag_s=1.0), make_sample(2.5))
    verdict = verdict_on(sends([0.0] * 3, per_s=1), per_s=1, generator=samples)
    assert (verdict.level, resources(verdict)) == (Level.SUSPECT, [Resource.EVENT_LOOP])


@pytest.mark.parametrize(
    ("shortage", "resource"),
    [
        ({"stolen": 0.1}, Resource.STOLEN_CPU),
        ({"cpu": 0.95}, Resource.OWN_CPU),
        ({"starved": 0.3}, Resource.OTHERS),
        ({"waited": 0.9, "machine_cpu": 0.95}, Resource.OTHERS),
        ({"starved": 0.3, "loop_lag_s": 0.2}, Resource.OTHERS),
        ({"starved": 0.1, "loop_lag_s": 1.0}, Resource.EVENT_LOOP),
        ({"free_bytes": 1}, Resource.MEMORY),
        ({}, Resource.EVENT_LOOP),
    ],
)
def test_the_reason_for_lateness_names_what_was_short_at_that_time(
    shortage: dict[str, float], resource: Resource
) -> None:
    samples = (*make_samples(2), make_sample(2.5, **shortage), make_sample(3.0))
    late = [0.0] * 60 + [0.02] * 15 + [0.0] * 15
    verdict = verdict_on(sends(late), generator=samples)
    assert verdict.level is Level.INVALID
    assert verdict.reasons[0].resource is resource


def test_what_was_short_when_nothing_was_late_is_not_blamed() -> None:
    samples = (make_sample(0.5, stolen=0.5), *make_samples(3)[1:])
    late = [0.0] * 60 + [0.02] * 15 + [0.0] * 15
    assert verdict_on(sends(late), generator=samples).reasons[0].resource is Resource.EVENT_LOOP


def test_own_cpu_counts_after_ten_seconds() -> None:
    records = sends([0.0] * 1800)
    short = (*make_samples(9, cpu=0.9), make_sample(60.0))
    assert verdict_on(records, generator=short).level is Level.VALID
    long = (*make_samples(10, cpu=0.9), make_sample(60.0))
    verdict = verdict_on(records, generator=long)
    assert (verdict.level, resources(verdict)) == (Level.SUSPECT, [Resource.OWN_CPU])


def test_a_short_run_whose_cpu_was_busy_throughout_is_suspect() -> None:
    assert verdict_on(sends([0.0] * 90), generator=make_samples(3, cpu=0.9)).level is Level.SUSPECT


def test_others_on_the_generators_core_make_a_run_suspect_though_no_send_was_late() -> None:
    verdict = verdict_on(sends([0.0] * 90), generator=make_samples(3, cpu=0.1, starved=0.1))
    assert (verdict.level, resources(verdict)) == (Level.SUSPECT, [Resource.OTHERS])


def held(count: int, *, of: int = 300, held_s: float = 2.0) -> list[ImageRecord]:
    """Images of which the last few waited for a free worker."""
    punctual = sends([0.0] * (of - count))
    return punctual + [
        make_record(
            n,
            sched_s=n / 30,
            second=n // 30 + 1,
            sent_s=n / 30 + held_s,
            held_s=held_s,
            seen_s=n / 30 + held_s + 0.1,
        )
        for n in range(of - count, of)
    ]


def test_what_max_workers_holds_back_for_long_is_invalid_and_says_what_to_do() -> None:
    verdict = verdict_on(held(300), max_workers=7)
    assert (verdict.level, resources(verdict)) == (Level.INVALID, [Resource.WORKERS])
    assert verdict.reasons[0].sentence == (
        "--max-workers 7 held back 300 of 300 images by up to 2000 ms: "
        "raise it, or set it to 0 for no bound"
    )


def test_a_little_that_max_workers_holds_back_is_suspect() -> None:
    assert verdict_on(held(3, of=1800)).level is Level.VALID
    verdict = verdict_on(held(300, held_s=0.003), max_workers=7)
    assert (verdict.level, resources(verdict)) == (Level.SUSPECT, [Resource.WORKERS])
    assert "--max-workers 7 held back 300 of 300 images" in verdict.reasons[0].sentence


def test_what_is_held_back_and_what_is_late_together_are_invalid() -> None:
    late = sends([0.02] * 12 + [0.0] * 1770)
    alone = [*late, *sends([0.0] * 1800)[1782:]]
    assert verdict_on(alone).level is Level.VALID
    waited = held(18, of=1800)
    assert verdict_on(waited).level is Level.VALID
    verdict = verdict_on([*late, *waited[1782:]])
    assert (verdict.level, resources(verdict)) == (Level.INVALID, [Resource.WORKERS])


def test_that_images_were_held_back_forgives_no_lateness() -> None:
    # Most of the images waited ten seconds: five per cent of that is no measure of the service.
    waited = held(1100, of=2000, held_s=10.0)
    late = [replace(record, sent_s=record.sched_s + 0.1) for record in waited[:30]]
    verdict = verdict_on([*late, *waited[30:]])
    assert Resource.EVENT_LOOP in resources(verdict)
    assert all(reason.level is Level.INVALID for reason in verdict.reasons)


def test_a_worker_that_was_waited_for_once_is_not_worth_a_word() -> None:
    held = make_record(0, sched_s=0.0, sent_s=0.5, held_s=0.5, seen_s=0.55)
    assert verdict_on([held, *sends([0.0] * 300)[1:]]).level is Level.VALID


def test_images_for_which_no_worker_was_free_in_time_are_told_by_name() -> None:
    def lost(count: int) -> list[ImageRecord]:
        return [
            make_record(n, Outcome.NOT_SENT, reason="no_free_worker", sched_s=n / 30)
            for n in range(90 - count, 90)
        ]

    verdict = verdict_on([*sends([0.0] * 89), *lost(1)])
    assert (verdict.level, resources(verdict)) == (Level.SUSPECT, [Resource.WORKERS])
    verdict = verdict_on([*sends([0.0] * 80), *lost(10)])
    assert (verdict.level, resources(verdict)) == (Level.INVALID, [Resource.WORKERS])
    assert "10 were never sent" in verdict.reasons[0].sentence


def test_a_plan_that_was_not_sent_in_its_time_is_invalid() -> None:
    lost = [make_record(n, Outcome.NOT_SENT, reason="unknown", sched_s=2.9) for n in range(90, 95)]
    verdict = verdict_on([*sends([0.0] * 90), *lost])
    assert verdict.level is Level.INVALID
    assert "5 images were not sent" in verdict.reasons[0].sentence


def test_the_sentence_is_that_of_the_test_that_failed() -> None:
    lost = [make_record(n, Outcome.NOT_SENT, reason="unknown", sched_s=2.9) for n in range(90, 95)]
    # One send was very late, which of so many is nothing.
    (reason,) = verdict_on([*sends([0.02] + [0.0] * 89), *lost]).reasons
    assert reason.sentence.startswith("5 images were not sent in the time of the plan")


def test_what_was_short_while_images_were_never_sent_is_blamed() -> None:
    samples = (*make_samples(2), make_sample(2.5, stolen=0.5), make_sample(3.0))
    lost = [
        make_record(n, Outcome.NOT_SENT, reason="generator_too_late", sched_s=2.3)
        for n in range(80, 90)
    ]
    verdict = verdict_on([*sends([0.0] * 80), *lost], generator=samples)
    assert (verdict.level, resources(verdict)) == (Level.INVALID, [Resource.STOLEN_CPU])


def test_an_interruption_is_no_lateness() -> None:
    lost = [
        make_record(n, Outcome.NOT_SENT, reason="interrupted", sched_s=n / 30)
        for n in range(60, 900)
    ]
    assert verdict_on([*sends([0.0] * 60), *lost], interrupted=True).level is Level.VALID


def test_more_than_seventy_per_cent_of_the_ceiling_is_suspect() -> None:
    records = sends([0.0] * 300)
    high = Ceiling(cycles_per_s=43, body_bytes=1000)
    assert verdict_on(records, ceiling=high).level is Level.VALID
    verdict = verdict_on(records, ceiling=Ceiling(cycles_per_s=42, body_bytes=1000))
    assert (verdict.level, resources(verdict)) == (Level.SUSPECT, [Resource.CEILING])


def test_a_closed_loop_has_no_lateness_but_a_ceiling() -> None:
    records = sends([0.5] * 300)
    assert verdict_on(records, mode=Mode.CLOSED).level is Level.VALID
    low = Ceiling(cycles_per_s=30, body_bytes=1000)
    verdict = verdict_on(records, mode=Mode.CLOSED, ceiling=low)
    assert resources(verdict) == [Resource.CEILING]


@pytest.mark.parametrize(
    ("reason", "resource"),
    [("no_file_descriptor", Resource.FILES), ("no_local_port", Resource.PORTS)],
)
def test_a_machine_that_ran_out_is_named(reason: str, resource: Resource) -> None:
    failed = make_record(90, Outcome.FAILED, reason=reason, sched_s=2.9, sent_s=2.9)
    verdict = verdict_on([*sends([0.0] * 89), failed])
    assert (verdict.level, resources(verdict)) == (Level.INVALID, [resource])


def test_the_worst_reason_comes_first() -> None:
    samples = make_samples(20, cpu=0.9)
    verdict = verdict_on(sends([0.02] * 600), generator=samples)
    levels = [reason.level for reason in verdict.reasons]
    assert levels == [Level.INVALID, Level.SUSPECT]


def test_a_run_that_was_not_watched_is_judged_by_its_sends() -> None:
    assert verdict_on(sends([0.0] * 90), generator=()).level is Level.VALID
    assert verdict_on(sends([0.02] * 90), generator=()).level is Level.INVALID
