"""A made-up run that has something for every block of a report."""

from typing import Any

from load_tester.record import ImageRecord, Outcome
from load_tester.run import (
    Asked,
    Ceiling,
    GeneratorSample,
    Mode,
    Picture,
    Run,
    ServiceSample,
)
from tests.load_tester.records import make_record

HOSTILE = '<script>alert("x")</script>&=1.jpg'
HOSTILE_LABEL = "</script><img src=x onerror=alert(1)>"


def make_asked(**changes: Any) -> Asked:
    """An open loop of one curve with one objective."""
    known: dict[str, Any] = {
        "mode": Mode.OPEN,
        "command": "load_tester.py --curve ramp --slo 'p95<300ms'",
        "targets": ("http://127.0.0.1:8080", "http://127.0.0.1:8081"),
        "source": "curve ramp",
        "plan_digest": "0123456789abcdef",
        "seed": 7,
        "timeout_s": 60.0,
        "objectives": ("p95<300ms",),
    }
    return Asked(**(known | changes))


def make_run(**changes: Any) -> Run:
    """Twenty seconds with ten images each; one in twenty fails, one in fifty is wrong."""
    records = tuple(_make_image(index) for index in range(200))
    known: dict[str, Any] = {
        "asked": make_asked(),
        "started_at": "2025-06-25T11:22:41.523565",
        "planned": (10,) * 10 + (8, 12) * 5,
        "records": records,
        "uploads": len(records),
        "pictures": {
            name: Picture(size_bytes=20_000 * place, width=640, height=480)
            for place, name in enumerate((*_FILES, HOSTILE), start=1)
        },
        "labels": {"drum.jpg": "drum"},
        "ceiling": Ceiling(cycles_per_s=1500.0, body_bytes=100_000),
        "generator": tuple(_make_sample(0.5 * place) for place in range(1, 41)),
        "service": tuple(_make_service_sample(float(second)) for second in range(1, 21)),
        "environment": {"cores": "2"},
    }
    return Run(**(known | changes))


_FILES = ("drum.jpg", "tank.png", "goldfinch.JPEG")


def _make_image(index: int) -> ImageRecord:
    sched_s = index / 10
    outcome, reason, label = Outcome.OK, None, "drum"
    if index % 20 == 3:
        outcome, reason = Outcome.FAILED, "http_500"
    elif index % 50 == 4:
        outcome, reason, label = Outcome.WRONG, "wrong_label", HOSTILE_LABEL
    seen = outcome is not Outcome.FAILED
    slow_s = 0.5 if index % 40 == 0 else 0.0
    return make_record(
        index,
        outcome,
        second=index // 10 + 1,
        file=HOSTILE if index % 10 == 4 else _FILES[index % 3],
        reason=reason,
        target=f"http://127.0.0.1:{8080 + index % 2}",
        sched_s=sched_s,
        sent_s=sched_s + 0.0001,
        accepted_s=sched_s + 0.0101,
        seen_s=sched_s + 0.0901 + slow_s + index * 1e-5 if seen else None,
        request_id=f"{index:08x}",
        polls=1,
        queue_time_s=0.02 + slow_s if seen else None,
        processing_time_s=0.05 if seen else None,
        steps_s={"resize": 0.01, "classify": 0.03} if seen else {},
        replica="one",
        top_label=label if seen else None,
    )


def _make_sample(at_s: float) -> GeneratorSample:
    return GeneratorSample(
        at_s=at_s,
        cpu=0.25,
        machine_cpu=0.5,
        stolen=0.0,
        waited=0.01,
        loop_lag_s=0.0005,
        rss_bytes=80 * 1024**2,
        in_flight=1,
        cores=2,
    )


def _make_service_sample(at_s: float) -> ServiceSample:
    return ServiceSample(
        at_s=at_s,
        values={"dispatcher_jobs_total": 10 * at_s, "dispatcher_queue_depth": 3.0},
    )
