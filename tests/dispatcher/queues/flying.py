"""Two dispatchers that accept, cancel and do the same few works, one random move after the other.

Every call on the backlog is one step there, so whatever order the moves of several processes come
in is an order in which they could have come at the same time.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dispatcher.jobs import Job
from dispatcher.queues.backlog import Backlog
from dispatcher.queues.places import Held, Standing, Taking
from tests.dispatcher.queues.backlogs import LEASE_S
from tests.dispatcher.records import make_job

WORKS = ("a", "b")


@dataclass
class Traffic:
    """What has happened to each job, as those know who were told."""

    backlogs: Sequence[Backlog]
    rng: random.Random
    jobs: dict[str, Job] = field(default_factory=dict)
    arriving: set[str] = field(default_factory=set)
    """Linked to a job that was not confirmed when they asked."""
    publishing: set[str] = field(default_factory=set)
    """Told to lead, or to take a place; not confirmed yet."""
    on_their_way: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    """In the broker."""
    running: dict[str, str] = field(default_factory=dict)
    """Job in work, and who has it."""
    accepted: set[str] = field(default_factory=set)
    """Have their 202, and have not ended."""
    ends: Counter[str] = field(default_factory=Counter)
    """How often each accepted job was ended: by its own work, its leader's, or its client."""
    leading: dict[str, set[str]] = field(default_factory=lambda: {work: set() for work in WORKS})
    """Of each work those that were told to lead, until they land."""

    async def move(self) -> None:
        """Make one random move."""
        moves = [self.submit, self.ask_again, self.confirm, self.refuse, self.take]
        moves += [self.finish, self.finish, self.cancel, self.stop, self.renew]
        await self.rng.choice(moves)()
        for work, leaders in self.leading.items():
            assert len(leaders) <= 1, f"{leaders} lead {work} at the same time"

    async def submit(self) -> None:
        name = str(len(self.jobs))
        self.jobs[name] = make_job(name, work_key=self.rng.choice(WORKS))
        await self._add(name)

    async def ask_again(self) -> None:
        if self.arriving:
            await self._add(self._any(self.arriving))

    async def confirm(self) -> None:
        if self.publishing:
            name = self._any(self.publishing)
            self._arrive(name)
            await self._backlog().confirm([name])
            self.publishing.discard(name)
            self._accept(name)

    async def refuse(self) -> None:
        """Have the publishing, or the wait for another's, fail; the message may be there or not."""
        candidates = (self.publishing | self.arriving) - self.accepted
        if not candidates:
            return
        name = self._any(candidates)
        await self._backlog().ground([name])
        self.publishing.discard(name)
        self.arriving.discard(name)
        if name not in self.running:
            self._land(name)

    async def take(self) -> None:
        if not self.messages:
            return
        name = self.messages.pop(self.rng.randrange(len(self.messages)))
        owner = self.rng.choice(["one", "two"])
        taken = await self._backlog().reserve(self.jobs[name], owner=owner, lease_s=LEASE_S)
        if taken.outcome is Taking.BUSY:
            self.messages.append(name)
        if taken.outcome is not Taking.BEGUN:
            return
        if name not in self.accepted | self.publishing:  # its record is gone, or says so
            await self._let_go(name, owner)
            return
        self.running[name] = owner

    async def finish(self) -> None:
        """Answer a job and all that are linked to it."""
        if not self.running:
            return
        name = self._any(self.running)
        linked = await self._backlog().unlink(name)
        self._land(name)
        for other in linked:
            self.arriving.discard(other)
            self._end(other)
        self._end(name)
        await self._let_go(name, self.running.pop(name))

    async def cancel(self) -> None:
        """Have a client end a job, wherever that is."""
        if not self.accepted:
            return
        name = self._any(self.accepted)
        self._end(name)
        withdrawn = await self._backlog().withdraw(name)
        if name not in self.running:
            self._land(name)
        self._publish(withdrawn.successor)

    async def stop(self) -> None:
        """Stop the work on a job that was cancelled."""
        stopped = [name for name in self.running if self.ends[name]]
        if stopped:
            name = self.rng.choice(stopped)
            await self._let_go(name, self.running.pop(name))

    async def renew(self) -> None:
        """Have one dispatcher tell what it has in work."""
        owner = self.rng.choice(["one", "two"])
        mine = [name for name, who in self.running.items() if who == owner]
        await self._renew(mine, owner)

    async def restock(self) -> None:
        """Queue what was accepted and nobody knows."""
        known = await self._backlog().known(self.accepted)
        for name in sorted(self.accepted - known):
            await self._add(name)

    async def drain(self) -> None:
        """Let everything that is under way come to its end."""
        for _ in range(50 * len(self.jobs)):
            if not (self.accepted or self.publishing or self.arriving or self.running):
                return
            await self.rng.choice([self.ask_again, self.confirm, self.take, self.finish])()
            if not (self.publishing or self.arriving or self.running or self.messages):
                await self.restock()
        raise AssertionError(f"these never end: {self.accepted or self}")

    async def _add(self, name: str) -> None:
        (standing,) = (await self._backlog().add([self.jobs[name]])).standings
        self.arriving.discard(name)
        if standing is Standing.UNSETTLED:
            self.arriving.add(name)
        elif standing is Standing.KNOWN:
            self._accept(name)
        else:
            self._publish(self.jobs[name])

    def _publish(self, job: Job | None) -> None:
        if job is None:
            return
        self.arriving.discard(job.id)
        self.publishing.add(job.id)
        self.leading[job.work_key].add(job.id)
        self.on_their_way.add(job.id)
        if self.rng.random() < 0.5:  # it arrives before the broker has said so
            self._arrive(job.id)

    def _arrive(self, name: str) -> None:
        if name in self.on_their_way:
            self.on_their_way.discard(name)
            self.messages.append(name)

    async def _let_go(self, name: str, owner: str) -> None:
        successor = await self._backlog().end(name, owner=owner)
        if self.rng.random() < 0.3:  # that it is in work was on its way
            await self._renew([name], owner)
        self._land(name)
        self._publish(successor)

    async def _renew(self, names: Sequence[str], owner: str) -> None:
        held = [Held(self.jobs[name], is_in_work=True) for name in names]
        assert not await self._backlog().renew(held, owner=owner, lease_s=LEASE_S)

    def _accept(self, name: str) -> None:
        if not self.ends[name]:
            self.accepted.add(name)

    def _end(self, name: str) -> None:
        if name in self.accepted:
            self.accepted.discard(name)
            self.ends[name] += 1

    def _land(self, name: str) -> None:
        self.leading[self.jobs[name].work_key].discard(name)

    def _any(self, names: set[str] | dict[str, str]) -> str:
        return self.rng.choice(sorted(names))

    def _backlog(self) -> Backlog:
        return self.rng.choice(self.backlogs)
