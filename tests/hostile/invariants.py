"""What holds for every hostile input, whatever its row says."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil

from tests.hostile.watch import watching
from tests.hostile.wire import Answer

ANSWERED_WITHIN_S = 2.0
GROWS_AT_MOST_BYTES = 64 * 1024 * 1024
"""Beside the body itself."""
BLOCKED_AT_MOST_S = 0.1
_NEVER_TOLD = re.compile(
    rb"Traceback|File \"|\.py\b|/site-packages|/tmp/|/etc/|<script|<svg|alert\(|onerror", re.I
)
_PROBLEM_FIELDS = {"type", "title", "status", "code", "detail", "request_id"}


def check_problem(answer: Answer, status: int, code: str) -> None:
    """A refusal is a problem document that tells nothing of the inside or of the input (I5)."""
    assert (answer.status, answer.code) == (status, code), answer.body[:500]
    document: dict[str, Any] = answer.document()
    assert set(document) == _PROBLEM_FIELDS
    assert document["status"] == status
    assert document["request_id"]
    assert not _NEVER_TOLD.search(answer.body), answer.body[:500]


def check_in_time(answer: Answer) -> None:
    """The answer came at once (I1)."""
    assert answer.after_s < ANSWERED_WITHIN_S


def kept(client: httpx.Client) -> tuple[int, int, int]:
    """Return what the service keeps: jobs, jobs that wait, bytes of images (I6)."""
    status = client.get("/status").json()
    stored: int = status["stored_results"]
    waiting: int = status["queue_size"]
    blob_bytes: int = status["storage_metrics"]["blob_bytes"]
    return stored, waiting, blob_bytes


@contextmanager
def staying_responsive(url: str, process: psutil.Process, *, body_bytes: int) -> Iterator[None]:
    """Memory stays bounded (I2) and the event loop is never blocked (I7)."""
    with watching(url, process) as watched:
        yield
    assert watched.grown_bytes <= body_bytes + GROWS_AT_MOST_BYTES
    assert watched.blocked_s <= BLOCKED_AT_MOST_S
