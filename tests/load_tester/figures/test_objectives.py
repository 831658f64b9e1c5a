from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tester.errors import ObjectiveError
from load_tester.figures.objectives import Check, Status, Unit, check_objectives, read_objectives
from load_tester.record import ImageRecord, Outcome
from tests.load_tester.records import make_record, make_run


def check(objective: str, *records: ImageRecord, **changes: Any) -> Check:
    (only,) = check_objectives(make_run(*records, objectives=(objective,), **changes))
    return only


def quick(count: int, latency_s: float = 0.1) -> list[ImageRecord]:
    return [make_record(n, sent_s=float(n), seen_s=n + latency_s) for n in range(count)]


def test_a_list_is_read_in_its_order() -> None:
    read = read_objectives(["p95<300ms, error < 0.1%,wrong==0", "goodput>=90/s"])
    assert [one.text for one in read] == ["p95<300ms", "error < 0.1%", "wrong==0", "goodput>=90/s"]
    assert [(one.bound, one.unit) for one in read] == [
        (pytest.approx(0.3), Unit.SECONDS),
        (pytest.approx(0.001), Unit.PART),
        (0.0, Unit.IMAGES),
        (90.0, Unit.PER_SECOND),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "p95", "p95<", "<300ms", "p95<300", "p95<300%", "p95=300ms", "p95<-1ms"),
        *("p0<1s", "p100<1s", "p95<1e3ms", "p95<nanms", "p95<infs", "speed<3s", "error<1ms"),
        *("goodput>=90%", "wrong==0ms", "p95<300ms;error<1%", "p95<300ms\nwrong==0", "P95<1s"),
    ],
)
def test_what_is_no_objective_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ObjectiveError) as refusal:
        read_objectives([text])
    assert "\n" not in str(refusal.value)
    assert repr(text.split(",", maxsplit=1)[0].strip()) in str(refusal.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = read_objectives([text])
    except ObjectiveError:
        return
    assert all(one.bound >= 0 for one in read)


@pytest.mark.parametrize(
    ("objective", "status"),
    [
        ("p95<101ms", Status.MET),
        ("p95<99ms", Status.MISSED),
        ("p50<=0.2s", Status.MET),
        ("max<100.5ms", Status.MET),
        ("mean>1s", Status.MISSED),
        ("wrong==0", Status.MET),
        ("ok==100", Status.MET),
        ("ok>=100%", Status.MET),
        ("error<0.1%", Status.MET),
        ("goodput>=1/s", Status.MET),
        ("goodput>1/s", Status.MISSED),
    ],
)
def test_a_run_is_compared_with_each(objective: str, status: Status) -> None:
    assert check(objective, *quick(100)).status is status


def test_a_percentile_without_enough_samples_is_not_shown_and_says_what_it_needs() -> None:
    told = check("p95<300ms", *quick(89))
    assert (told.status, told.told, told.is_met) == (Status.NOT_SHOWN, None, False)
    assert "p95 needs 90 images that ended ok, there were 89" in told.sentence
    assert "counts as missed" in told.sentence


def test_a_missed_objective_says_what_it_was() -> None:
    told = check("p95<50ms", *quick(100))
    assert told.sentence.startswith("p95<50ms: missed, it was 100.")


def test_errors_are_all_images_due_that_did_not_end_ok() -> None:
    bad = [
        make_record(100 + n, outcome)
        for n, outcome in enumerate(
            [Outcome.FAILED, Outcome.WRONG, Outcome.REFUSED, Outcome.TIMED_OUT, Outcome.NOT_SENT]
        )
    ]
    told = check("error<4%", *quick(95), *bad)
    assert (told.status, told.told) == (Status.MISSED, 0.05)


def test_what_an_interruption_cut_off_is_no_error() -> None:
    cut = [
        make_record(95, Outcome.ABANDONED),
        make_record(96, Outcome.NOT_SENT, reason="interrupted"),
    ]
    assert check("error==0", *quick(95), *cut, interrupted=True).is_met


def test_the_warm_up_is_left_out_of_objectives() -> None:
    records = [*quick(10, latency_s=9.0), *quick(110)[10:]]
    assert not check("max<1s", *records).is_met
    assert check("max<1s", *records, warm_up_s=10.0).is_met


def test_nothing_measured_shows_nothing() -> None:
    assert check("max<1s", make_record(0, Outcome.FAILED)).status is Status.NOT_SHOWN
    assert check("error<1%", make_record(0), warm_up_s=5.0).status is Status.NOT_SHOWN
