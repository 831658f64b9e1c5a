"""Puts the rooms together: the only place that knows which backend a setting means."""

import asyncio
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from dispatcher.api.asgi import encode_json
from dispatcher.api.documents import result as result_document
from dispatcher.api.guards.guard import share_of_one
from dispatcher.api.guards.keys import KeyRing
from dispatcher.blobs.base import BlobStore
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
from dispatcher.execution.sharing.assembly import ChunkSharing, build_sharing, is_over_in
from dispatcher.execution.stage_cache import StageCache
from dispatcher.intake.admission import Admission, Limits
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing
from dispatcher.intake.elsewhere import EndedElsewhere
from dispatcher.intake.endings import Endings
from dispatcher.intake.recovery import Recovery
from dispatcher.intake.restocking import Restocking
from dispatcher.intake.submission import Intake
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.monitor import HealthMonitor
from dispatcher.queues.base import JobQueue
from dispatcher.results.base import ResultStore
from dispatcher.servers.base import Server
from dispatcher.settings import Settings
from dispatcher.storage.writer import Writer
from dispatcher.stores import Elsewhere, Stores
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.tracing import create_tracer
from dispatcher.topology.admin import PipelineAdmin
from dispatcher.topology.base import Connection, Discovery, Launcher
from dispatcher.topology.scaling_loop import ScalingLoop
from dispatcher.wiring_stores import build_stores
from dispatcher.wiring_topology import build_topology
from step_app.contract.spans import Tracer


@dataclass(slots=True)
class Lifecycle:
    """Where the service is between start and end."""

    is_started: bool = False
    is_draining: bool = False
    has_met_servers: bool = False
    """Whether all servers that it shares with others have answered once."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more is waited for: whatever is still open ends."""


@dataclass(frozen=True, slots=True)
class Teamwork:
    """The loops of a dispatcher that shares its jobs with others."""

    ended_elsewhere: EndedElsewhere
    restocking: Restocking
    chunks: ChunkSharing | None
    """None when each computes the chunks of its own jobs alone."""
    metrics: Metrics

    def note_lost(self) -> None:
        """Look at once for jobs that have lost their place."""
        self.metrics.queue_losses.inc()
        self.restocking.hurry()


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the API and the server use, ready to be started."""

    settings: Settings
    keys: KeyRing | None
    """None when everybody may do everything."""
    lifecycle: Lifecycle
    metrics: Metrics
    tracer: Tracer
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
    servers: Sequence[Server]
    """What is shared with other dispatchers: nothing on one machine."""
    teamwork: Teamwork | None
    """What a dispatcher does for others, and they for it; None when there is one."""
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
    tracer = create_tracer(settings, metrics)
    figures = Figures(metrics)
    outbox = Outbox()
    coalescing = Coalescing()
    ended_elsewhere = EndedElsewhere(coalescing)
    stores = build_stores(
        settings,
        outbox,
        Elsewhere(
            on_stop=lambda job_id: consumer.stop(job_id),  # noqa: PLW0108 - it is made below
            on_ended=ended_elsewhere.note,
            on_lost=lambda: teamwork.note_lost() if teamwork else None,
            on_hurry=lambda: teamwork.restocking.hurry() if teamwork else None,
            on_return=ended_elsewhere.look_now,
        ),
    )
    queue, results, blobs = stores.queue, stores.results, stores.blobs
    pipelines = PipelineStore()
    cache = ResultCache(max_size=settings.cache_size)
    client = ReplicaClient()
    policy = HealthPolicy()
    pools = PoolDirectory(
        client=client,
        policy=policy,
        on_ejected=lambda failure: metrics.count_ejection(failure.name.lower()),
    )
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
        tracer=tracer,
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
        is_accepting=settings.role != "worker",
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
    attempts = Attempts(
        pools=pools,
        policy=RetryPolicy(),
        jitter=random.Random(),
        on_retry=lambda error: metrics.count_retry(error.code),
        tracer=tracer,
    )
    sharing = _sharing(stores, settings, attempts=attempts, pools=pools)
    executor = Executor(
        pipelines=pipelines,
        blobs=blobs,
        attempts=attempts,
        cache=StageCache(),
        chunks=None if sharing is None else sharing.chunks,
        tracer=tracer,
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
        # Where others wait for it elsewhere, one of them has taken its place.
        is_wanted_by_others=(lambda _: False) if queue.is_shared else coalescing.claim,
        on_ended=endings.settle,
        end_linked=endings.settle_linked,
        find_answer=endings.find_answer,
    )
    teamwork = _teamwork(stores, ended_elsewhere, sharing, endings=endings, metrics=metrics)
    topology = build_topology(settings, client=client, pools=pools, metrics=metrics)
    admin = PipelineAdmin(
        topology.launcher,
        store=pipelines,
        model_files=topology.model_files,
        max_replicas=settings.max_local_replicas,
        drain_timeout_s=settings.drain_timeout_s,
        is_draining=lambda: lifecycle.is_draining,
        work=queue,
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
        tracer=tracer,
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
        collector=stores.collector,
        servers=stores.servers,
        teamwork=teamwork,
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
            tracer=tracer,
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
            # Of several, each would follow its own view: that is left to who sees them all.
            is_acting=settings.autoscale and topology.may_be_scaled and not queue.is_shared,
        ),
    )


def callback_policy(settings: Settings) -> CallbackPolicy:
    """Return which addresses webhooks may go to."""
    return CallbackPolicy(
        allow_http=settings.webhook_allow_http,
        allow_private=settings.webhook_allow_private,
        has_secret=settings.queue != "rabbitmq" or settings.webhook_secret_file is not None,
    )


def _sharing(
    stores: Stores, settings: Settings, *, attempts: Attempts, pools: PoolDirectory
) -> ChunkSharing | None:
    if stores.chunks is None:
        return None
    return build_sharing(
        stores.chunks,
        attempts=attempts,
        pools=pools,
        blobs=stores.blobs,
        is_over=is_over_in(stores.results),
        name=f"{socket.gethostname()}:{settings.port}",
    )


def _teamwork(
    stores: Stores,
    ended_elsewhere: EndedElsewhere,
    sharing: ChunkSharing | None,
    *,
    endings: Endings,
    metrics: Metrics,
) -> Teamwork | None:
    if stores.shared is None:
        return None
    return Teamwork(
        ended_elsewhere,
        Restocking(
            stores.shared,
            queue=stores.queue,
            endings=endings,
            on_restocked=metrics.restocked.inc,
        ),
        sharing,
        metrics,
    )
