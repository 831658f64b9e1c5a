import pytest

from dispatcher.jobs import JobError, JobState, Output
from tests.dispatcher.records import RUN, completed, failed, make_job

RESULT = {"predictions": ["koala"]}
PICTURE = Output(digest="a" * 64, media_type="image/png", width=4, height=3, data={})


def test_the_states_are_those_of_the_wire_contract() -> None:
    states = ["queued", "processing", "completed", "failed", "cancelled", "expired"]
    assert [state.value for state in JobState] == states


def test_only_the_first_two_states_are_not_terminal() -> None:
    assert [state for state in JobState if not state.is_terminal] == [
        JobState.QUEUED,
        JobState.PROCESSING,
    ]


def test_a_job_is_queued_when_it_is_made() -> None:
    job = make_job()
    assert job.state is JobState.QUEUED
    assert job.queue_time_s is None
    assert job.processing_time_s is None


def test_a_job_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        make_job().state = JobState.COMPLETED  # type: ignore[misc]


def test_a_started_job_knows_how_long_it_waited() -> None:
    job = make_job(queued_at=100.0).started(102.5)
    assert job.state is JobState.PROCESSING
    assert job.queue_time_s == 2.5
    assert job.processing_time_s is None


def test_a_completed_job_has_its_result_and_its_times() -> None:
    job = (
        make_job(queued_at=100.0)
        .started(102.0)
        .completed(
            102.5, result=RESULT, outputs=(PICTURE,), stages=(RUN,), revision="r1", attempts=2
        )
    )
    assert job.state is JobState.COMPLETED
    assert (job.queue_time_s, job.processing_time_s) == (2.0, 0.5)
    assert (job.result, job.stages, job.revision, job.attempts) == (RESULT, (RUN,), "r1", 2)
    assert job.outputs == (PICTURE,)
    assert job.error is None


def test_a_failed_job_has_its_reason_and_no_result() -> None:
    job = make_job(queued_at=100.0).started(101.0)
    ended = job.failed(103.0, JobError("timeout", "Too slow."), attempts=3)
    assert ended.state is JobState.FAILED
    assert ended.error == JobError("timeout", "Too slow.")
    assert (ended.result, ended.attempts, ended.processing_time_s) == (None, 3, 2.0)


def test_a_job_served_from_the_cache_took_no_time_and_no_attempt() -> None:
    job = make_job(queued_at=100.0).served_from_cache(RESULT, (PICTURE,), "r1")
    assert job.state is JobState.COMPLETED
    assert job.from_cache
    assert (job.queue_time_s, job.processing_time_s, job.attempts) == (0.0, 0.0, 0)
    assert (job.result, job.outputs, job.revision) == (RESULT, (PICTURE,), "r1")


def test_a_follower_ends_like_its_leader_and_stays_itself() -> None:
    leader = completed(
        make_job("leader", queued_at=100.0, filename="a.png"), at=104.0, outputs=(PICTURE,)
    )
    follower = make_job("follower", queued_at=102.0, filename="b.png").settled_like(leader)
    assert (follower.id, follower.filename, follower.queued_at) == ("follower", "b.png", 102.0)
    assert follower.coalesced
    assert not follower.from_cache
    assert follower.state is JobState.COMPLETED
    assert (follower.result, follower.stages, follower.revision) == (RESULT, (RUN,), "r1")
    assert follower.outputs == leader.outputs == (PICTURE,)


def test_a_follower_shares_the_failure_of_its_leader() -> None:
    follower = make_job("follower").settled_like(failed(make_job("leader"), "image_corrupt"))
    assert follower.state is JobState.FAILED
    assert follower.error == JobError("image_corrupt", "It is so.")


@pytest.mark.parametrize("queued_at", [99.0, 102.0, 105.0, 200.0])
def test_the_times_of_a_follower_are_never_negative(queued_at: float) -> None:
    leader = completed(make_job("leader", queued_at=100.0), at=104.0)
    follower = make_job("follower", queued_at=queued_at).settled_like(leader)
    assert follower.queue_time_s is not None
    assert follower.queue_time_s >= 0
    assert follower.processing_time_s is not None
    assert follower.processing_time_s >= 0
