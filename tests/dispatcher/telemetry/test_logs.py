"""S32: no line of the log is written by somebody else."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from dispatcher.jobs import Job
from dispatcher.telemetry.logs import about, configure_logs, log_about
from tests.dispatcher.recorded_spans import CAUSE
from tests.dispatcher.records import make_job

FORGED = "koala.png\r\n2026-01-01 [error] forged\x1b[2J\x9b31m\u2028end"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of the root logger as they were before."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def logged(capsys: pytest.CaptureFixture[str]) -> str:
    configure_logs()
    logging.getLogger("test").warning("file %s", FORGED, extra={"job_id": FORGED})
    return capsys.readouterr().err


def test_s32_a_line_for_machines_holds_nothing_but_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = logged(capsys)
    (line,) = text.splitlines()
    assert line.isprintable()
    entry = json.loads(line)
    assert entry["event"] == entry["job_id"].join(["file ", ""])
    assert "forged" in entry["job_id"]


def test_s32_a_line_for_people_moves_no_cursor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    text = logged(capsys)
    assert len(text.splitlines()) == 1
    assert "\x1b[2J" not in text
    assert "\x9b" not in text


def test_a_trace_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("test").exception("it broke")
    entry = json.loads(capsys.readouterr().err)
    assert "Traceback" in entry["exception"]


async def test_entries_about_a_job_name_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    log = logging.getLogger("test")

    async def work(job: Job) -> None:
        log_about(job)
        log.warning("of it", extra={"job_id": job.id})
        log.warning("of another", extra={"job_id": "another"})
        log.warning("of none")

    await asyncio.create_task(work(make_job(trace=CAUSE)))
    log.warning("told", extra=about(make_job("told", trace=CAUSE)))
    log.warning("untraced", extra=about(make_job("untraced")))
    log.warning("elsewhere", extra={"job_id": "job-1"})
    entries = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    named = {entry["event"]: entry.get("trace_id") for entry in entries}
    assert named == {
        "of it": CAUSE.trace_id,
        "of another": None,
        "of none": None,
        "told": CAUSE.trace_id,
        "untraced": None,
        "elsewhere": None,
    }
