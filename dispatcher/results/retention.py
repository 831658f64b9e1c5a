"""Which ended jobs have to go: a pure count of ids and times, for a store that has the records."""

from collections import OrderedDict

_SLACK = 1.02
"""Many are dropped in batches, once there are this much more of them than are to be kept."""
_WORTH_BATCHING = 1000


class Retention:
    """Ended jobs in the order of their end; hits apart, or a burst of them would push out others.

    About 200 bytes of memory for each.
    """

    def __init__(self, *, retention_s: float, retention_count: int) -> None:
        self._retention_s = retention_s
        self._count = retention_count
        self._most = int(retention_count * (_SLACK if retention_count >= _WORTH_BATCHING else 1))
        self._ended: dict[bool, OrderedDict[str, float]] = {
            False: OrderedDict(),
            True: OrderedDict(),
        }
        """By whether the cache answered them: id to Unix seconds."""

    def add(self, job_id: str, *, is_hit: bool, ended_at: float) -> None:
        """Take note of a job that has ended, and that nothing else keeps."""
        ended = self._ended[is_hit]
        is_oldest = bool(ended) and ended_at < next(iter(ended.values()))
        ended[job_id] = ended_at
        if is_oldest:  # something kept it for longer
            ended.move_to_end(job_id, last=False)

    def discard(self, job_id: str) -> None:
        """Forget a job that is no longer kept."""
        for ended in self._ended.values():
            ended.pop(job_id, None)

    def has_surplus(self) -> bool:
        """Say whether there are too many."""
        return any(len(ended) > self._most for ended in self._ended.values())

    def is_past(self, moment: float, *, now: float) -> bool:
        """Say whether what ended then is no longer kept."""
        return now - moment > self._retention_s

    def due(self, *, now: float) -> list[str]:
        """Return the ids of those that have to go, the oldest first.

        Args:
            now: Unix seconds.
        """
        found: list[str] = []
        for ended in self._ended.values():
            surplus = len(ended) - self._count
            for job_id, ended_at in ended.items():
                if surplus <= 0 and not self.is_past(ended_at, now=now):
                    break
                found.append(job_id)
                surplus -= 1
        return found

    def __contains__(self, job_id: object) -> bool:
        """Say whether a job has ended and nothing but its retention keeps it."""
        return any(job_id in ended for ended in self._ended.values())

    def __len__(self) -> int:
        return sum(map(len, self._ended.values()))
