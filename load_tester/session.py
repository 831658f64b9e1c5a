"""One run from beginning to end: images read, target opened, generator watched, all of it kept.

Every mode goes through here, so that every run is checked and watched in the same way.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from load_tester.engine.open_loop import OpenLoop
from load_tester.engine.recorder import Recorder
from load_tester.errors import ImagesError
from load_tester.generator.ceiling import measure_ceiling
from load_tester.generator.environment import describe_environment
from load_tester.generator.sampler import Sampler
from load_tester.generator.scraper import Scraper, key_for, metrics_url
from load_tester.images import Upload, describe_pictures, find_images, load_uploads, pick_images
from load_tester.images import read_labels as read_labels_of
from load_tester.plan.plan import Plan
from load_tester.run import Asked, Ceiling, Mode, Picture, Run
from load_tester.settings import RunSettings, TargetSettings
from load_tester.targets.base import Target
from load_tester.targets.checks import Checks
from load_tester.targets.opening import open_target

log = logging.getLogger(__name__)

Work = Callable[[Target, Recorder, asyncio.Event], Awaitable[bool]]
"""Sends the images of one run until the event is set; tells whether that cut it short."""
Show = Callable[[Recorder], AbstractContextManager[object]]
"""Shows a run while it is entered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What is the same for every run of one command."""

    target: TargetSettings
    run: RunSettings
    show: Show
    checks: Checks
    objectives: tuple[str, ...] = ()
    self_check: bool = True
    """Whether the generator's ceiling is measured first."""
    metrics_url: str | None = None
    """Where the service shows its metrics; at its usual place when None."""
    command: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cargo:
    """The images of a run, read and encoded once."""

    uploads: Sequence[Upload]
    pictures: Mapping[str, Picture]
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One run to be done: how many images, and where their moments come from."""

    mode: Mode
    planned: tuple[int, ...]
    source: str
    digest: str
    work: Work


def load_cargo(session: Session, *, count: int) -> Cargo:
    """Read as many images as `count` sends can use; raises ImagesError when there are none."""
    folder = session.run.images
    paths = find_images(folder)
    log.info("Found %d image files", len(paths))
    picked = pick_images(paths, count=count, seed=session.run.seed)
    return Cargo(
        uploads=load_uploads(picked, multipart=session.target.multipart, folder=folder),
        pictures=describe_pictures(picked, folder=folder),
        labels=_labels_or_none(session),
    )


def order_plan(session: Session, plan: Plan, cargo: Cargo) -> Order:
    """Return the open loop over a plan as a run to be done."""

    async def work(target: Target, recorder: Recorder, stop: asyncio.Event) -> bool:
        loop = OpenLoop(
            target,
            plan=plan,
            uploads=cargo.uploads,
            recorder=recorder,
            max_workers=session.run.max_workers,
            timeout_s=session.run.timeout_s,
        )
        return await loop.run(stop)

    return Order(
        mode=Mode.OPEN,
        planned=plan.per_second,
        source=plan.source,
        digest=plan.digest,
        work=work,
    )


async def measure_own_ceiling(session: Session, cargo: Cargo) -> Ceiling | None:
    """Return what this generator can do at most, None when it was asked not to look."""
    if not session.self_check:
        return None
    log.info("Measuring what this load tester can do at most; --no-self-check leaves it out")
    return await measure_ceiling(cargo.uploads, session.target)


async def carry_out(
    session: Session,
    order: Order,
    cargo: Cargo,
    *,
    ceiling: Ceiling | None = None,
    stop: asyncio.Event | None = None,
) -> Run:
    """Do one run and return it whole, however it ended.

    Raises UnreachableError when nothing answers at the beginning.
    """
    recorder = Recorder()
    stop = stop or stop_on_signal()
    async with open_target(session.target, checks=session.checks) as target:
        await target.check_reachable()
        started_at = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        async with AsyncExitStack() as watching:
            sampler = await watching.enter_async_context(
                Sampler(in_flight=lambda: recorder.in_flight)
            )
            scraper = await watching.enter_async_context(_scraper(session))
            with session.show(recorder):
                interrupted = await order.work(target, recorder, stop)
        return Run(
            asked=_describe(session, order, target),
            started_at=started_at,
            planned=_add_retries(order.planned, recorder),
            records=tuple(sorted(recorder.records, key=lambda record: record.index)),
            uploads=target.uploads,
            interrupted=interrupted,
            pictures=cargo.pictures,
            labels=cargo.labels,
            ceiling=ceiling,
            generator=sampler.collect(recorder.start_s),
            service=scraper.collect(recorder.start_s),
            environment=describe_environment(),
        )


def stop_on_signal() -> asyncio.Event:
    """Return an event that Ctrl-C or a termination signal sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    return stop


def _scraper(session: Session) -> Scraper:
    url = session.metrics_url or metrics_url(session.target.urls[0])
    return Scraper(url, api_key=key_for(url, session.target))


def _add_retries(planned: tuple[int, ...], recorder: Recorder) -> tuple[int, ...]:
    """Return how many sends there were to be, by what was asked for and by the loop's own count.

    Only a closed loop makes retries, and all that it is asked for is one number.
    """
    return (planned[0] + recorder.retries,) if recorder.retries else planned


def _describe(session: Session, order: Order, target: Target) -> Asked:
    return Asked(
        mode=order.mode,
        command=session.command,
        targets=target.names,
        source=order.source,
        plan_digest=order.digest,
        seed=session.run.seed,
        timeout_s=session.run.timeout_s,
        warm_up_s=session.run.warm_up_s,
        max_workers=session.run.max_workers,
        objectives=session.objectives,
    )


def _labels_or_none(session: Session) -> dict[str, str]:
    """Return the true labels; a table that cannot be read costs the accuracy, not the run."""
    try:
        return read_labels_of(session.run.images)
    except ImagesError as exc:
        log.warning("No accuracy: %s", exc)
        return {}
