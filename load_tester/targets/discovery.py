"""Finds pipelines in a Kubernetes cluster: the NodePort services whose name ends in `step-0`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaml import YAMLError

from load_tester.errors import UnreachableError, UsageError

SUFFIX = "step-0"
DEFAULT_NAMESPACE = "default"
TIMEOUT_S = 10.0
# In this order: what the cluster is left by.
_ADDRESS_TYPES = ("ExternalIP", "InternalIP", "Hostname")

# What the client's reader raises for a kubeconfig of another shape.
_GARBAGE = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class NodePort:
    """One service of the cluster's that is reached at a port of every node."""

    name: str
    port: int


def discover(*, namespace: str, node_host: str | None) -> tuple[str, ...]:
    """Return the URLs of the first steps of all pipelines in a namespace, by their names.

    The cluster is the one that this runs in, or that of the kubeconfig (`KUBECONFIG`). Ports are
    asked at `node_host`, or at the address of a node that is ready.

    Raises UsageError when there is no such service or no way into a cluster, UnreachableError
    when the cluster does not answer.
    """
    # A fifth of a second, which only those pay who ask for it.
    from kubernetes import client  # noqa: PLC0415
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    configuration = client.Configuration()
    # A cluster that does not answer is said to be so at once.
    configuration.retries = False
    _read_way_in(configuration)
    try:
        with client.ApiClient(configuration) as connection:
            api = client.CoreV1Api(connection)
            services = api.list_namespaced_service(namespace, _request_timeout=TIMEOUT_S)
            ports = find_node_ports(services.items)
            if not ports:
                raise UsageError(
                    f"no NodePort service ends in {SUFFIX} in the namespace {namespace}"
                )
            host = node_host
            if host is None:
                host = find_node_address(api.list_node(_request_timeout=TIMEOUT_S).items)
    except ApiException as exc:
        raise UnreachableError(
            f"the cluster refuses to list its services and nodes: {exc.status} {exc.reason}"
        ) from exc
    except (HTTPError, OSError) as exc:
        raise UnreachableError(f"the cluster does not answer: {_in_one_line(exc)}") from exc
    return tuple(f"http://{_bracketed(host)}:{port.port}" for port in ports)


def find_node_ports(services: Sequence[Any]) -> list[NodePort]:
    """Return the NodePort services whose name ends in `step-0`, by name; the first port of each."""
    found = (
        NodePort(service.metadata.name, service.spec.ports[0].node_port)
        for service in services
        if service.spec.type == "NodePort"
        and service.metadata.name.endswith(SUFFIX)
        and service.spec.ports
        and service.spec.ports[0].node_port
    )
    return sorted(found, key=lambda port: port.name)


def find_node_address(nodes: Sequence[Any]) -> str:
    """Return the address of the first node that is ready, external before internal.

    Raises UsageError when there is none.
    """
    for node in nodes:
        ready = any(
            condition.type == "Ready" and condition.status == "True"
            for condition in node.status.conditions or ()
        )
        addresses = {address.type: address.address for address in node.status.addresses or ()}
        for kind in _ADDRESS_TYPES:
            if ready and kind in addresses:
                return str(addresses[kind])
    raise UsageError("no node of the cluster is ready; name one by --node-host")


def _read_way_in(configuration: Any) -> None:
    """Fill in where the cluster is and who asks: the kubeconfig, else that of the pod itself.

    Raises UsageError when there is neither, or it cannot be read.
    """
    from kubernetes import config  # noqa: PLC0415

    paths = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    try:
        if any(Path(path).expanduser().exists() for path in paths.split(os.pathsep)):
            config.load_kube_config(config_file=paths, client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except (config.ConfigException, YAMLError, OSError, *_GARBAGE) as exc:
        raise UsageError(f"--discover finds no way into a cluster: {_in_one_line(exc)}") from exc


def _in_one_line(exc: Exception) -> str:
    return " ".join(str(exc).split()) or type(exc).__name__


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
