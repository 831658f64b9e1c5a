"""Identical work in flight is done once and answers all who asked."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
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
    """The leader as its work ended; None while it has not."""
    joining: int = 0
    """How many are about to follow, and count as if they did."""
    has_leader: bool = True
    """Whether the leader itself waits for the outcome; one that has ended early does not."""
    owes_hold: bool = False
    """Whether the leader has left its hold on the image to the flight."""
    is_void: bool = False
    """Whether the outcome's pictures are still held, though not by the leader."""

    @property
    def is_wanted(self) -> bool:
        """Say whether anybody waits for the outcome."""
        return self.has_leader or self.joining > 0 or bool(self.followers)

    @contextmanager
    def being_joined(self) -> Iterator[None]:
        """Count one more who is about to follow, for the length of the block."""
        self.joining += 1
        try:
            yield
        finally:
            self.joining -= 1


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

    def led_by(self, job_id: str) -> Flight | None:
        """Return the flight that a job leads."""
        return self._by_leader.get(job_id)

    def leaders(self) -> list[str]:
        """Return the ids of the jobs that lead a flight."""
        return list(self._by_leader)

    def followed(self) -> list[str]:
        """Return those of them that others follow, or are about to."""
        return [
            leader_id
            for leader_id, flight in self._by_leader.items()
            if flight.followers or flight.joining
        ]

    def followers(self) -> list[Job]:
        """Return the jobs that follow another."""
        return [job for flight in self._by_leader.values() for job in flight.followers]

    def take_off(self, leader: Job) -> Flight:
        """Register a job as the one that does its work; it may have ended, if others follow it."""
        flight = Flight(leader.work_key, leader, has_leader=not leader.state.is_terminal)
        # A refusal that nobody follows is no unhandled error.
        flight.accepted.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._by_key[flight.key] = self._by_leader[leader.id] = flight
        return flight

    def leave(self, follower: Job) -> Flight | None:
        """Have a job follow no longer; return the flight it has left, None when it was in none."""
        flight = self._by_key.get(follower.work_key)
        for number, other in enumerate(flight.followers if flight else ()):
            if flight and other.id == follower.id:
                del flight.followers[number]
                return flight
        return None

    def hand_over(self, flight: Flight, follower: Job) -> bool:
        """Have a follower lead in the place of a leader that has ended; False when it has left."""
        if all(other.id != follower.id for other in flight.followers):
            return False
        flight.followers = [other for other in flight.followers if other.id != follower.id]
        del self._by_leader[flight.leader.id]
        flight.leader, flight.has_leader = follower, True
        self._by_leader[follower.id] = flight
        return True

    def claim(self, leader_id: str) -> bool:
        """Say whether others wait for the work of a job that has ended itself.

        If not, nobody can follow it any more.
        """
        flight = self._by_leader.get(leader_id)
        if flight is not None and flight.is_wanted:
            return True
        self.land(leader_id, outcome=None)
        return False

    def land(self, leader_id: str, *, outcome: Job | None) -> list[Job]:
        """End the flight of a job and return those that waited for it.

        Args:
            leader_id: the job that did the work.
            outcome: that job as its work ended; None when there is no outcome.
        """
        flight = self._by_leader.pop(leader_id, None)
        if flight is None:
            return []
        flight.outcome = outcome
        if self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]
        return flight.followers
