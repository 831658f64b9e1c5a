from load_tester.console import render_summary
from load_tester.record import Outcome
from load_tester.summary import summarize
from tests.load_tester.records import make_record


def text_of(count: int, **changes: object) -> str:
    records = [make_record(n, top_label="drum") for n in range(count)]
    asked = {"scheduled": count, "sent": count, "labels": {"drum.jpg": "drum"}}
    return render_summary(summarize(records, interrupted=False, **(asked | changes)))  # type: ignore[arg-type]


def test_a_percentile_with_too_few_samples_is_not_told() -> None:
    few, enough = text_of(89), text_of(90)
    assert few.count("n/a") > enough.count("n/a")
    assert "1250.00       n/a   1250.00   of 90" in enough


def test_the_sums_are_written_out() -> None:
    text = text_of(3)
    assert "scheduled         3 = 3 sent + 0 not sent" in text
    assert (
        "sent              3 = 3 ok + 0 refused + 0 failed + 0 timed out + 0 wrong + 0 abandoned"
        in text
    )
    assert "top-1 accuracy    100.00 % (3 of 3 labelled)" in text


def test_counts_that_differ_are_told_loudly() -> None:
    assert "COUNTS DIFFER     scheduled 4 is not 3 + 0" in text_of(3, scheduled=4)


def test_a_run_without_any_result_is_still_summed_up() -> None:
    failed = make_record(0, Outcome.FAILED, reason="http_500")
    text = render_summary(summarize([failed], scheduled=1, sent=1, labels={}, interrupted=True))
    assert "Load test interrupted" in text
    assert "1 x failed:http_500" in text
    assert "throughput        n/a" in text
    assert "accuracy" not in text
