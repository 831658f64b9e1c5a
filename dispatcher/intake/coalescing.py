"""Identical work in flight is done once and answers all who asked."""

import asyncio
from dataclasses import dataclass, field

from dispatcher.jobs import Job


@dataclass(slots=True)
class Flight:
    """One job that is computed, and the identical ones that wait for it."""

    key: str
    leader: Job
    followers: list[Job] = field(default_factory=list)
    accepted: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Done when the leader is in the queue; fails with its refusal when it was refused."""
    outcome: Job | None = None
    """The leader as it ended; None while it has not."""


class Coalescing:
    """All flights by key.

    Looking up, joining and taking off happen without an await in between, so that of any
    number of identical requests exactly one leads.
    """

    def __init__(self) -> None:
        self._by_key: dict[str, Flight] = {}
        self._by_leader: dict[str, Flight] = {}

    def find(self, key: str) -> Flight | None:
        """Return the flight that does this work already."""
        return self._by_key.get(key)

    def take_off(self, leader: Job) -> Flight:
        """Register a job as the one that does its work."""
        flight = Flight(key=leader.work_key, leader=leader)
        # A refusal that nobody follows is no unhandled error.
        flight.accepted.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._by_key[flight.key] = self._by_leader[leader.id] = flight
        return flight

    def land(self, leader_id: str, *, outcome: Job | None) -> list[Job]:
        """End the flight of a job and return those that waited for it.

        Args:
            leader_id: the job that did the work.
            outcome: that job as it ended; None when it was never accepted.
        """
        flight = self._by_leader.pop(leader_id, None)
        if flight is None:
            return []
        flight.outcome = outcome
        self._by_key.pop(flight.key, None)
        return flight.followers
