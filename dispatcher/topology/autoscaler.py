"""How many replicas a step needs: a pure decision, the same for processes and for pods.

What is decided on is *backlog seconds*: the jobs that wait or are in work, divided by how many of
them the replicas do in a second. What one job costs is measured by the service demand law
(P. J. Denning, J. P. Buzen, "The Operational Analysis of Queueing Network Models", ACM Computing
Surveys 10(3), 1978): the time that replicas were busy, by the jobs that were done meanwhile. So
it is right for batches, for tiles, for steps that run side by side with a slower one, and at any
load. The same cost says how many replicas the jobs that arrive keep busy.

How the number follows is after Kubernetes' HorizontalPodAutoscaler (``stabilizationWindowSeconds``,
``behavior`` and tolerance): up at once, but in bounded steps; down only when for a while nothing
has asked for more. Between the two lies a band in which nothing happens. Replicas that were asked
for and are not ready yet count as if they were, and the backlog that grows while they start asks
for no more of them.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from dispatcher.pipelines.replica_range import ReplicaRange

_FEW: Final = 4
"""Jobs with which a cost can be measured at all."""


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """The numbers of the decision."""

    target_s: float = 2.0
    """Backlog that may be."""
    target_jobs: float = 3.0
    """Jobs of each replica that may be its backlog, where they take longer than that."""
    tolerance: float = 0.1
    """Part by which the backlog, and by which of a replica a number of them, may be passed."""
    utilization: float = 0.8
    """Part of the time that replicas shall be busy with what arrives, when there are to be more."""
    calm_utilization: float = 0.65
    """The same when there are to be fewer: these two apart, nothing goes to and fro."""
    rate_window_s: float = 10.0
    """Over which arrivals are counted at least."""
    max_rate_window_s: float = 40.0
    """The same at most."""
    enough_jobs: int = 20
    """Jobs that the window is made longer for."""
    calm_jobs: int = 60
    """The same when there may be too many replicas: chance must not look like less load."""
    memory_s: float = 60.0
    """How long is looked back for jobs that tell their cost."""
    stabilization_s: float = 35.0
    """How long nothing must have asked for more before replicas are taken away."""
    growth_window_s: float = 15.0
    """In which replicas at most double, or become four more if that is more."""
    growth_count: int = 4
    usual_start_s: float = 10.0
    """How long a replica takes to be ready, until that was seen."""
    max_start_s: float = 120.0
    """After so long it is not waited for any more."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What there is of one step at a moment."""

    at_s: float
    """Monotonic seconds."""
    pending: int
    """Jobs that wait or are in work, of all pipelines that have the step."""
    ended: int
    """Jobs of them that were ever worked on to the end."""
    turned_away: int
    """Jobs of them that were ever refused because too much waited."""
    busy_s: float
    """How long the step's replicas have ever had work on hand, all of them together."""
    ready: int
    """Replicas that take work."""
    desired: int
    """Replicas that there shall be."""
    bounds: ReplicaRange


@dataclass(frozen=True, slots=True)
class Wish:
    """How many replicas were needed at a moment."""

    at_s: float
    replicas: int


_Dated = TypeVar("_Dated", Observation, Wish)


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of one step from one decision to the next."""

    samples: tuple[Observation, ...] = ()
    """Oldest first."""
    wishes: tuple[Wish, ...] = ()
    job_s: float | None = None
    """What a job cost when it was measured last: seconds of one replica."""
    start_s: float | None = None
    """How long it took the last time until more replicas were ready."""
    raised_at_s: float | None = None
    """Since when more replicas are wanted than are ready."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas there shall be."""

    replicas: int
    backlog_s: float | None
    """How long the ready replicas have to work on what is there; None when that is not known."""
    history: History


def decide(now: Observation, history: History, policy: ScalingPolicy) -> Decision:
    """Return how many replicas a step shall have from now on.

    Args:
        now: what there is.
        history: what the last decision about the step left; an empty one at first.
        policy: the numbers.
    """
    history = _remembered(now, history, policy)
    desired = now.bounds.clamp(now.desired)
    if history.job_s is None:
        return Decision(desired, None if now.pending else 0.0, history)
    need = _need(replace(now, desired=desired), history, history.job_s, policy)
    recent = _since(now.at_s - policy.stabilization_s, history.wishes)
    history = replace(history, wishes=(*recent, Wish(now.at_s, need.replicas)))
    if need.is_behind:
        replicas = max(desired, min(need.replicas, _growth_limit(now, history, policy)))
    elif history.raised_at_s is not None:
        replicas = desired
    else:
        replicas = min(desired, max(wish.replicas for wish in history.wishes))
    return Decision(now.bounds.clamp(replicas), need.work_s / max(1, now.ready), history)


def _remembered(now: Observation, history: History, policy: ScalingPolicy) -> History:
    """Return the history with what is seen now."""
    last = history.samples[-1] if history.samples else now
    if now.ended < last.ended or now.busy_s < last.busy_s:
        history, last = History(start_s=history.start_s), now  # it was made anew
    samples = (
        *(s for s in history.samples if s.at_s >= now.at_s - policy.memory_s),
        now,
    )
    history = replace(
        history, samples=samples, job_s=_measured_job_s(samples, policy) or history.job_s
    )
    if now.desired > last.desired:
        return replace(history, raised_at_s=now.at_s)
    if history.raised_at_s is None:
        return history
    waited_s = now.at_s - history.raised_at_s
    if now.ready >= now.desired:
        return replace(history, start_s=waited_s, raised_at_s=None)
    return replace(history, raised_at_s=None) if waited_s > policy.max_start_s else history


def _measured_job_s(samples: tuple[Observation, ...], policy: ScalingPolicy) -> float | None:
    """Return what a job costs lately, or over all that is remembered when few have ended."""
    last, first = samples[-1], samples[0]
    for earlier in reversed(samples):
        is_long = last.at_s - earlier.at_s >= policy.rate_window_s
        # Jobs that are in work have cost something and are not counted yet: one a replica.
        if is_long and last.ended - earlier.ended >= max(_FEW, 2 * last.ready):
            first = earlier
            break
    ended = last.ended - first.ended
    if ended < max(1, last.ready):
        return None
    return (last.busy_s - first.busy_s) / ended or None


@dataclass(frozen=True, slots=True)
class _Need:
    """What has to be done."""

    work_s: float
    """Seconds of one replica that are left to do."""
    replicas: int
    """With which there would be no more backlog than may be."""
    is_behind: bool
    """Whether there is more to do than may be, so that none is taken away."""


def _need(now: Observation, history: History, job_s: float, policy: ScalingPolicy) -> _Need:
    work_s = now.pending * job_s
    target_s = max(policy.target_s, policy.target_jobs * job_s)
    lately = _arrivals(history.samples, policy, jobs=policy.enough_jobs)
    offered = lately.per_second * job_s
    needed = offered / policy.utilization
    is_behind = work_s > now.desired * target_s * (1 + policy.tolerance)
    is_behind |= lately.turned_away > 0 and needed > now.desired
    if is_behind:
        start_s = _start_s(now, history, policy)
        left_s = work_s - _done_meanwhile_s(start_s, history, offered=offered)
        needed = max(needed, offered + left_s / max(target_s, start_s))
    else:
        calm = _arrivals(history.samples, policy, jobs=policy.calm_jobs).per_second * job_s
        needed = max(calm / policy.calm_utilization, calm + work_s / policy.rate_window_s)
    return _Need(work_s, math.ceil(needed - policy.tolerance), is_behind)


def _start_s(now: Observation, history: History, policy: ScalingPolicy) -> float:
    """Return how long a replica takes to be ready, at least as long as those that start now."""
    usual_s = policy.usual_start_s if history.start_s is None else history.start_s
    waited_s = 0.0 if history.raised_at_s is None else now.at_s - history.raised_at_s
    return max(usual_s, waited_s)


def _done_meanwhile_s(start_s: float, history: History, *, offered: float) -> float:
    """Return how much of the work will be gone when replicas that are asked for now are ready.

    At each moment until then as many work as there should have been so long before; it becomes
    more while these cannot even do what arrives.
    """
    now_s = history.samples[-1].at_s
    asked = [sample.desired for sample in _since(now_s - start_s, history.samples)]
    return (sum(asked) / len(asked) - offered) * start_s


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """What came over a while."""

    per_second: float
    turned_away: int


def _arrivals(samples: tuple[Observation, ...], policy: ScalingPolicy, *, jobs: int) -> _Arrivals:
    """Return what came lately: over a longer while when fewer than so many jobs came."""
    last = samples[-1]
    found = _Arrivals(0.0, 0)
    for first in reversed(samples[:-1]):
        span_s = last.at_s - first.at_s
        if span_s > policy.max_rate_window_s:
            break
        turned_away = last.turned_away - first.turned_away
        arrived = max(0, last.ended + last.pending - first.ended - first.pending + turned_away)
        found = _Arrivals(arrived / span_s, turned_away)
        if span_s >= policy.rate_window_s and arrived >= jobs:
            break
    return found


def _growth_limit(now: Observation, history: History, policy: ScalingPolicy) -> int:
    recent = _since(now.at_s - policy.growth_window_s, history.samples)
    fewest = min(sample.desired for sample in recent)
    return fewest + max(fewest, policy.growth_count)


def _since(start_s: float, entries: tuple[_Dated, ...]) -> tuple[_Dated, ...]:
    return tuple(entry for entry in entries if entry.at_s >= start_s)
