"""The steps of a cluster on one machine: replicas that all its dispatchers share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dispatcher.pools.client import ReplicaClient
from dispatcher.settings import Settings
from dispatcher.telemetry.tracing import export_url
from dispatcher.topology.environment import LocalLimits
from dispatcher.topology.local import LocalLauncher
from dispatcher.topology.records import RecordDirectory
from dispatcher.wiring_topology import default_records, operations_records


@asynccontextmanager
async def running_steps(settings: Settings, *, records_dir: Path) -> AsyncIterator[None]:
    """Run replicas until the end of the block, and keep the records of where they answer.

    Args:
        settings: which, and how many; converted models are shared with ``./setup.sh run``.
        records_dir: what dispatchers read with ``--topology files``.

    Raises:
        StartupError: a replica says that it can never start.
    """
    client = ReplicaClient()
    await client.start()
    launcher = LocalLauncher(
        [*default_records(settings), *operations_records(settings)],
        records=RecordDirectory(records_dir),
        client=client,
        limits=LocalLimits(
            model_cache_dir=(settings.data_dir / "models").resolve(),
            records_dir=records_dir,
            max_batch_size=settings.max_batch_size,
            traces_url=export_url(settings),
        ),
    )
    supervising: asyncio.Task[None] | None = None
    try:
        await launcher.start()
        await launcher.wait_ready()
        supervising = asyncio.create_task(launcher.supervise())
        yield
    finally:
        if supervising is not None:
            supervising.cancel()
            await asyncio.wait([supervising])
        await launcher.close()
        await client.close()
