"""Which jobs a list shows. Pure."""

from collections.abc import Collection

from dispatcher.jobs import Job, JobState


def matches(job: Job, *, states: Collection[JobState], text: str) -> bool:
    """Tell whether a job is asked for.

    Args:
        job: to look at.
        states: one of these; any when none is named.
        text: stands in its id, in the name of its file or in its pipeline's, whatever the case.
    """
    if states and job.state not in states:
        return False
    wanted = text.casefold()
    return not wanted or any(
        wanted in name.casefold() for name in (job.id, job.filename, job.pipeline_id)
    )
