"""Reads the service's own metrics each second, where it has any.

The thread that asks keeps only the lines that count and parses nothing, so that it holds the
interpreter for no longer than a send takes; they are parsed when the run is over.
"""

import asyncio
import http.client
import threading
from collections import defaultdict
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from load_tester.pacing import now_s
from load_tester.run import ServiceSample
from load_tester.settings import TargetSettings

EVERY_S = 1.0
TIMEOUT_S = 2.0
LONGEST_BYTES = 4 * 2**20
PATH = "/metrics"
# Every family of a dispatcher and of a step replica begins like one of these.
PREFIXES: Final = ("dispatcher_", "frontend_", "step_", "grayscale_")

_GONE = frozenset({404, 405, 410})
_LEFT_OUT = ("_bucket", "_created")


class Scraper:
    """Reads `url` each second while it is entered; says nothing of a service without metrics."""

    def __init__(self, url: str, *, api_key: str | None = None, every_s: float = EVERY_S) -> None:
        parts = urlsplit(url)
        self._address = parts.path or PATH
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._every_s = every_s
        self._texts: list[tuple[float, str]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="scraper", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        await asyncio.to_thread(self._thread.join)

    def collect(self, start_s: float) -> tuple[ServiceSample, ...]:
        """Return the samples of a run that began at `start_s` on the run's clock."""
        return tuple(
            ServiceSample(at_s=at_s - start_s, values=sum_families(text))
            for at_s, text in self._texts
            if at_s >= start_s and text
        )

    def _watch(self) -> None:
        due_s = now_s()
        while True:
            if not self._scrape():
                break
            due_s = max(due_s + self._every_s, now_s())
            if self._ended.wait(due_s - now_s()):
                self._scrape()
                break
        self._connection.close()

    def _scrape(self) -> bool:
        """Ask once; return False when there is nothing to be had here."""
        try:
            self._connection.request("GET", self._address, headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read(LONGEST_BYTES)
        except (OSError, http.client.HTTPException):
            # The service may be starting again; the next time needs a new connection.
            self._connection.close()
            return True
        if answer.status == http.HTTPStatus.OK:
            self._texts.append((now_s(), keep_lines(body)))
        return answer.status not in _GONE


def keep_lines(body: bytes) -> str:
    """Return the lines of a Prometheus text that `sum_families` reads."""
    text = body.decode("utf-8", errors="replace")
    return "\n".join(
        line for line in text.splitlines() if line.startswith(PREFIXES) and "_bucket{" not in line
    )


def sum_families(text: str) -> dict[str, float]:
    """Return each sample of a Prometheus text by its name, summed over its labels.

    Counters stay counters and pairs of `_sum` and `_count` stay pairs; buckets and times of
    creation are left out, and so is a text that is none.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    with suppress(ValueError):
        for family in text_string_to_metric_families(text + "\n"):
            for sample in family.samples:
                if not sample.name.endswith(_LEFT_OUT):
                    sums[sample.name] += sample.value
    return dict(sums)


def metrics_url(target_url: str) -> str:
    """Return where a service at that URL shows its metrics."""
    return f"{target_url}{PATH}"


def key_for(url: str, target: TargetSettings) -> str | None:
    """Return the key to be sent to `url`: that of the target, if it is one of its own services."""
    own = {_origin(service) for service in target.urls}
    return target.api_key if _origin(url) in own else None


def _origin(url: str) -> tuple[str, str | None, int]:
    """Return whom a URL speaks to (RFC 6454): scheme, host and port."""
    parts = urlsplit(url)
    usual = http.client.HTTPS_PORT if parts.scheme == "https" else http.client.HTTP_PORT
    return parts.scheme, parts.hostname, parts.port or usual
