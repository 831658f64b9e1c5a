"""Two dispatchers that share RabbitMQ, Redis and an object store, beside one with its own files.

All of it runs on this machine: dispatchers, servers, replicas and the client share its cores. So
the processor time of a job says more than images a second do.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import psutil
import uvloop

from benchmarks.client import label_all
from benchmarks.photos import Photo, load_photos
from benchmarks.report import Row
from benchmarks.scripted_steps import PIPELINE, STEP, scripted_steps
from benchmarks.service import Service, running_service
from tests.servers.processes import Guard, ServerProcess
from tests.servers.rabbitmq import NameServer, RabbitmqServer
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

TURNS: Final = 3
ROUNDS: Final = 4
DEFAULT_STEP: Final = "default/0"
CACHE_OFF: Final = ("--cache-size", "0", "--operation-replicas", "0")


@dataclass(frozen=True, slots=True)
class _Taken:
    """What some images took."""

    per_second: float
    dispatcher_ms: float
    """Processor time of all dispatchers for an image, in milliseconds."""
    server_ms: float
    """The same of RabbitMQ and Redis."""
    store_ms: float
    """The same of the object store, where it is a server."""


@dataclass(frozen=True)
class _Servers:
    """Started servers, and what dispatchers have to be told."""

    brokers: Sequence[ServerProcess]
    store: ServerProcess
    environment: Mapping[str, str]


def measure(data_dir: Path) -> list[Row]:
    """Return images a second and processor time of both, with replicas that take no time and with
    the real classifier."""
    photos = load_photos()
    rows = []
    for kind in ("scripted", "classifier"):
        taken: dict[str, list[_Taken]] = {}
        for turn in range(TURNS):
            folder = data_dir / f"shared-{kind}-{turn}"
            folder.mkdir()
            for name, one in _turn(kind, photos, folder, models=data_dir / "models").items():
                taken.setdefault(name, []).append(one)
        for name, turns in taken.items():
            rows += _rows(f"{kind}, {name}", turns)
    return rows


def _turn(kind: str, photos: Sequence[Photo], folder: Path, *, models: Path) -> dict[str, _Taken]:
    taken = {}
    with _running(kind, folder / "alone", dispatchers=1, models=models) as services:
        taken["one dispatcher, its own files"] = _take(kind, services, photos, None)
    for store in ("a directory", "S3"):
        name = f"two dispatchers, images in {store}"
        with (
            _servers(folder / store, is_s3=store == "S3") as servers,
            _running(
                kind, folder / name, dispatchers=2, models=models, servers=servers
            ) as services,
        ):
            taken[name] = _take(kind, services, photos, servers)
    return taken


@contextmanager
def _running(
    kind: str, folder: Path, *, dispatchers: int, models: Path, servers: _Servers | None = None
) -> Iterator[list[Service]]:
    """Run dispatchers, which have two replicas together."""
    shared = [] if servers is None else ["--queue", "rabbitmq"]
    environment = {} if servers is None else servers.environment
    with ExitStack() as stack:
        step, flags = DEFAULT_STEP, [*CACHE_OFF, *shared, "--replicas", str(2 // dispatchers)]
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "scripted":
            stack.enter_context(scripted_steps(folder, replicas=2, service_s=0.0))
            records = ["--topology", "files", "--records-dir", str(folder / "topology")]
            step, flags = STEP, [*CACHE_OFF, *shared, *records]
        yield [
            stack.enter_context(
                running_service(
                    flags,
                    data_dir=_with_models(folder / f"dispatcher-{number}", models),
                    steps=[step],
                    environment=environment,
                )
            )
            for number in range(dispatchers)
        ]


def _with_models(data_dir: Path, models: Path) -> Path:
    """Return a data directory that has the converted models of all others."""
    models.mkdir(parents=True, exist_ok=True)
    data_dir.mkdir(parents=True)
    (data_dir / "models").symlink_to(models.resolve())
    return data_dir


@contextmanager
def _servers(folder: Path, *, is_s3: bool) -> Iterator[_Servers]:
    """Start RabbitMQ, Redis and an object store; S3 is moto's, in Python and in memory."""
    with ExitStack() as stack:
        guard = stack.enter_context(closing(Guard()))
        names = stack.enter_context(closing(NameServer(guard, folder / "names")))
        names.start()
        rabbitmq = stack.enter_context(
            closing(RabbitmqServer(guard, folder / "rabbitmq", names=names))
        )
        redis = stack.enter_context(closing(RedisServer(guard, folder / "redis")))
        s3 = stack.enter_context(closing(S3Server(guard, folder / "s3")))
        for server in (rabbitmq, redis, s3):
            server.start()
        yield _Servers(
            brokers=[rabbitmq, redis],
            store=s3,
            environment={
                "DISPATCHER_RABBITMQ_URL": rabbitmq.url(rabbitmq.new_vhost()),
                "DISPATCHER_REDIS_URL": redis.url(),
                "DISPATCHER_BLOB_URL": s3.url(s3.new_bucket())
                if is_s3
                else str((folder / "objects").resolve()),
                **s3.environment,
            },
        )


def _take(
    kind: str, services: Sequence[Service], photos: Sequence[Photo], servers: _Servers | None
) -> _Taken:
    """Send all photos several times, evenly to all dispatchers."""
    pipeline = f"&pipeline={PIPELINE}" if kind == "scripted" else ""
    query = f"?cache=false{pipeline}"
    uvloop.run(_send(services, photos[:32], query=query))
    groups = [
        [service.process for service in services],
        [] if servers is None else [_process(server) for server in servers.brokers],
        [] if servers is None else [_process(servers.store)],
    ]
    images = list(photos) * ROUNDS
    before = [_cpu_s(group) for group in groups]
    began = time.perf_counter()
    uvloop.run(_send(services, images, query=query))
    seconds = time.perf_counter() - began
    spent = [
        (_cpu_s(group) - earlier) * 1000 / len(images)
        for group, earlier in zip(groups, before, strict=True)
    ]
    return _Taken(len(images) / seconds, *spent)


async def _send(services: Sequence[Service], photos: Sequence[Photo], *, query: str) -> None:
    count = len(services)
    await asyncio.gather(
        *(
            label_all(service.url, photos[number::count], query=query, concurrency=64 // count)
            for number, service in enumerate(services)
        )
    )


def _process(server: ServerProcess) -> psutil.Process:
    return psutil.Process(server.pid)


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def _rows(name: str, turns: Sequence[_Taken]) -> list[Row]:
    rates = ", ".join(f"{one.per_second:.0f}" for one in turns)
    dispatcher = median(one.dispatcher_ms for one in turns)
    servers = median(one.server_ms for one in turns)
    store = median(one.store_ms for one in turns)
    return [
        Row(f"{name}", f"{median(one.per_second for one in turns):.0f} img/s"),
        Row(f"  turns: {rates}; dispatchers an image", f"{dispatcher:.2f} ms"),
        Row("  RabbitMQ and Redis an image", f"{servers:.2f} ms"),
        Row("  object store an image", f"{store:.2f} ms"),
    ]
