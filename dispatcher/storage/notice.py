"""A line in the data directory that says where the dispatcher that uses it can be asked.

It may be left behind by one that was killed; that a process of that number runs says enough to try.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

NOTICE_FILE: Final = "service.json"
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Notice:
    """A dispatcher that runs, or was killed."""

    pid: int
    url: str


def local_url(host: str, port: int) -> str:
    """Return where a program of this machine reaches what listens on an address."""
    host = _ANYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def notice_posted(directory: Path, *, url: str) -> Iterator[None]:
    """Have the notice there until the end of the block; without it everything works, too."""
    path = directory / NOTICE_FILE
    new = path.with_name(f".{NOTICE_FILE}.new")
    with suppress(OSError):  # a full disk must not stop the service
        new.write_text(json.dumps(asdict(Notice(os.getpid(), url))))
        new.replace(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def find_running(directory: Path) -> Notice | None:
    """Return the dispatcher that uses a data directory; None when none seems to."""
    try:
        document = json.loads((directory / NOTICE_FILE).read_text())
        notice = Notice(pid=int(document["pid"]), url=str(document["url"]))
        os.kill(notice.pid, 0)
    except PermissionError:  # it runs, as another user
        return notice
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return notice
