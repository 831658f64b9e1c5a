"""Puts the rooms together: the only place that knows which backend a setting means."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Final

from dispatcher.api.asgi import encode_json
from dispatcher.api.documents import result as result_document
from dispatcher.api.guards.guard import share_of_one
from dispatcher.api.guards.keys import KeyRing
from dispatcher.blobs.base import BlobStore
from dispatcher.blobs.directory import DirectoryBlobStore
from dispatcher.blobs.local import LocalBlobStore
from dispatcher.delivery.callback_url import CallbackPolicy
from dispatcher.delivery.client import WebhookClient
from dispatcher.delivery.outbox import Outbox
from dispatcher.delivery.sender import WebhookSender
from dispatcher.delivery.signing import load_signer
from dispatcher.execution.attempts import Attempts
from dispatcher.execution.collector import Collector
from dispatcher.execution.consumer import Consumer
from dispatcher.execution.deadlines import Deadlines
from dispatcher.execution.executor import Executor
from dispatcher.execution.retry import RetryPolicy
from dispatcher.execution.stage_cache import StageCache
from dispatcher.intake.admission import Admission, Limits
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing
from dispatcher.intake.endings import Endings
from dispatcher.intake.recovery import Recovery
from dispatcher.intake.submission import Intake
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.monitor import HealthMonitor
from dispatcher.queues.base import JobQueue
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.queues.sqlite import SqliteJobQueue
from dispatcher.results.base import ResultStore
from dispatcher.results.memory import MemoryResultStore
from dispatcher.results.sqlite import SqliteResultStore
from dispatcher.settings import Settings
from dispatcher.storage.space import Space
from dispatcher.storage.writer import Writer
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from dispatcher.topology.admin import PipelineAdmin
from dispatcher.topology.base import Connection, Discovery, Launcher
from dispatcher.topology.scaling_loop import ScalingLoop
from dispatcher.wiring_topology import build_topology

_BLOBS_FOLDER: Final = "blobs"
_PASSING_BLOBS_FOLDER: Final = "passing-blobs"
"""Emptied at each start; of the memory queue alone, so that trying it costs nobody a job."""


@dataclass(slots=True)
class Lifecycle:
    """Where the service is between start and end."""

    is_started: bool = False
    is_draining: bool = False
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more is waited for: whatever is still open ends."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where jobs, results and images are kept."""

    queue: JobQueue
    results: ResultStore
    blobs: BlobStore
    collector: Collector
    writer: Writer | None
    """What the durable ones write with."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the API and the server use, ready to be started."""

    settings: Settings
    keys: KeyRing | None
    """None when everybody may do everything."""
    lifecycle: Lifecycle
    metrics: Metrics
    figures: Figures
    queue: JobQueue
    results: ResultStore
    blobs: BlobStore
    writer: Writer | None
    recovery: Recovery
    pipelines: PipelineStore
    cache: ResultCache
    coalescing: Coalescing
    client: ReplicaClient
    pools: PoolDirectory
    monitor: HealthMonitor
    endings: Endings
    deadlines: Deadlines
    intake: Intake
    consumer: Consumer
    collector: Collector
    webhooks: WebhookClient
    webhook_sender: WebhookSender
    discovery: Discovery
    launcher: Launcher
    cluster: Connection | None
    """What both of them speak with; None on one machine."""
    awaited_replicas: int
    """Replicas of the default pipeline that have to be ready before the service is."""
    admin: PipelineAdmin
    scaling: ScalingLoop


def build_services(settings: Settings) -> Services:
    """Build all services; nothing is started and no file is touched."""
    lifecycle = Lifecycle()
    metrics = Metrics()
    figures = Figures(metrics)
    outbox = Outbox()
    make_stores = _durable_stores if settings.queue == "sqlite" else _memory_stores
    stores = make_stores(settings, outbox)
    queue, results, blobs, collector = (
        stores.queue,
        stores.results,
        stores.blobs,
        stores.collector,
    )
    pipelines = PipelineStore()
    cache = ResultCache(max_size=settings.cache_size)
    coalescing = Coalescing()
    client = ReplicaClient()
    policy = HealthPolicy()
    pools = PoolDirectory(client=client, policy=policy)
    deadlines = Deadlines()
    keys = None if settings.api_keys_file is None else KeyRing(settings.api_keys_file)
    endings = Endings(
        queue=queue,
        results=results,
        blobs=blobs,
        cache=cache,
        coalescing=coalescing,
        figures=figures,
        stop_work=lambda job_id: consumer.stop(job_id),  # noqa: PLW0108 - it is made below
        forget=deadlines.forget,
    )
    intake = Intake(
        queue=queue,
        results=results,
        blobs=blobs,
        pipelines=pipelines,
        cache=cache,
        coalescing=coalescing,
        endings=endings,
        figures=figures,
        watch=deadlines.watch,
        is_draining=lambda: lifecycle.is_draining,
        admission=Admission(
            queue=queue,
            figures=figures,
            pipelines=pipelines,
            pools=pools,
            limits=Limits(
                capacity_bytes=settings.queue_capacity_bytes,
                max_age_s=settings.max_queue_age_s,
                burst_s=settings.burst_s,
            ),
            share_of_one=share_of_one(keys, capacity=settings.queue_capacity),
        ),
    )
    executor = Executor(
        pipelines=pipelines,
        blobs=blobs,
        attempts=Attempts(pools=pools, policy=RetryPolicy(), jitter=random.Random()),
        cache=StageCache(),
    )
    consumer = Consumer(
        queue=queue,
        results=results,
        executor=executor,
        pipelines=pipelines,
        pools=pools,
        figures=figures,
        deadlines=deadlines,
        expire=endings.expire,
        is_wanted_by_others=coalescing.claim,
        on_ended=endings.settle,
    )
    topology = build_topology(settings, client=client, metrics=metrics)
    admin = PipelineAdmin(
        topology.launcher,
        store=pipelines,
        model_files=topology.model_files,
        max_replicas=settings.max_local_replicas,
        drain_timeout_s=settings.drain_timeout_s,
        is_draining=lambda: lifecycle.is_draining,
        is_idle=lambda pipeline_id: not queue.pending(pipeline_id),
        may_change=settings.allow_pipeline_changes,
    )
    webhooks = WebhookClient(
        load_signer=lambda: load_signer(settings.webhook_secret_file, data_dir=settings.data_dir),
        policy=callback_policy(settings),
    )
    return Services(
        settings=settings,
        keys=keys,
        lifecycle=lifecycle,
        metrics=metrics,
        figures=figures,
        queue=queue,
        results=results,
        blobs=blobs,
        writer=stores.writer,
        recovery=Recovery(
            queue=queue,
            results=results,
            blobs=blobs,
            cache=cache,
            coalescing=coalescing,
            watch=deadlines.watch,
        ),
        pipelines=pipelines,
        cache=cache,
        coalescing=coalescing,
        client=client,
        pools=pools,
        monitor=HealthMonitor(pools, client=client, policy=policy),
        endings=endings,
        deadlines=deadlines,
        intake=intake,
        consumer=consumer,
        collector=collector,
        webhooks=webhooks,
        webhook_sender=WebhookSender(
            outbox,
            results=results,
            caller=webhooks,
            policy=webhooks.policy,
            document_of=lambda job: encode_json(
                result_document(job, position=None, drain_rate=0.0)
            ),
            metrics=metrics,
            jitter=random.Random(),
        ),
        discovery=topology.discovery,
        launcher=topology.launcher,
        cluster=topology.cluster,
        awaited_replicas=topology.awaited_replicas,
        admin=admin,
        scaling=ScalingLoop(
            admin.scale,
            queue=queue,
            pipelines=pipelines,
            pools=pools,
            figures=figures,
            metrics=metrics,
            is_acting=settings.autoscale and topology.may_be_scaled,
        ),
    )


def callback_policy(settings: Settings) -> CallbackPolicy:
    """Return which addresses webhooks may go to."""
    return CallbackPolicy(
        allow_http=settings.webhook_allow_http, allow_private=settings.webhook_allow_private
    )


def _memory_stores(settings: Settings, outbox: Outbox) -> Stores:
    """Return stores that end with the process."""
    blobs = DirectoryBlobStore(settings.data_dir / _PASSING_BLOBS_FOLDER)
    collector = Collector(blobs=blobs)
    results = MemoryResultStore(
        retention_s=settings.result_retention_s,
        retention_count=settings.result_retention_count,
        key_retention_s=settings.idempotency_retention_s,
        on_dropped=collector.collect,
        on_due=outbox.add,
    )
    queue = MemoryJobQueue(capacity=settings.queue_capacity)
    return Stores(queue, results, blobs, collector, writer=None)


def _durable_stores(settings: Settings, outbox: Outbox) -> Stores:
    """Return stores that outlive the process; they share one database."""
    writer = Writer(settings.data_dir, beside=settings.data_dir / _BLOBS_FOLDER)
    space = Space(
        settings.data_dir,
        limit_bytes=settings.storage_limit_bytes,
        reserve_percent=settings.storage_reserve_percent,
        used_bytes=lambda: writer.size_bytes() + blobs.disk_bytes(),
    )
    blobs = LocalBlobStore(settings.data_dir / _BLOBS_FOLDER, writer=writer, space=space)
    collector = Collector(blobs=blobs)
    results = SqliteResultStore(
        writer,
        retention_s=settings.result_retention_s,
        retention_count=settings.result_retention_count,
        key_retention_s=settings.idempotency_retention_s,
        on_dropped=collector.collect,
        on_due=outbox.add,
    )
    queue = SqliteJobQueue(writer, capacity=settings.queue_capacity)
    return Stores(queue, results, blobs, collector, writer)
