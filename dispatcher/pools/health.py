"""When a replica is ejected, and when it comes back: pure decisions.

After Envoy's outlier detection: consecutive failures eject, each ejection lasts longer than the
one before, a probe readmits, and the last ready replica is never ejected for bad answers,
because one that may be bad is better than none.
"""

from dataclasses import dataclass
from enum import Enum, auto

from dispatcher.pools.replica import Replica, ReplicaState


class FailureKind(Enum):
    """What was seen of a replica that failed."""

    GONE = auto()  # the connection broke, was refused, or probes stay unanswered
    SILENT = auto()  # it took a request and did not answer in time
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
    max_ejection_s: float = 60.0
    min_attempt_timeout_s: float = 10.0
    max_attempt_timeout_s: float = 60.0
    attempt_timeout_factor: float = 8.0
    attempt_s_per_byte: float = 2e-6
    """Time that each byte of pixels may take beside that: six times the slowest operation's."""


def attempt_timeout_s(
    replica: Replica, policy: HealthPolicy, *, work: int, weight_bytes: int = 0
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
    """
    extra_s = weight_bytes * policy.attempt_s_per_byte
    if replica.ewma_item_s is None:
        return policy.max_attempt_timeout_s + extra_s
    usual = replica.ewma_item_s * work * policy.attempt_timeout_factor
    return min(max(usual, policy.min_attempt_timeout_s), policy.max_attempt_timeout_s) + extra_s


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
    is_tried = replica.consecutive_failures >= policy.failures_to_eject
    return ready > 1 and (failure is FailureKind.SILENT or is_tried)


def ejection_s(replica: Replica, policy: HealthPolicy, *, failure: FailureKind) -> float:
    """Return how long a replica stays ejected at least.

    One that is gone is back as soon as it answers probes: it was replaced or restarted. One that
    is silent or wrong may pass every probe meanwhile, so only time helps.
    """
    if failure is FailureKind.GONE:
        return 0.0
    return min(policy.base_ejection_s * 2.0**replica.ejections, policy.max_ejection_s)


def eject(replica: Replica, *, until: float) -> None:
    """Take a replica out."""
    replica.state = ReplicaState.EJECTED
    replica.ejections += 1
    replica.ejected_until = until


def may_readmit(replica: Replica, *, now: float) -> bool:
    """Say whether a successful probe makes this replica ready."""
    return replica.state is ReplicaState.STARTING or (
        replica.state is ReplicaState.EJECTED and now >= replica.ejected_until
    )


def readmit(replica: Replica, *, revision: str, max_batch_size: int) -> None:
    """Give a replica work again, as what it says that it is."""
    replica.state = ReplicaState.READY
    replica.revision = revision
    replica.max_batch_size = max_batch_size
    replica.consecutive_failures = 0
    replica.failed_probes = 0
