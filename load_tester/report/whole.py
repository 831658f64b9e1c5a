"""Writing a file whole or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path

from load_tester.errors import OutputError


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Write beside the file and rename, so that a reader finds the old file or the whole new.

    Raises OSError when the disk says no; nothing is left behind then.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def prepare_folder(folder: Path) -> None:
    """Make the folder; raises OutputError when it cannot be written, before a run is wasted."""
    probe = folder / f".report.{os.getpid()}.probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as exc:
        raise OutputError(f"cannot write to the folder {folder}: {exc.strerror}") from exc
