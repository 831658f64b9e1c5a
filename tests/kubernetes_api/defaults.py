"""What the server adds to an object that does not say it."""

import ipaddress
from typing import Any, Final

from tests.kubernetes_api.kinds import BY_NAME, Document, Kind
from tests.kubernetes_api.quota import with_limit_defaults
from tests.kubernetes_api.refusals import Refusal
from tests.kubernetes_api.store import Store

_SERVICE_NETWORK: Final = ipaddress.IPv4Network("10.96.0.0/16")
_NODE_PORTS: Final = range(30_000, 32_768)


def with_defaults(store: Store, kind: Kind, namespace: str, document: Document) -> Document:
    """Return an object with everything that the server decides.

    Raises:
        Refusal: an address or port is taken, or there is none left.
    """
    if kind.name == "Deployment":
        return {**document, "spec": _deployment(document["spec"])}
    if kind.name == "Service":
        return {**document, "spec": _service(store, document.get("spec") or {})}
    if kind.name == "Pod":
        spec = with_limit_defaults(store, namespace, _pod(document["spec"]))
        return {**document, "spec": _with_token(spec)}
    return document


def _deployment(spec: Document) -> Document:
    strategy = {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    template = spec["template"]
    if template.get("spec", {}).get("containers"):
        template = {**template, "spec": _pod(template["spec"])}
    return {
        "replicas": 1,
        "strategy": strategy,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        **spec,
        "template": template,
    }


def _pod(spec: Document) -> Document:
    return {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        **spec,
        "containers": [_container(container) for container in spec["containers"]],
    }


def _container(container: Document) -> Document:
    image = str(container.get("image", ""))
    is_moving = "@" not in image and (
        image.endswith(":latest") or ":" not in image.rpartition("/")[2]
    )
    filled = {
        "imagePullPolicy": "Always" if is_moving else "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "resources": {},
        **container,
    }
    if container.get("ports"):
        filled["ports"] = [{"protocol": "TCP", **port} for port in container["ports"]]
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            filled[probe] = {
                "timeoutSeconds": 1,
                "periodSeconds": 10,
                "successThreshold": 1,
                "failureThreshold": 3,
                **container[probe],
            }
    return filled


def _with_token(spec: Document) -> Document:
    """Mount the service account's token unless the pod does without."""
    spec = {"serviceAccountName": "default", **spec}
    if spec.get("automountServiceAccountToken") is False:
        return spec
    volume = {"name": "kube-api-access", "projected": {"sources": []}}
    mount = {
        "name": "kube-api-access",
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        "readOnly": True,
    }
    return {
        **spec,
        "volumes": [*(spec.get("volumes") or ()), volume],
        "containers": [
            {**container, "volumeMounts": [*(container.get("volumeMounts") or ()), mount]}
            for container in spec["containers"]
        ],
    }


def _service(store: Store, spec: Document) -> Document:
    others = [other["spec"] for other in store.all(BY_NAME["Service"])]
    filled: dict[str, Any] = {"type": "ClusterIP", "sessionAffinity": "None", **spec}
    if "clusterIP" not in filled:
        taken = {other.get("clusterIP") for other in others}
        hosts = (str(host) for host in _SERVICE_NETWORK.hosts())
        filled["clusterIP"] = next(host for host in hosts if host not in taken)
    filled["clusterIPs"] = [filled["clusterIP"]]
    taken_ports = {
        port.get("nodePort")
        for other in others
        if other.get("clusterIP") != filled["clusterIP"]
        for port in other.get("ports") or ()
    }
    filled["ports"] = [
        _service_port(port, filled["type"], taken_ports) for port in spec.get("ports") or ()
    ]
    return filled


def _service_port(port: Document, service_type: str, taken: set[int | None]) -> Document:
    filled = {"protocol": "TCP", "targetPort": port["port"], **port}
    if service_type not in ("NodePort", "LoadBalancer"):
        return filled
    asked = port.get("nodePort")
    if asked in taken and asked is not None:
        raise Refusal(422, "Invalid", f"spec.ports[0].nodePort: {asked}: port is already allocated")
    free = (number for number in _NODE_PORTS if number not in taken)
    chosen = asked or next(free, None)
    if chosen is None:
        raise Refusal(500, "InternalError", "failed to allocate a nodePort: range is full")
    taken.add(chosen)
    return {**filled, "nodePort": chosen}
