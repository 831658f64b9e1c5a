"""What besides the service differs between two runs that are compared. Pure."""

from load_tester.figures.verdict import Level, judge
from load_tester.run import Asked, Run

_ASKED = {
    "mode": "the modes differ",
    "plan_digest": "the plans differ: the runs were not asked for the same moments",
    "objectives": "the objectives differ",
    "warm_up_s": "the warm-ups differ",
    "max_workers": "--max-workers differs",
    "timeout_s": "the timeouts differ",
    "seed": "the seeds differ: the images came in another order",
}


def find_differences(first: Run, second: Run) -> tuple[str, ...]:
    """Return one sentence for everything that makes two runs hard to compare."""
    found = [sentence for name, sentence in _ASKED.items() if _differ(first, second, name)]
    if dict(first.pictures) != dict(second.pictures):
        found.append("the images differ")
    for name, run in (("first", first), ("second", second)):
        verdict = judge(run)
        if verdict.level is not Level.VALID:
            found.append(f"the {name} run is {verdict.level}: {verdict.reasons[0].sentence}")
        if run.interrupted:
            found.append(f"the {name} run was interrupted")
    return tuple(found)


def _differ(first: Run, second: Run, name: str) -> bool:
    assert name in Asked.__dataclass_fields__
    return bool(getattr(first.asked, name) != getattr(second.asked, name))
