import asyncio
from typing import Any

import pytest

from load_tester.engine.conversions import ConversionLoop, Work, read_timing
from load_tester.engine.recorder import Recorder
from load_tester.images import Upload
from load_tester.record import Outcome
from load_tester.targets.base import Answer, Ticket

UPLOAD = Upload(file="drum.jpg", body=b"x", headers={})


class Converter:
    """An endpoint that answers at once, with the timing of its number of threads."""

    def __init__(self, threads: int, log: list[int], *, block: asyncio.Event | None = None) -> None:
        self.name = "here"
        self._threads = threads
        self._log = log
        self._block = block

    async def send(self, upload: Upload) -> Ticket | Answer:
        self._log.append(self._threads)
        if self._block is not None and len(self._log) > 4:
            self._block.set()
            await asyncio.Event().wait()
        return answer_with([timing(self._threads, len(self._log))])

    async def await_answer(self, ticket: Ticket, upload: Upload) -> Answer:
        raise AssertionError(ticket)

    async def check(self, answer: Answer, upload: Upload) -> None:
        pass


def timing(threads: int, kernel_s: float = 1.0) -> dict[str, Any]:
    return {"threads": threads, "kernel_s": kernel_s, "total_s": kernel_s + 1}


def answer_with(timings: object, **changes: Any) -> Answer:
    return Answer(seen_s=0, polls=0, document={"result": {"timings": timings}}, **changes)


def loop_of(log: list[int], recorder: Recorder, **changes: Any) -> ConversionLoop:
    works = {n: Work(Converter(n, log, **changes), UPLOAD) for n in (1, 2, 4)}
    return ConversionLoop(works, repeats=3, recorder=recorder, timeout_s=10)


async def test_rounds_change_their_direction_and_the_first_is_not_counted() -> None:
    log: list[int] = []
    recorder = Recorder()
    loop = loop_of(log, recorder)
    assert await loop.run(asyncio.Event()) is False
    assert log == [1, 2, 4, *(1, 2, 4), *(4, 2, 1), *(1, 2, 4)]
    assert [conversion.threads for conversion in loop.conversions] == log[3:]
    # Each conversion tells its own time: the fourth was the first that counts.
    assert [conversion.kernel_s for conversion in loop.conversions] == list(range(4, 13))
    assert loop.total == len(recorder.records) == recorder.ended[Outcome.OK] == 9


async def test_what_was_measured_before_an_interruption_is_kept() -> None:
    log: list[int] = []
    stop = asyncio.Event()
    recorder = Recorder()
    loop = loop_of(log, recorder, block=stop)
    assert await loop.run(stop) is True
    assert [conversion.threads for conversion in loop.conversions] == [1]
    assert recorder.ended[Outcome.ABANDONED] == 1


@pytest.mark.parametrize(
    "timings",
    [
        None,
        "fast",
        [],
        [None, 3],
        [timing(1)],
        [{"threads": 2}],
        [timing(2) | {"kernel_s": "1"}],
        [timing(2) | {"kernel_s": True}],
        [timing(2) | {"kernel_s": 0}],
        [timing(2) | {"total_s": float("inf")}],
        [timing(2) | {"total_s": float("nan")}],
        [timing(2) | {"total_s": -1.0}],
        [timing(2) | {"total_s": 10**400}],
    ],
)
def test_an_answer_without_the_times_of_these_threads_tells_nothing(timings: object) -> None:
    assert read_timing(answer_with(timings), threads=2) is None


def test_the_time_of_the_asked_number_of_threads_is_taken() -> None:
    found = read_timing(answer_with([timing(1), timing(2, 7.0)]), threads=2)
    assert found is not None
    assert (found.threads, found.kernel_s, found.total_s) == (2, 7.0, 8.0)


@pytest.mark.parametrize("flag", ["from_cache", "coalesced"])
def test_a_conversion_is_counted_once_however_often_it_is_answered(flag: str) -> None:
    assert read_timing(answer_with([timing(2)], **{flag: True}), threads=2) is None
    assert read_timing(Answer(seen_s=0, polls=0), threads=2) is None
