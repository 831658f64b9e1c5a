from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dispatcher.blobs.base import BlobStore
from dispatcher.blobs.directory import DirectoryBlobStore
from dispatcher.blobs.local import LocalBlobStore
from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.storage.space import Space
from dispatcher.storage.writer import Writer
from tests.dispatcher.blobs.sharing import blobs_over
from tests.dispatcher.servers.connecting import opened


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


SHARED = ["objects-directory", "objects-s3"]
"""Those of several dispatchers; they count no holds."""


@pytest.fixture(params=[*BACKENDS, *SHARED])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    """A store of each backend."""
    if request.param not in SHARED:
        async with _own_store(request.param, tmp_path) as backend:
            yield backend
        return
    is_s3 = request.param == "objects-s3"
    async with opened(request.getfixturevalue("s3_url") if is_s3 else str(tmp_path)) as objects:
        yield blobs_over(objects)


@pytest.fixture(params=BACKENDS)
async def counting_blobs(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[BlobStore]:
    """A store of each backend that counts holds."""
    async with _own_store(request.param, tmp_path) as backend:
        yield backend


@asynccontextmanager
async def _own_store(name: str, path: Path) -> AsyncIterator[BlobStore]:
    writer = Writer(path)
    backend = BACKENDS[name](path, writer)
    await backend.start()
    yield backend
    await backend.close()
    await writer.close()
