"""S32: no line of the log is written by somebody else."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from dispatcher.telemetry.logs import configure_logs

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
