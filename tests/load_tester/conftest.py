import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from load_tester.cli.console import LOGGER


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three small files that look like images from the outside."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("goldfinch.JPEG", "drum.jpg", "tank.png"):
        (folder / name).write_bytes(name.encode() * 200)
    return folder


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """What a test started writing to its own stderr ends with the test."""
    yield
    logging.getLogger(LOGGER).handlers.clear()
