"""A process that is killed, and the one that comes after it."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dispatcher.storage.writer import Writer


def killed(folder: Path) -> Path:
    """Return a folder with the files as they are at this moment, as a killed process leaves them.

    What was not committed at this moment never was.
    """
    number = sum(1 for other in folder.parent.iterdir() if other.name.startswith(folder.name))
    left = folder.with_name(f"{folder.name}-{number}")
    shutil.copytree(folder, left)
    return left


def made(folder: Path) -> Path:
    """Return a folder that is there."""
    folder.mkdir(exist_ok=True)
    return folder


@asynccontextmanager
async def writing(folder: Path) -> AsyncIterator[Writer]:
    """Open a writer for the length of the block."""
    writer = Writer(made(folder))
    await writer.start()
    try:
        yield writer
    finally:
        await writer.close()
