"""Objects to try things with."""

from typing import Any

from tests.kubernetes_api.kinds import Document

SAFE_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def config_map(name: str = "thing", **metadata: Any) -> Document:
    """Return a ConfigMap."""
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, **metadata},
        "data": {"key": "value"},
    }


def deployment(name: str = "thing", *, replicas: int = 1, **container: Any) -> Document:
    """Return a Deployment that a strict namespace takes."""
    step = {
        "name": "step",
        "image": "conveyor-step:0.1.0",
        "ports": [{"name": "http", "containerPort": 5000}],
        "securityContext": SAFE_CONTAINER,
        **container,
    }
    labels = {"app": name}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [step]}},
        },
    }


def service(name: str = "thing", **spec: Any) -> Document:
    """Return the Service of such a Deployment."""
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 5000, "targetPort": "http"}],
            **spec,
        },
    }
