"""How much of everything a rate takes, and what it costs: arithmetic over the plan's constants."""

import math
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.scale_simulation.plan import ImageCosts, Limits, Prices

ZONES: Final = 3
GIGA: Final = 1e9
GIBIBYTES_OF_A_CORE: Final = 2.0
OBJECT_STORE: Final = "object store"


@dataclass(frozen=True, slots=True)
class Design:
    """What is built how."""

    name: str
    is_shared: bool = True
    """Several dispatchers over three servers; else one with its own files."""
    records_together: int = 1
    """Records that one object of the store has."""
    images_together: int = 1
    """Images that one object of the store has."""
    hears_all: bool = True
    """Whether every dispatcher hears of every end."""
    redis_shards: int = 1
    broker_queues: int = 1
    """Queues of one pipeline and priority."""
    stays_in_zone: bool = False
    """Whether a worker prefers replicas of its own zone."""
    cells: int = 1
    """Installations beside each other, each with its part of the images."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one part needs at a rate."""

    name: str
    units: int
    """Processes, nodes or shards."""
    cores: float
    memory_gb: float
    load: str
    gives_out_at: float
    """Images a second at which what is there has no more to give; infinite when units add up."""
    dollars: float
    """A month."""


def parts_of(
    rate: float, design: Design, costs: ImageCosts, limits: Limits, prices: Prices
) -> list[Part]:
    """Return the parts of a design that does so many images a second.

    Args:
        rate: images a second, none of them seen before.
        design: what is built how; of several cells all are counted.
        costs: of one image.
        limits: of one of everything.
        prices: what is paid.
    """
    sizing = _Sizing(rate / design.cells, design, costs, limits, prices)
    parts = [sizing.replicas(), sizing.dispatchers()]
    if design.is_shared:
        parts += [sizing.broker(), sizing.redis(), sizing.store(), sizing.ingress()]
        parts.append(sizing.crossing())
    return [_times(part, design.cells) for part in parts]


def monthly(parts: list[Part]) -> float:
    """Return what parts cost together in a month, in dollars."""
    return sum(part.dollars for part in parts)


def first_to_give_out(parts: list[Part]) -> Part:
    """Return the part that gives out at the lowest rate."""
    return min(parts, key=lambda part: part.gives_out_at)


def dispatchers_needed(
    rate: float, *, image_s: float, heard: float, message_s: float, usage: float
) -> float:
    """Return how many dispatchers of one core do a rate together; infinite when no number does.

    Each does its part of the images, rate·image/n, and hears of everybody's ends, rate·heard·
    message. So n = rate·image / (usage - rate·heard·message): the term below the line is what no
    further dispatcher makes smaller (the serial part of Amdahl's law, as a rate).

    Args:
        rate: images a second.
        image_s: processor time for an image, in seconds.
        heard: messages for an image that every dispatcher hears.
        message_s: processor time for one, in seconds.
        usage: share of its core that a dispatcher may use.
    """
    left = usage - rate * heard * message_s
    return rate * image_s / left if left > 0 else math.inf


def images_waiting(rate: float, limits: Limits) -> float:
    """Return how many images wait when more comes at once, and replicas need time to be there."""
    return rate * limits.jump * limits.scale_up_s


def gpu_must_do(costs: ImageCosts, limits: Limits, prices: Prices) -> float:
    """Return how many images a second a GPU has to do to be as cheap as processors."""
    return prices.gpu_hour / prices.core_hour * limits.usage / costs.replica_s


class _Sizing:
    """One cell."""

    def __init__(
        self, rate: float, design: Design, costs: ImageCosts, limits: Limits, prices: Prices
    ) -> None:
        self._rate = rate
        self._design = design
        self._costs = costs
        self._limits = limits
        self._prices = prices

    def replicas(self) -> Part:
        """Return the replicas of the classifier, one core each."""
        return self._workers(
            "replicas",
            self._rate * self._costs.replica_s / self._limits.usage,
            self._limits.replica_bytes,
            load=f"{1000 * self._costs.replica_s:.1f} ms of a core an image",
        )

    def dispatchers(self) -> Part:
        """Return the dispatchers, one core each."""
        costs, limits = self._costs, self._limits
        if not self._design.is_shared:
            part = self._workers(
                "dispatcher",
                self._rate * costs.embedded_s / limits.usage,
                limits.dispatcher_bytes,
                load=f"{1000 * costs.embedded_s:.1f} ms of a core an image",
            )
            return _limited(part, limits.usage / costs.embedded_s)
        heard = costs.messages if self._design.hears_all else 0.0
        needed = dispatchers_needed(
            self._rate,
            image_s=costs.shared_s,
            heard=heard,
            message_s=costs.message_s,
            usage=limits.usage,
        )
        most = limits.usage / (heard * costs.message_s) if heard else math.inf
        count = needed if math.isfinite(needed) else self._rate * costs.shared_s / limits.usage
        part = self._workers(
            "dispatchers",
            max(2.0, count),
            limits.dispatcher_bytes,
            load=f"{1000 * costs.shared_s:.1f} ms an image; "
            f"each hears {self._rate * heard:,.0f} messages/s",
        )
        return _limited(part, most)

    def broker(self) -> Part:
        """Return RabbitMQ, three nodes, each of which has every message."""
        costs, limits, design = self._costs, self._limits, self._design
        cores = ZONES * self._rate * costs.broker_s / limits.usage
        nodes = ZONES * max(1, math.ceil(cores / ZONES / 16))
        most = design.broker_queues * limits.queue_per_s / limits.log_entries * limits.usage
        part = self._servers(
            "RabbitMQ",
            nodes,
            max(cores, nodes),
            nodes * limits.broker_bytes,
            load=f"{self._rate * limits.log_entries:,.0f} Raft entries/s "
            f"in {design.broker_queues} queue(s), each on three nodes",
        )
        return _limited(part, most)

    def redis(self) -> Part:
        """Return Redis, one core a shard, each with a replica of its own."""
        costs, limits, design = self._costs, self._limits, self._design
        kept_bytes = 2 * self._rate * limits.retention_s * costs.redis_kept_bytes
        part = self._servers(
            "Redis",
            2 * design.redis_shards,
            2 * design.redis_shards,
            kept_bytes,
            load=f"{self._rate * costs.redis_calls:,.0f} calls/s, "
            f"{self._rate * costs.redis_s / design.redis_shards:.2f} of a core each",
        )
        return _limited(part, design.redis_shards * limits.usage / costs.redis_s)

    def store(self) -> Part:
        """Return the object store: what is asked of it and kept in it."""
        costs, limits, prices, design = self._costs, self._limits, self._prices, self._design
        records = costs.record_puts / design.records_together
        puts = records + costs.blob_puts / design.images_together
        swept = self._rate * limits.retention_s / limits.list_page / design.records_together
        stored_gb = self._rate * limits.retention_s * costs.image_bytes / GIGA
        seconds = prices.hours * 3600
        dollars = seconds * self._rate * (puts * prices.put + costs.gets * prices.get)
        dollars += prices.hours * 3600 / limits.retention_s * swept * prices.put
        dollars += stored_gb * prices.stored_gigabyte_month
        # A record is written and removed again below one prefix: open/.
        writes = (costs.record_puts / 2 + costs.deletes) / design.records_together
        sweep_rate = limits.retention_s / (limits.list_s * swept / self._rate)
        most = min(limits.prefix_writes_per_s / writes, sweep_rate)
        load = (
            f"{self._rate * puts:,.0f} PUT/s, {self._rate * costs.gets:,.0f} GET/s, "
            f"{stored_gb:,.0f} GB; a sweep takes {swept * limits.list_s:,.0f} s"
        )
        return Part(OBJECT_STORE, 1, 0.0, 0.0, load, most, dollars)

    def ingress(self) -> Part:
        """Return the proxies before the dispatchers."""
        costs, limits = self._costs, self._limits
        requests = self._rate * costs.requests
        by_bytes = self._rate * costs.image_bytes / limits.machine_bytes_per_s * 8
        cores = max(2.0, requests / limits.ingress_per_s / limits.usage, by_bytes / limits.usage)
        return self._workers(
            "ingress",
            cores,
            GIBIBYTES_OF_A_CORE * GIGA / 4,
            load=f"{requests:,.0f} requests/s, {self._rate * costs.image_bytes / GIGA:.2f} GB/s",
        )

    def crossing(self) -> Part:
        """Return what goes from zone to zone: ingress to dispatcher, worker to replica."""
        hops = 1 if self._design.stays_in_zone else 2
        share = (ZONES - 1) / ZONES * (0 if self._design.cells > 1 else 1)
        per_s = self._rate * hops * share * self._costs.image_bytes / GIGA
        dollars = per_s * self._prices.hours * 3600 * self._prices.crossing_gigabyte
        everywhere = self._rate * self._costs.image_hops * self._costs.image_bytes / GIGA
        load = f"{per_s:.3g} GB/s of {everywhere:.3g} GB/s on all hops"
        return Part("zone to zone", 1, 0.0, 0.0, load, math.inf, dollars)

    def _workers(self, name: str, cores: float, unit_bytes: float, *, load: str) -> Part:
        units = max(1, math.ceil(cores))
        return self._servers(name, units, units, units * unit_bytes, load=load)

    def _servers(
        self, name: str, units: int, cores: float, memory_bytes: float, *, load: str
    ) -> Part:
        memory_gb = memory_bytes / GIGA
        beyond_gb = max(0.0, memory_gb - cores * GIBIBYTES_OF_A_CORE)
        an_hour = cores * self._prices.core_hour + beyond_gb * self._prices.gigabyte_hour
        dollars = an_hour * self._prices.hours
        return Part(name, units, cores, memory_gb, load, math.inf, dollars)


def _limited(part: Part, most: float) -> Part:
    return replace(part, gives_out_at=most)


def _times(part: Part, cells: int) -> Part:
    return replace(
        part,
        units=part.units * cells,
        cores=part.cores * cells,
        memory_gb=part.memory_gb * cells,
        gives_out_at=part.gives_out_at * cells,
        dollars=part.dollars * cells,
    )
