"""What one run was asked to do, in groups; the command line fills them."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from yarl import URL

from load_tester.errors import AddressError

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_WORKERS = 50
DEFAULT_IMAGES = Path(__file__).resolve().parent.parent / "images"


class TargetKind(StrEnum):
    """What kind of service listens at the URLs."""

    DISPATCHER = "dispatcher"  # submit, then ask for the result
    REPLICA = "replica"  # a step replica: the answer comes with the upload


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetSettings:
    """Whom to send to, and what to ask for."""

    urls: tuple[str, ...] = (DEFAULT_URL,)
    """Where the services listen, without a slash at the end; taken in turns."""
    kind: TargetKind = TargetKind.DISPATCHER
    pipeline: str | None = None
    """The pipeline to ask for; the service's default when None."""
    params: str | None = None
    """Overrides of step params as JSON, handed on as it is."""
    operations: str | None = None
    """Picture operations as a JSON list, asked for instead of a pipeline; none when None."""
    use_cache: bool = True
    """Whether the service may answer from its cache."""
    multipart: bool = False
    """Send as a multipart form instead of the raw bytes."""
    api_key: str | None = field(default=None, repr=False)
    """Sent as a bearer token; never written anywhere."""
    checks: tuple[str, ...] = ()
    """What answers are checked against beyond the contract: `labels`, `golden:…`, `schema:…`."""
    write_golden: Path | None = None
    """Where the answers are kept for later runs to be checked against."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """How a run goes, whichever way its moments come about."""

    images: Path = DEFAULT_IMAGES
    """The file, or the folder whose images are sent, with all folders below it."""
    max_workers: int | None = DEFAULT_WORKERS
    """At most this many uploads under way at once, None for no bound; waiting for results is not
    counted. What it holds back is late, and the verdict says so."""
    timeout_s: float = 60.0
    """How long an image may take, counted from its intended send."""
    seed: int = 0
    """Fixes the order of the images and every random moment."""
    warm_up_s: float = 0.0
    """Images due in the first seconds are sent but left out of latencies and objectives."""
    out: Path | None = None
    """The folder that receives the report and the raw file; none when None."""


def default_workers(kind: TargetKind) -> int | None:
    """Return how many uploads may be under way at once where nothing was said; None for any.

    An upload to a replica lasts as long as its image is processed, so that a bound would be one
    on the load.
    """
    return None if kind is TargetKind.REPLICA else DEFAULT_WORKERS


def check_url(text: str) -> str:
    """Return the URL without a slash at the end; raises AddressError when images cannot go there.

    User names are refused, because the URL is written into logs and reports.
    """
    try:
        parts = urlsplit(text)
        URL(text)
    except ValueError as exc:
        raise AddressError(f"not a URL: {text!r} ({exc})") from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AddressError(f"not an http:// or https:// URL: {text!r}")
    if parts.username is not None or parts.password is not None:
        raise AddressError("a URL with a user name or password is refused")
    if parts.query or parts.fragment or any(char <= " " for char in text):
        raise AddressError(f"a URL with a query, a fragment or blanks is refused: {text!r}")
    return text.rstrip("/")
