"""When a replica is ejected, and when it comes back: pure decisions.

After Envoy's outlier detection: consecutive failures eject, each ejection lasts longer than the
one before, a probe readmits, and the last ready replica is never ejected for bad answers,
because one that may be bad is better than none. One that comes back is on trial: it gets one
item at a time until it has answered one well, and a single failure ejects it again.
"""

from dataclasses import dataclass
from enum import Enum, auto

from dispatcher.pools.replica import Replica, ReplicaState


class FailureKind(Enum):
    """What was seen of a replica that failed."""

    GONE = auto()  # the connection broke, was refused, or probes stay unanswered
    SILENT = auto()  # it took a request and did not answer in time
    LATE = auto()  # it did not answer in the shorter time that a first attempt has
    WRONG = auto()  # it answered with an error or with garbage


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """The numbers of the decisions below."""

    probe_interval_s: float = 1.0
    starting_probe_interval_s: float = 0.2
    probe_timeout_s: float = 1.0
    failures_to_eject: int = 3
    probes_to_eject: int = 3
    base_ejection_s: float = 5.0
    """The first ejection, and the least time between two readmissions of one replica."""
    max_ejection_s: float = 60.0
    panic_share: float = 0.5
    """When fewer than this part of a pool are ready, none stays out longer than the first time:
    then the fault is more likely one that they share, and may pass for all at once."""
    first_attempt_timeout_s: float = 2.0
    """For items that are tried for the first time: others may be faster, and there is time for
    another attempt. So no job fails because a machine was busy for some seconds."""
    min_attempt_timeout_s: float = 10.0
    max_attempt_timeout_s: float = 60.0
    attempt_timeout_factor: float = 8.0
    attempt_s_per_byte: float = 2e-6
    """Time that each byte of pixels may take beside that: six times the slowest operation's."""


def attempt_timeout_s(
    replica: Replica,
    policy: HealthPolicy,
    *,
    work: int,
    weight_bytes: int = 0,
    is_first: bool = False,
) -> float:
    """Return how long an answer may take: a multiple of what this replica usually needs.

    A process that is dead or stopped is noticed by its connection and by probes, much sooner; this
    is for a step that hangs while the process lives, and has time for pictures far larger than
    the usual.

    Args:
        replica: which has to answer.
        policy: the numbers.
        work: items that it has to compute until then, those of an earlier request included.
        weight_bytes: about how many bytes of pixels these are, where that is known.
        is_first: whether none of them was given up before for taking too long.
    """
    extra_s = weight_bytes * policy.attempt_s_per_byte
    if replica.ewma_item_s is None:
        return policy.max_attempt_timeout_s + extra_s
    usual_s = replica.ewma_item_s * work * policy.attempt_timeout_factor
    least_s = policy.min_attempt_timeout_s
    if is_first:
        least_s = min(policy.first_attempt_timeout_s, least_s)
    return min(max(usual_s, least_s), policy.max_attempt_timeout_s) + extra_s


def should_eject(
    replica: Replica, policy: HealthPolicy, *, failure: FailureKind, ready: int
) -> bool:
    """Say whether a replica that just failed gets no more work for now.

    Args:
        replica: with the failure already recorded.
        policy: the numbers.
        failure: what was seen of it.
        ready: how many replicas of the pool are ready, this one included.
    """
    if failure is FailureKind.GONE:
        return True
    is_tried = replica.is_on_trial or replica.consecutive_failures >= policy.failures_to_eject
    return ready > 1 and (failure is FailureKind.SILENT or is_tried)


def ejection_s(replica: Replica, policy: HealthPolicy, *, failure: FailureKind) -> float:
    """Return how long a replica stays ejected at least.

    One that is gone is back as soon as it answers probes: it was replaced or restarted. If it was
    gone again before it had done any good work, time has to pass. One that is silent or wrong may
    pass every probe meanwhile, so only time helps.
    """
    if failure is not FailureKind.GONE:
        return min(policy.base_ejection_s * 2.0**replica.ejections, policy.max_ejection_s)
    if not replica.is_on_trial:
        return 0.0
    return min(policy.base_ejection_s * 2.0 ** (replica.ejections - 1), policy.max_ejection_s)


def eject(replica: Replica, *, now: float, duration_s: float) -> None:
    """Take a replica out for so long at least."""
    replica.state = ReplicaState.EJECTED
    replica.ejections += 1
    replica.ejected_at = now
    replica.ejected_until = now + duration_s


def may_readmit(
    replica: Replica, policy: HealthPolicy, *, now: float, ready: int, known: int
) -> bool:
    """Say whether a successful probe makes this replica ready.

    Args:
        replica: that answered the probe.
        policy: the numbers.
        now: monotonic seconds.
        ready: how many replicas of its pool are ready.
        known: how many replicas its pool has.
    """
    if replica.state is not ReplicaState.EJECTED:
        return replica.state is ReplicaState.STARTING
    until = replica.ejected_until
    if ready < known * policy.panic_share:
        until = min(until, replica.ejected_at + policy.base_ejection_s)
    # One that comes and goes each second would otherwise take work with it each time.
    return now >= max(until, replica.readmitted_at + policy.base_ejection_s)


def readmit(replica: Replica, *, revision: str, max_batch_size: int, now: float) -> None:
    """Give a replica work again, as what it says that it is."""
    if replica.state is ReplicaState.EJECTED:
        replica.readmitted_at = now
    replica.state = ReplicaState.READY
    replica.revision = revision
    replica.max_batch_size = max_batch_size
    replica.consecutive_failures = 0
    replica.failed_probes = 0
    replica.pace_s = None  # what made it slow may be over, and one item is enough to see
