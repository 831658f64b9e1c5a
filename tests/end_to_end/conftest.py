import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.service import Service, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that leave it as they found it."""
    with running(tmp_path_factory.mktemp("shared") / "data") as started:
        yield started


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=30) as opened:
        yield opened


@pytest.fixture
def data_dir(service: Service, tmp_path: Path) -> Path:
    """A data directory whose models are converted already, so that a start takes a second."""
    directory = tmp_path / "data"
    shutil.copytree(service.data_dir / "models", directory / "models")
    return directory
