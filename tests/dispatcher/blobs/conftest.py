from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dispatcher.blobs.base import BlobStore
from dispatcher.blobs.directory import DirectoryBlobStore
from dispatcher.blobs.local import LocalBlobStore
from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.storage.space import Space
from dispatcher.storage.writer import Writer


def make_local(path: Path, writer: Writer) -> LocalBlobStore:
    """A store that outlives its process."""
    space = Space(path, limit_bytes=0, reserve_percent=0.0, used_bytes=lambda: 0)
    return LocalBlobStore(path / "blobs", writer=writer, space=space)


BACKENDS: dict[str, Callable[[Path, Writer], BlobStore]] = {
    "memory": lambda _, __: MemoryBlobStore(),
    "directory": lambda path, _: DirectoryBlobStore(path / "blobs"),
    "directory without memory": lambda path, _: DirectoryBlobStore(path / "blobs", memory_bytes=0),
    "local": make_local,
}


@pytest.fixture(params=BACKENDS)
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    """A store of each backend."""
    writer = Writer(tmp_path)
    backend = BACKENDS[request.param](tmp_path, writer)
    await backend.start()
    yield backend
    await backend.close()
    await writer.close()
