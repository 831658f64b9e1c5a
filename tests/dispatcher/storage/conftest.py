from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.storage.writer import Writer
from tests.dispatcher.storage.writing import make_table


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    """A writer of an empty database with a table for notes."""
    writer = Writer(tmp_path)
    await writer.start()
    await writer.submit(make_table)
    yield writer
    await writer.close()
