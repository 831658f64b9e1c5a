"""The constants of the plan: what one image costs, what things cost, and where each is from.

Whoever has other machines or prices changes them here and writes the tables of
``docs/scale.md`` again: ``python -m benchmarks.scale_simulation.document``.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Final, get_args, get_type_hints


class Origin(StrEnum):
    """How much a figure can be trusted."""

    MEASURED = "measured"
    """On the 2-core machine of the README."""
    PUBLISHED = "published"
    """By those who make it."""
    ASSUMED = "assumed"
    """Nobody has looked."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a constant is from."""

    unit: str
    origin: Origin
    where: str


def _measured(unit: str, where: str) -> Source:
    return Source(unit, Origin.MEASURED, where)


def _published(unit: str, where: str) -> Source:
    return Source(unit, Origin.PUBLISHED, where)


def _assumed(unit: str, where: str) -> Source:
    return Source(unit, Origin.ASSUMED, where)


_OPERATIONS: Final = "counted by a proxy, 512 photos, two dispatchers"
_SHARED: Final = "two dispatchers, S3, replicas that take no time, busy machine"


@dataclass(frozen=True, slots=True)
class ImageCosts:
    """What one new image takes; times are of one core."""

    replica_s: Annotated[float, _measured("s", "bare loop of two processes: 309 images/s")] = 0.0065
    embedded_s: Annotated[float, _measured("s", "`bench scale_simulation`, dispatcher")] = 0.0014
    shared_s: Annotated[float, _measured("s", "`bench shared`, scripted, S3: dispatchers")] = 0.0103
    broker_s: Annotated[float, _measured("s", f"{_SHARED}: RabbitMQ")] = 0.0012
    redis_s: Annotated[float, _measured("s", f"{_SHARED}: Redis")] = 0.0009
    image_bytes: Annotated[float, _measured("bytes", "mean of 256 photos")] = 104_000
    image_hops: Annotated[float, _measured("", "client, dispatcher, store, worker, replica")] = 4
    record_puts: Annotated[float, _measured("PUTs", f"open/, ended/: {_OPERATIONS}")] = 2
    blob_puts: Annotated[float, _measured("PUTs", f"blobs/: {_OPERATIONS}")] = 1
    gets: Annotated[float, _measured("GETs", f"blobs/: {_OPERATIONS}")] = 1
    deletes: Annotated[float, _measured("DELETEs", f"open/: {_OPERATIONS}")] = 1
    redis_calls: Annotated[float, _measured("calls", "EVALSHA by INFO commandstats")] = 8.2
    redis_bytes: Annotated[float, _measured("bytes", "to and from Redis, through a proxy")] = 9_300
    broker_bytes: Annotated[float, _measured("bytes", "to and from RabbitMQ, through a proxy")] = (
        1_700
    )
    messages: Annotated[float, _measured("", "PUBLISH of Redis, each to every dispatcher")] = 2
    message_s: Annotated[
        float, _measured("s", "a dispatcher's time for one it does not want, 20,000 in bursts")
    ] = 0.000013
    redis_kept_bytes: Annotated[float, _measured("bytes", "used_memory, for each job")] = 2_400
    requests: Annotated[float, _measured("", "one POST, one long poll")] = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What one of something can do at most, or must have."""

    usage: Annotated[float, _measured("", "share of a core that is used; see the picture")] = 0.6
    queue_per_s: Annotated[
        float, _measured("jobs/s", "one quorum queue, one node: 400 publishes confirmed in 63 ms")
    ] = 6_300
    log_entries: Annotated[float, _assumed("", "Raft entries of a job: enqueue, settle")] = 2
    prefix_writes_per_s: Annotated[
        float, _published("/s", "S3: PUT, POST, DELETE for each prefix")
    ] = 3_500
    list_page: Annotated[float, _published("objects", "S3: most of one LIST")] = 1_000
    list_s: Annotated[float, _assumed("s", "one LIST")] = 0.05
    retention_s: Annotated[float, _measured("s", "default of --result-retention-s")] = 3_600
    ingress_per_s: Annotated[float, _assumed("requests/s", "one core of a proxy, TLS")] = 5_000
    dispatcher_bytes: Annotated[float, _measured("bytes", "README: 1,000 cached results")] = 90e6
    replica_bytes: Annotated[float, _measured("bytes", "ARCHITECTURE: OpenVINO")] = 180e6
    broker_bytes: Annotated[float, _assumed("bytes", "a RabbitMQ node; idle here 145 MB")] = 1e9
    machine_bytes_per_s: Annotated[float, _assumed("bytes/s", "network of 8 cores: 10 Gbit")] = (
        1.25e9
    )
    scale_up_s: Annotated[float, _assumed("s", "a new machine, an image, a model")] = 120.0
    jump: Annotated[float, _assumed("", "how much more comes at once")] = 0.2


@dataclass(frozen=True, slots=True)
class Prices:
    """Assumed list prices in US dollars, of the kind large clouds had in 2025; put in yours."""

    core_hour: Annotated[float, _assumed("$", "virtual core of a compute machine")] = 0.045
    gigabyte_hour: Annotated[float, _assumed("$", "memory beyond 2 GB for each core")] = 0.005
    put: Annotated[float, _assumed("$", "1,000 PUT or LIST: $0.005")] = 5e-6
    get: Annotated[float, _assumed("$", "1,000 GET: $0.0004")] = 4e-7
    stored_gigabyte_month: Annotated[float, _assumed("$", "object store")] = 0.023
    crossing_gigabyte: Annotated[float, _assumed("$", "zone to zone, both ends")] = 0.02
    gpu_hour: Annotated[float, _assumed("$", "machine with one small inference GPU")] = 0.80
    hours: Annotated[float, _assumed("hours", "a month")] = 730


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant, with its source."""

    name: str
    value: float
    source: Source


def constants_of(record: ImageCosts | Limits | Prices) -> list[Constant]:
    """Return all constants of a record, in order."""
    hints = get_type_hints(type(record), include_extras=True)
    return [
        Constant(field.name, getattr(record, field.name), get_args(hints[field.name])[1])
        for field in fields(record)
    ]
