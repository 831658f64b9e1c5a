"""One bad replica of four: what its clients see of it, compared with four good ones.

The replicas are scripted and take 20 ms for each image; the load is a third of what four can do.
Every bad one is compared with the same service just before, when all four were good. The image
that kills replicas is one in a minute: each of its three attempts takes a replica away for about
a second, and that is what the others may see of it.
"""

import os
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.open_loop import OpenLoop, Outcomes
from benchmarks.report import Row, at_most
from benchmarks.scripted_steps import STEP, scripted_steps, tell
from benchmarks.service import running_service

REPLICAS: Final = 4
SERVICE_S: Final = 0.02
RATE: Final = REPLICAS / SERVICE_S / 3
SECONDS: Final = float(os.environ.get("BAD_REPLICA_S", "20"))
WARM_S: Final = 3.0
POISONED: Final = "poisoned"
POISONED_S: Final = 3 * SECONDS
NAMES: Final = {
    "errors": "answers 500",
    "hang": "takes requests and never answers",
    "slow": "takes 20 times as long",
    "garbage": "answers 200 with garbage",
    "reset": "takes requests and resets the connection",
}


def measure(data_dir: Path) -> list[Row]:
    """Return what each kind of bad replica does to the 99th percentile and to errors."""
    rows: list[Row] = []
    with scripted_steps(data_dir, replicas=REPLICAS, service_s=SERVICE_S) as urls:
        flags = ["--replicas", "0", "--operation-replicas", "0"]
        for behaviour in (*NAMES, POISONED):
            tell(urls[0], "good")
            # A service of its own, so that none profits from what the last one has learned.
            with running_service(flags, data_dir=data_dir, steps=[STEP]) as service:
                _load(service.url, WARM_S)
                if behaviour == POISONED:
                    rows += _poison_rows(service.url, _load(service.url, POISONED_S))
                else:
                    good = _load(service.url, SECONDS)
                    rows += _rows(behaviour, service.url, urls[0], good)
    return rows


def _rows(behaviour: str, service_url: str, url: str, good: Outcomes) -> list[Row]:
    name = NAMES[behaviour]
    before = tell(url, behaviour)
    outcomes = _load(service_url, SECONDS)
    given = tell(url) - before
    return [
        at_most(f"one {name}: errors", _failed(good) + _failed(outcomes), 0),
        _p99_row(f"one {name}", outcomes, good, 1.5),
        Row(f"one {name}: images sent to it", f"{given} of {outcomes.sent}"),
        Row(f"one {name}: longest", f"{1000 * outcomes.longest_s():.0f} ms"),
    ]


def _poison_rows(service_url: str, good: Outcomes) -> list[Row]:
    run = OpenLoop(service_url).run([(RATE, POISONED_S)], poison_after_s=SECONDS / 3)
    outcomes = uvloop.run(run)
    return [
        at_most("a poison image: errors of others", _failed(good) + _failed(outcomes), 0),
        _p99_row("a poison image", outcomes, good, 1.1),
        Row("a poison image: how it ends", outcomes.poison_code),
    ]


def _p99_row(name: str, outcomes: Outcomes, good: Outcomes, target: float) -> Row:
    good_s = good.p99_s()
    return at_most(
        f"{name}: p99 / good ({1000 * good_s:.0f} ms)", outcomes.p99_s() / good_s, target
    )


def _load(url: str, seconds: float) -> Outcomes:
    return uvloop.run(OpenLoop(url).run([(RATE, seconds)]))


def _failed(outcomes: Outcomes) -> int:
    return outcomes.sent - outcomes.completed
