"""What one run was asked to do."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from yarl import URL

from load_tester.errors import AddressError
from load_tester.schedule import DEFAULT_SCHEDULE

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_IMAGES = Path(__file__).resolve().parent.parent / "images"


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """Every choice of a run."""

    url: str = DEFAULT_URL
    """Where the service listens, without a slash at the end."""
    images: Path = DEFAULT_IMAGES
    """The folder whose images are sent, with all folders below it."""
    schedule: tuple[int, ...] = DEFAULT_SCHEDULE
    """Images to send in each second."""
    max_workers: int = 50
    """At most this many uploads under way at once; waiting for results is not counted."""
    timeout_s: float = 60.0
    """How long an image may take, counted from its intended send."""
    pipeline: str | None = None
    """The pipeline to ask for; the service's default when None."""
    use_cache: bool = True
    """Whether the service may answer from its cache."""
    multipart: bool = False
    """Send as a multipart form instead of the raw bytes."""
    seed: int = 0
    """Fixes the order of the images."""
    out: Path | None = None
    """The folder that receives the report and the raw file; none when None."""


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
