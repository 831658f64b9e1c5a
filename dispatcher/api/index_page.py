"""The page that lists a batch: plain HTML without a script, in light and in dark."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Final

from dispatcher.api.contents import FOLDERS, BatchContents, Folder, NamedPicture
from dispatcher.jobs import JobState

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid #8884; }
td { overflow-wrap: anywhere; }
td + td, th + th { white-space: nowrap; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: nothing but its own style."""
_TITLES: Final[dict[Folder, str]] = {"sent": "Sent", "made": "Made"}


def index_page(contents: BatchContents) -> str:
    """Return the page; its links are relative to ``/static/<batch_id>/``."""
    batch_id = escape(contents.batch.id)
    tables = "".join(_table(folder, contents.pictures(folder)) for folder in FOLDERS)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Batch {batch_id}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Batch</h1>
<p>{batch_id}</p>
<p>{_progress(contents)}</p>
<p><a href="../../batch/{batch_id}/zip">All pictures as one zip</a> ·
<a href="../../batch/{batch_id}">State as JSON</a></p>
{tables}</body>
</html>
"""


def _progress(contents: BatchContents) -> str:
    states = [None if entry.job is None else entry.job.state for entry in contents.entries]
    parts = [f"{states.count(state)} {state.value}" for state in JobState if states.count(state)]
    if None in states:
        parts.append(f"{states.count(None)} no longer kept")
    return ", ".join(parts) + "."


def _table(folder: Folder, pictures: Sequence[NamedPicture]) -> str:
    rows = "".join(_row(picture) for picture in pictures)
    return f"""<h2 id="{folder}">{_TITLES[folder]} ({len(pictures)})</h2>
<table>
<tr><th scope="col">File</th><th scope="col">Pixels</th><th scope="col">Type</th></tr>
{rows}</table>
"""


def _row(picture: NamedPicture) -> str:
    size = f"{picture.width} x {picture.height}" if picture.width else ""
    link = f'<a href="{escape(picture.relative_url)}">{escape(picture.name)}</a>'
    return f"<tr><td>{link}</td><td>{size}</td><td>{escape(picture.media_type)}</td></tr>\n"
