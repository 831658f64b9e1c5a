"""The flags that Locust does not have, and what all of them together mean."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from locust.argument_parser import LocustArgumentParser

from load_tester.cli.run_arguments import check_positive
from load_tester.cli.target_arguments import add_target_arguments, read_checks, read_targets
from load_tester.errors import UsageError
from load_tester.images import Upload, find_images, load_uploads
from load_tester.plan.curves import (
    CURVES,
    DEFAULT_CURVE,
    DEFAULT_DURATION_S,
    DEFAULT_SPAWN_RATE,
    DEFAULT_USERS,
)
from load_tester.plan.custom import draw_curve
from load_tester.plan.sampling import SampledCurve
from load_tester.settings import DEFAULT_IMAGES, TargetKind, TargetSettings
from load_tester.targets.checks import Checks

# What a custom curve is bounded by when nothing was said, which is not at all.
UNBOUNDED = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What the users of one process send, to whom, and how its answers are checked."""

    target: TargetSettings
    uploads: Sequence[Upload]
    checks: Checks
    tickets: set[str] = field(default_factory=set)
    """Those given so far."""


def add_arguments(parser: LocustArgumentParser) -> None:
    """Add the flags that Locust does not have, with texts as values, as it sends them to workers.

    --users, --spawn-rate and --host are its own; the others are the load tester's, by its names.
    """
    add = parser.add_argument_group("Conveyor").add_argument
    add(
        "--curve",
        default=DEFAULT_CURVE,
        help=f"{', '.join(CURVES)}, '=EXPRESSION' or FILE.py:FUNCTION (%(default)s)",
    )
    add(
        "--duration",
        type=float,
        help=f"how long the curve takes, in seconds ({DEFAULT_DURATION_S:g})",
    )
    add("--images", default=str(DEFAULT_IMAGES), help="an image or a folder (%(default)s)")
    add("--target", choices=[kind.value for kind in TargetKind], help="what listens at the host")
    add("--pipeline", help="the pipeline to ask for")
    add("--params", metavar="JSON", help="step params")
    add("--no-cache", action="store_true", help="ask the service not to use its cache")
    add("--check", action="append", default=[], metavar="WHAT", help="labels, golden:, schema:")
    add("--discover", action="store_true", help="find the services in a Kubernetes cluster")
    add("--namespace", help="where --discover looks")
    add("--node-host", help="the node to reach ports at")


def fill_in(options: argparse.Namespace) -> None:
    """Put the curves' defaults in the place of what was not given; Locust's own are 1 and 1."""
    if options.num_users is None:
        options.num_users = int(DEFAULT_USERS)
    if options.spawn_rate is None:
        options.spawn_rate = DEFAULT_SPAWN_RATE if options.curve in CURVES else UNBOUNDED


def read_curve(options: argparse.Namespace) -> SampledCurve:
    """Return the curve that the arguments ask for; raises UsageError naming the bad one."""
    return draw_curve(
        options.curve,
        users=check_positive(options.num_users, "--users"),
        duration_s=_read_duration(options.duration),
        spawn_rate=check_positive(options.spawn_rate, "--spawn-rate"),
    )


def _read_duration(given: float | str | None) -> float | None:
    """Return the duration in seconds; the web page gives it as text, empty for none."""
    if given is None or given == "":
        return None
    try:
        return check_positive(float(given), "--duration")
    except ValueError as exc:
        raise UsageError(f"--duration takes seconds, not {given!r}") from exc


def read_work(options: argparse.Namespace, *, host: str | None) -> Work:
    """Return what the arguments ask for, with images read and endpoints found.

    Raises LoadTesterError when there is something missing.
    """
    parser = argparse.ArgumentParser()
    add_target_arguments(parser)
    given = parser.parse_args([])
    given.url = [host] if host and not options.discover else None
    given.target = TargetKind(options.target) if options.target else None
    # The web page has an empty text where nothing was given.
    for name in ("pipeline", "params", "namespace", "node_host"):
        setattr(given, name, getattr(options, name) or None)
    given.no_cache, given.discover, given.check = options.no_cache, options.discover, options.check
    target, images = read_targets(given), Path(options.images)
    return Work(
        target=target,
        uploads=load_uploads(find_images(images), multipart=False, folder=images),
        checks=read_checks(target, images),
    )
