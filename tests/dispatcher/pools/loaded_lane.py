"""A lane to a scripted replica that a test may load as it likes."""

import asyncio
from collections.abc import Sequence

from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import FailureKind, HealthPolicy
from dispatcher.pools.lane import Lane
from dispatcher.pools.parcel import Answer, Parcel
from dispatcher.pools.replica import Replica, ReplicaState
from step_app.contract.frames import BatchItem
from tests.dispatcher.scripted_replica import (
    ScriptedReplica,
)

IMPATIENT = HealthPolicy(min_attempt_timeout_s=0.1, max_attempt_timeout_s=0.1)


class Loaded:
    """A lane to a scripted replica, and what it reports upwards."""

    def __init__(self, lane: Lane, server: ScriptedReplica) -> None:
        self.lane = lane
        self.server = server
        self.failures: list[FailureKind] = []
        self.rooms = 0

    @property
    def replica(self) -> Replica:
        return self.lane.replica

    def add(self, *names: str, weight_bytes: int = 0) -> list["asyncio.Future[Answer]"]:
        """Add parcels in one turn of the event loop; a name in capitals travels alone."""
        parcels = [
            Parcel(
                BatchItem(id=name, filename="a.png", image=name.encode()),
                asyncio.get_running_loop().create_future(),
                weight_bytes=weight_bytes,
                alone=name.isupper(),
            )
            for name in names
        ]
        for parcel in parcels:
            self.lane.add(parcel)
        return [parcel.answer for parcel in parcels]


def load(
    server: ScriptedReplica, *, client: ReplicaClient, policy: HealthPolicy | None = None
) -> Loaded:
    replica = Replica(url=server.url, step="default/0", state=ReplicaState.READY, max_batch_size=4)
    found: Loaded

    def note_room() -> None:
        found.rooms += 1

    lane = Lane(
        replica,
        client=client,
        policy=policy or HealthPolicy(),
        on_room=note_room,
        on_failure=lambda _, kind: found.failures.append(kind),
    )
    found = Loaded(lane, server)
    return found


async def outcomes(
    answers: Sequence["asyncio.Future[Answer]"],
) -> list[Answer | BaseException]:
    async with asyncio.timeout(5):
        return await asyncio.gather(*answers, return_exceptions=True)
