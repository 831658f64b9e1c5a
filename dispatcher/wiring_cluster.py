"""Puts together what finds and makes replicas in a Kubernetes cluster."""

from dispatcher.errors import StartupError
from dispatcher.settings import Settings
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.tracing import export_url
from dispatcher.topology.base import Topology
from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.discovery import KubernetesDiscovery
from dispatcher.topology.kubernetes.endpoints import parse_networks
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from dispatcher.topology.kubernetes.permissions import StepPolicy, read_host_volumes
from dispatcher.topology.model_files import ModelFiles


def build_cluster_topology(settings: Settings, *, metrics: Metrics) -> Topology:
    """Build a topology of pods; no call is made.

    Raises:
        StartupError: a setting cannot be.
    """
    try:
        pod_networks = parse_networks(settings.pod_cidrs)
    except ValueError as exc:
        raise StartupError(f"--pod-cidrs: {exc}") from exc
    cluster = ClusterApi(namespace=settings.pipeline_namespace, kubeconfig=settings.kubeconfig)
    discovery = KubernetesDiscovery(cluster, pod_networks=pod_networks)
    metrics.watch_discovery(age_s=discovery.age_s, rejected=discovery.rejected)
    policy = StepPolicy(
        namespace=settings.pipeline_namespace,
        image=settings.step_image,
        max_batch_size=settings.max_batch_size,
        has_node_port=settings.step_node_port,
        gpu_limit=settings.step_gpu_limit,
        volumes=read_host_volumes(settings.step_volumes),
        traces_url=export_url(settings),
    )
    return Topology(
        discovery=discovery,
        launcher=KubernetesLauncher(
            cluster, policy=policy, may_change=settings.allow_pipeline_changes
        ),
        # Pods see no folder of this process: what an image has, it loads by a model's name.
        model_files=ModelFiles(None),
        # Pipelines come and go there, the default one as well.
        awaited_replicas=0,
        cluster=cluster,
        may_be_scaled=settings.allow_pipeline_changes,
    )
