"""Events: what the cluster tells people about its objects."""

import hashlib

from tests.kubernetes_api.kinds import BY_NAME, Document, name_of, namespace_of
from tests.kubernetes_api.refusals import Refusal
from tests.kubernetes_api.store import Store, now


def note_event(store: Store, about: Document, reason: str, message: str, *, component: str) -> None:
    """Keep a warning about an object; the same one is kept once."""
    namespace = namespace_of(about)
    mark = hashlib.sha256(f"{about['metadata']['uid']} {reason} {message}".encode()).hexdigest()
    name = f"{name_of(about)}.{mark[:16]}"
    if store.find(BY_NAME["Event"], namespace, name) is not None:
        return
    event = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {
            "kind": about["kind"],
            "apiVersion": about["apiVersion"],
            "namespace": namespace,
            "name": name_of(about),
            "uid": about["metadata"]["uid"],
        },
        "type": "Warning",
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": now(),
        "lastTimestamp": now(),
        "count": 1,
    }
    try:
        store.add(BY_NAME["Event"], event, manager=component)
    except Refusal:
        return  # somebody was quicker
