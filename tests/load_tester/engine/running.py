"""Runs the engine against a service and keeps what came of it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from load_tester.engine.closed_loop import ClosedLoop
from load_tester.engine.open_loop import OpenLoop
from load_tester.engine.recorder import Recorder
from load_tester.figures.summary import Counts, count_outcomes
from load_tester.images import find_images, load_uploads, pick_images
from load_tester.plan.arrivals import make_plan
from load_tester.record import ImageRecord, Outcome
from load_tester.settings import TargetSettings
from load_tester.targets.checks import Checks
from load_tester.targets.opening import open_target


@dataclass(frozen=True, kw_only=True)
class Done:
    """What is left of a run; the records are in the order of their numbers."""

    records: tuple[ImageRecord, ...]
    counts: Counts
    interrupted: bool
    recorder: Recorder

    def only(self, outcome: Outcome) -> list[ImageRecord]:
        return [record for record in self.records if record.outcome is outcome]

    @property
    def reasons(self) -> Counter[str]:
        return Counter(f"{record.outcome}:{record.reason}" for record in self.records)


async def replay(
    settings: TargetSettings,
    photos: Path,
    schedule: tuple[int, ...],
    *,
    squeeze: float = 1.0,
    max_workers: int | None = 50,
    timeout_s: float = 60.0,
    seed: int = 0,
    checks: Checks | None = None,
    stop: asyncio.Event | None = None,
) -> Done:
    """Replay a schedule, evenly within each second; squeezed where the moments do not matter."""
    plan = make_plan(schedule, source="test")
    plan = replace(plan, moments_s=[at_s * squeeze for at_s in plan.moments_s])
    picked = pick_images(find_images(photos), count=sum(schedule), seed=seed)
    uploads = load_uploads(picked, multipart=settings.multipart)
    recorder = Recorder()
    async with open_target(settings, checks=checks) as target:
        loop = OpenLoop(
            target,
            plan=plan,
            uploads=uploads,
            recorder=recorder,
            max_workers=max_workers,
            timeout_s=timeout_s,
        )
        interrupted = await loop.run(stop or asyncio.Event())
        return _sum_up(recorder, interrupted, scheduled=sum(schedule), sent=target.uploads)


async def send_closed(
    settings: TargetSettings,
    photos: Path,
    requests: int,
    *,
    concurrency: int = 1,
    delay_s: float = 0.0,
    timeout_s: float = 60.0,
    retries: int = 0,
    stop: asyncio.Event | None = None,
    watch: Callable[[Recorder], None] = lambda _: None,
) -> Done:
    """Send requests by workers."""
    uploads = load_uploads(find_images(photos), multipart=settings.multipart)
    recorder = Recorder()
    watch(recorder)
    async with open_target(settings) as target:
        loop = ClosedLoop(
            target,
            requests=requests,
            concurrency=concurrency,
            uploads=uploads,
            recorder=recorder,
            timeout_s=timeout_s,
            delay_s=delay_s,
            retries=retries,
        )
        interrupted = await loop.run(stop or asyncio.Event())
        scheduled = requests + recorder.retries
        return _sum_up(recorder, interrupted, scheduled=scheduled, sent=target.uploads)


def _sum_up(recorder: Recorder, interrupted: bool, *, scheduled: int, sent: int) -> Done:
    records = tuple(sorted(recorder.records, key=lambda record: record.index))
    return Done(
        records=records,
        counts=count_outcomes(records, scheduled=scheduled, sent=sent),
        interrupted=interrupted,
        recorder=recorder,
    )
