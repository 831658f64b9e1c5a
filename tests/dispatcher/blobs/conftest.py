from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dispatcher.blobs.base import BlobStore
from dispatcher.blobs.directory import DirectoryBlobStore
from dispatcher.blobs.memory import MemoryBlobStore

BACKENDS: dict[str, Callable[[Path], BlobStore]] = {
    "memory": lambda _: MemoryBlobStore(),
    "directory": lambda path: DirectoryBlobStore(path / "blobs"),
    "directory without memory": lambda path: DirectoryBlobStore(path / "blobs", memory_bytes=0),
}


@pytest.fixture(params=BACKENDS)
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    """A store of each backend."""
    backend = BACKENDS[request.param](tmp_path)
    await backend.start()
    yield backend
    await backend.close()
