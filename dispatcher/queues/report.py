"""What a queue tells an operator: who waits where, for whom, and since when."""

from dataclasses import dataclass

from dispatcher.jobs import Priority


@dataclass(frozen=True, slots=True)
class PriorityReport:
    """Jobs of one lane and one priority."""

    priority: Priority
    waiting: int
    """Jobs that wait; in a shared queue those that no dispatcher has fetched yet."""
    consumers: int | None
    """Dispatchers that fetch them; None where the queue is this process's own."""


@dataclass(frozen=True, slots=True)
class LaneReport:
    """One lane, of all dispatchers together."""

    lane: str
    waiting: int
    """Jobs that wait; in a shared queue also messages of jobs that have ended meanwhile, until a
    dispatcher takes them."""
    in_work: int
    oldest_age_s: float
    """How long the job that came first has waited; 0 when none waits."""
    priorities: tuple[PriorityReport, ...]
    """The most urgent first."""


@dataclass(frozen=True, slots=True)
class QueueReport:
    """A queue at one moment."""

    lanes: tuple[LaneReport, ...]
    """Those in which something waits, is in work or is fetched, by name."""
    dead: int = 0
    """Messages that no dispatcher could read, set aside; where jobs are no messages there are
    none."""

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return sum(lane.waiting for lane in self.lanes)

    @property
    def in_work(self) -> int:
        """Jobs that are leased."""
        return sum(lane.in_work for lane in self.lanes)
