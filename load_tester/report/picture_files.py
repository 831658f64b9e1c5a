"""A picture and, beside it as JSON, the figures that it shows."""

import json
from pathlib import Path

from load_tester.errors import OutputError
from load_tester.report.pictures import render_png
from load_tester.report.theme import JsonObject
from load_tester.report.whole import prepare_folder, write_whole

FORMAT_VERSION = 1


def check_picture_path(path: Path) -> None:
    """Make the folder of a picture; raises OutputError when nothing can be written there."""
    if path.suffix.lower() == ".json":
        raise OutputError(f"{path} is the name of the figures; the picture is a .png")
    if path.is_dir():
        raise OutputError(f"{path} is a folder; the picture needs a file's name")
    prepare_folder(path.parent)


def write_figures(path: Path, figures: JsonObject) -> Path:
    """Write the figures of the picture at `path` beside it; return where.

    Raises OutputError when the disk says no.
    """
    beside = path.with_suffix(".json")
    document = {"version": FORMAT_VERSION, **figures}
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    _write(beside, text.encode())
    return beside


def write_picture(path: Path, spec: JsonObject) -> None:
    """Write the picture of a Vega-Lite spec; raises OutputError when the disk says no."""
    _write(path, render_png(spec))


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, [content])
    except OSError as exc:
        raise OutputError(f"cannot write {path}: {exc.strerror}") from exc
