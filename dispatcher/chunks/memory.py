"""Chunks of dispatchers in one process: the reference for the board's promises."""

from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from time import monotonic

from dispatcher.chunks.base import (
    ChunkBoard,
    ChunkOutcome,
    ChunkRequest,
    Hearing,
    Offer,
    folder_of,
    picture_path,
)


class MemoryChunkOffers:
    """A ``ChunkOffers`` for dispatchers of one process."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, deque[ChunkRequest]] = defaultdict(deque)
        self._taken: dict[object, ChunkRequest] = {}
        self._tokens = count()

    async def offer(self, requests: Sequence[ChunkRequest]) -> None:
        """Add chunks."""
        for request in requests:
            self._waiting[request.step].append(request)

    async def take(self, step: str) -> Offer | None:
        """Return the oldest offer of a step."""
        if not self._waiting[step]:
            return None
        offer = Offer(self._waiting[step].popleft(), next(self._tokens))
        self._taken[offer.token] = offer.request
        return offer

    async def settle(self, offer: Offer) -> None:
        """Take an offer off the board."""
        self._taken.pop(offer.token, None)

    async def give_back(self, offer: Offer) -> None:
        """Offer it again, before all others."""
        if self._taken.pop(offer.token, None) is not None:
            self._waiting[offer.request.step].appendleft(offer.request)

    def waiting(self, step: str) -> int:
        """Return how many chunks of a step nobody has taken."""
        return len(self._waiting[step])

    def taken(self) -> int:
        """Return how many chunks are taken and not settled."""
        return len(self._taken)


class MemoryChunkShelf:
    """A ``ChunkShelf`` that ends with the process."""

    def __init__(self) -> None:
        self._outcomes: dict[str, ChunkOutcome] = {}
        self._pictures: dict[str, bytes] = {}

    async def keep(self, path: str, outcome: ChunkOutcome) -> None:
        """Keep the first outcome."""
        self._outcomes.setdefault(path, outcome)

    async def find(self, path: str) -> ChunkOutcome | None:
        """Return an outcome."""
        return self._outcomes.get(path)

    async def has(self, path: str) -> bool:
        """Say whether there is an outcome."""
        return path in self._outcomes

    async def finished(self, job_id: str) -> set[str]:
        """Return the paths of all outcomes of a job."""
        return {path for path in self._outcomes if path.startswith(f"{folder_of(job_id)}/")}

    async def put_picture(self, job_id: str, digest: str, picture: bytes) -> None:
        """Keep a picture."""
        self._pictures[picture_path(job_id, digest)] = picture

    async def get_picture(self, job_id: str, digest: str) -> bytes | None:
        """Return a picture."""
        return self._pictures.get(picture_path(job_id, digest))

    async def remove(self, paths: Collection[str]) -> None:
        """Remove outcomes and pictures."""
        for path in paths:
            self._outcomes.pop(path, None)
            self._pictures.pop(path, None)

    async def tidy(self) -> None:
        """Do nothing: all of it goes with the process."""

    def paths(self) -> set[str]:
        """Return where anything is kept."""
        return {*self._outcomes, *self._pictures}


class MemoryChunkNews:
    """A ``ChunkNews`` that everybody in the process hears at once."""

    def __init__(self) -> None:
        self._hearings: list[Hearing] = []
        self._replicas: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._in_work: dict[str, float] = {}

    def listen(self, hear: Hearing) -> None:
        """Have news handed over."""
        self._hearings.append(hear)

    async def call(self, step: str) -> None:
        """Tell that chunks of a step wait."""
        for hear in self._hearings:
            hear.on_wanted(step)

    async def tell_kept(self, path: str) -> None:
        """Tell that an outcome is on the shelf."""
        for hear in self._hearings:
            hear.on_kept(path)

    async def dismiss(self, job_id: str) -> None:
        """Tell that nobody wants the chunks of a job."""
        for hear in self._hearings:
            hear.on_unwanted(job_id)

    async def beat(
        self, ready: Mapping[str, Collection[str]], in_work: Collection[str], *, for_s: float
    ) -> None:
        """Believe it for so long."""
        until = monotonic() + for_s
        for step, names in ready.items():
            self._replicas[step].update(dict.fromkeys(names, until))
        self._in_work.update(dict.fromkeys(in_work, until))

    async def replicas(self, step: str) -> set[str]:
        """Return the replicas that are believed in."""
        return {name for name, until in self._replicas[step].items() if until > monotonic()}

    async def in_work(self, paths: Sequence[str]) -> set[str]:
        """Return the chunks that are believed to be computed."""
        return {path for path in paths if self._in_work.get(path, 0.0) > monotonic()}


def memory_board() -> ChunkBoard:
    """Return a board for dispatchers of one process."""
    return ChunkBoard(MemoryChunkOffers(), MemoryChunkShelf(), MemoryChunkNews())
