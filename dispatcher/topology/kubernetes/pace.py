"""How often a cluster is asked, and how long to wait after a failure: pure figures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds."""

    relist_s: float = 50.0
    """At the latest; so a watch that died silently costs less than a minute."""
    first_retry_s: float = 0.25
    last_retry_s: float = 3.0
    """Retries come ever later, up to this: a change is to act within five seconds, and a retry
    lists everything first."""
    longest_wait_s: float = 60.0
    """However long the API server asks to wait."""
    settled_s: float = 10.0
    """A watch that held for so long forgives the failures before it."""
    complain_s: float = 60.0
    """A failure that lasts is said again after this."""

    def retry_s(self, failures: int, *, asked_s: float | None, chance: float) -> float:
        """Return how long to wait after the n-th failure in a row.

        Args:
            failures: how many, this one included.
            asked_s: what the API server asked for, if it did.
            chance: from 0 to 1; spreads those that failed together.
        """
        if asked_s is not None:
            return min(self.longest_wait_s, asked_s) * (1 + chance / 5)
        ceiling_s = min(self.last_retry_s, self.first_retry_s * 2.0 ** min(failures - 1, 30))
        return ceiling_s * (1 + chance) / 2
