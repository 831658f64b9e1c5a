"""One picture, converted again and again with different numbers of threads, one at a time."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from load_tester.engine.carrying import Carrier
from load_tester.engine.recorder import Flight, Recorder
from load_tester.engine.stopping import run_until
from load_tester.figures.scaling import Conversion
from load_tester.images import Upload
from load_tester.pacing import now_s
from load_tester.record import Outcome
from load_tester.targets.answers import read_number
from load_tester.targets.base import Answer, Endpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """One picture to convert with one number of threads, and who is asked for it."""

    endpoint: Endpoint
    upload: Upload


class ConversionLoop:
    """Asks a service to convert with each number of threads in turn, `repeats` times.

    A first round is not counted: it fills caches and starts threads. The direction changes from
    round to round, so that a machine that gets slower favours no number of threads.
    """

    def __init__(
        self,
        works: Mapping[int, Work],
        *,
        repeats: int,
        recorder: Recorder,
        timeout_s: float,
    ) -> None:
        self.conversions: list[Conversion] = []
        """What was measured so far."""
        self._works = works
        self._repeats = repeats
        self._recorder = recorder
        self._timeout_s = timeout_s

    @property
    def total(self) -> int:
        """How many conversions are asked for and counted."""
        return len(self._works) * self._repeats

    async def run(self, stop: asyncio.Event) -> bool:
        """Convert everything; return whether `stop` cut it short."""
        return await run_until(stop, self._convert_all())

    async def _convert_all(self) -> None:
        warm_up = Recorder()
        warm_up.start_s = now_s()
        for number, threads in enumerate(self._works):
            await self._convert(number, threads, recorder=warm_up)
        self._recorder.start_s = now_s()
        for number, threads in enumerate(self._turns()):
            answer = await self._convert(number, threads, recorder=self._recorder)
            found = None if answer is None else read_timing(answer, threads=threads)
            if found is not None:
                self.conversions.append(found)

    def _turns(self) -> Iterator[int]:
        counts = ", ".join(map(str, self._works))
        for number in range(self._repeats):
            log.info(
                "Round %d of %d: converting with %s threads", number + 1, self._repeats, counts
            )
            yield from reversed(self._works) if number % 2 else self._works

    async def _convert(self, number: int, threads: int, *, recorder: Recorder) -> Answer | None:
        """Convert once; return the answer of an image that ended ok."""
        work = self._works[threads]
        at_s = now_s() - recorder.start_s
        flight = Flight(index=number, second=1, at_s=at_s, file=work.upload.file)
        carrier = Carrier(recorder, max_workers=None, timeout_s=self._timeout_s)
        outcome = await carrier.carry(flight, work.upload, work.endpoint)
        return flight.answer if outcome is Outcome.OK else None


def read_timing(answer: Answer, *, threads: int) -> Conversion | None:
    """Return what a grayscale step tells of one number of threads, None where it tells nothing.

    It tells `{"threads", "kernel_s", "total_s"}` for each number in `result.timings`. An answer
    from a cache tells of the conversion that it was made by, which has been counted.
    """
    document = answer.document
    if document is None or answer.from_cache or answer.coalesced:
        return None
    result = document.get("result")
    timings = result.get("timings") if isinstance(result, dict) else None
    for timing in timings if isinstance(timings, list) else []:
        if isinstance(timing, dict) and timing.get("threads") == threads:
            kernel_s, total_s = (_read_duration(timing, key) for key in ("kernel_s", "total_s"))
            if kernel_s is not None and total_s is not None:
                return Conversion(threads=threads, kernel_s=kernel_s, total_s=total_s)
    return None


def _read_duration(timing: Mapping[str, Any], key: str) -> float | None:
    value = read_number(timing.get(key))
    return value if value is not None and value > 0 else None
