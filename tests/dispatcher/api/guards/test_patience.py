"""How long a connection is waited for, in made-up time."""

import pytest

from dispatcher.api.guards.patience import Limits, Phase, Progress, Verdict, judge

LIMITS = Limits()
SLOW = 0.999 * LIMITS.least_bytes_per_s
FAST_ENOUGH = 1.001 * LIMITS.least_bytes_per_s


def look(
    progress: Progress,
    now: float,
    *,
    is_answering: bool = False,
    is_read: bool = True,
    unsent_bytes: int = 0,
) -> Verdict:
    return judge(
        progress,
        now,
        LIMITS,
        is_answering=is_answering,
        is_read=is_read,
        unsent_bytes=unsent_bytes,
    )


def in_phase(phase: Phase) -> Progress:
    progress = Progress(since=0.0)
    progress.note(phase, 0.0, requests=0, body_bytes=0)
    return progress


def verdict_after(progress: Progress, seconds: float, *, bytes_per_s: float) -> Verdict:
    """What is decided at last of a body that comes at this rate, looked at every second."""
    for second in range(1, int(seconds) + 1):
        progress.note(Phase.BODY, float(second), requests=0, body_bytes=int(second * bytes_per_s))
        verdict = look(progress, float(second))
        if verdict is not Verdict.KEEP:
            return verdict
    return Verdict.KEEP


def test_a_client_that_says_nothing_at_all_is_closed_after_the_header_time() -> None:
    progress = Progress(since=0.0)
    assert look(progress, 15.0) is Verdict.KEEP
    assert look(progress, 15.1) is Verdict.CLOSE


def test_a_client_that_has_asked_before_may_pause_for_longer() -> None:
    progress = in_phase(Phase.BODY)
    progress.note(Phase.IDLE, 0.0, requests=1, body_bytes=0)
    assert look(progress, 75.0) is Verdict.KEEP
    assert look(progress, 75.1) is Verdict.CLOSE


def test_a_client_that_waits_for_its_answer_is_not_idle() -> None:
    assert look(Progress(since=0.0), 1000.0, is_answering=True) is Verdict.KEEP


@pytest.mark.parametrize("is_answering", [False, True])
def test_a_head_has_its_time_and_no_more(is_answering: bool) -> None:
    progress = in_phase(Phase.HEAD)
    assert look(progress, 15.0, is_answering=is_answering) is Verdict.KEEP
    assert look(progress, 15.1, is_answering=is_answering) is Verdict.TIME_OUT


def test_a_body_slower_than_the_least_rate_is_given_up_after_one_window() -> None:
    progress = in_phase(Phase.BODY)
    assert verdict_after(progress, 9, bytes_per_s=SLOW) is Verdict.KEEP
    assert verdict_after(progress, 10, bytes_per_s=SLOW) is Verdict.TIME_OUT


def test_a_body_that_begins_fast_and_then_trickles_is_given_up_as_well() -> None:
    progress = in_phase(Phase.BODY)
    assert verdict_after(progress, 10, bytes_per_s=1_000_000) is Verdict.KEEP
    progress.body_bytes += 1
    assert look(progress, 20.0) is Verdict.TIME_OUT


def test_a_body_just_above_the_least_rate_has_its_sixty_seconds() -> None:
    assert verdict_after(in_phase(Phase.BODY), 60, bytes_per_s=FAST_ENOUGH) is Verdict.KEEP
    assert verdict_after(in_phase(Phase.BODY), 62, bytes_per_s=FAST_ENOUGH) is Verdict.TIME_OUT


def test_twenty_mebibytes_over_a_slow_line_arrive() -> None:
    seconds = 320
    rate = 20 * 1024 * 1024 / seconds
    assert verdict_after(in_phase(Phase.BODY), seconds, bytes_per_s=rate) is Verdict.KEEP


def test_silence_is_ours_while_we_do_not_read() -> None:
    progress = in_phase(Phase.BODY)
    assert look(progress, 59.0, is_read=False) is Verdict.KEEP
    assert look(progress, 60.0) is Verdict.KEEP, "the rate is measured from the last look on"


def test_an_answer_that_is_not_taken_is_broken_off() -> None:
    progress = Progress(since=0.0)
    assert look(progress, 1.0, is_answering=True, unsent_bytes=500) is Verdict.KEEP
    assert look(progress, 31.0, is_answering=True, unsent_bytes=500) is Verdict.KEEP
    assert look(progress, 31.1, is_answering=True, unsent_bytes=500) is Verdict.BREAK_OFF


def test_an_answer_that_is_taken_slowly_is_not() -> None:
    progress = Progress(since=0.0)
    for second in range(200):
        unsent = 200_000 - 1000 * second
        verdict = look(progress, float(second), is_answering=True, unsent_bytes=unsent)
        assert verdict is Verdict.KEEP


def test_the_time_of_an_answer_begins_when_there_is_one() -> None:
    progress = Progress(since=0.0)
    look(progress, 1.0, is_answering=True)
    assert look(progress, 50.0, is_answering=True, unsent_bytes=9) is Verdict.KEEP
    assert look(progress, 80.0, is_answering=True, unsent_bytes=9) is Verdict.KEEP
    assert look(progress, 80.1, is_answering=True, unsent_bytes=9) is Verdict.BREAK_OFF


def test_a_client_is_idle_from_its_last_request_on_however_short_that_was() -> None:
    progress = Progress(since=0.0)
    progress.note(Phase.IDLE, 70.0, requests=1, body_bytes=0)
    progress.note(Phase.IDLE, 140.0, requests=2, body_bytes=0)
    assert look(progress, 200.0) is Verdict.KEEP
    assert look(progress, 215.1) is Verdict.CLOSE


def test_a_client_is_idle_from_its_last_answer_on() -> None:
    progress = Progress(since=0.0)
    progress.note(Phase.IDLE, 0.0, requests=1, body_bytes=0)
    assert look(progress, 60.0, is_answering=True) is Verdict.KEEP
    assert look(progress, 134.0) is Verdict.KEEP
