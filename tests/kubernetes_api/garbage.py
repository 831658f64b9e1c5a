"""The garbage collector: what belonged to an object goes after it, or before it when asked."""

from typing import Final

from tests.kubernetes_api.kinds import Document, Kind, is_leaving, name_of, namespace_of
from tests.kubernetes_api.refusals import Refusal
from tests.kubernetes_api.store import Store

_FOREGROUND: Final = "foregroundDeletion"


def collect(store: Store) -> None:
    """Delete what has lost all its owners, and what stands in the way of a deletion."""
    waiting = {
        document["metadata"]["uid"]: (kind, document)
        for kind, document in store.everything()
        if _FOREGROUND in (document["metadata"].get("finalizers") or ()) and is_leaving(document)
    }
    existing = store.uids()
    blocked = set()
    for kind, document in store.everything():
        owners = [one["uid"] for one in document["metadata"].get("ownerReferences") or ()]
        if owners and not existing & set(owners):
            _delete(store, kind, document, "Background")
        for uid in set(owners) & waiting.keys():
            blocked.add(uid)
            _delete(store, kind, document, "Foreground")
    for uid in waiting.keys() - blocked:
        kind, document = waiting[uid]
        store.replace(kind, namespace_of(document), name_of(document), _released)


def _delete(store: Store, kind: Kind, document: Document, policy: str) -> None:
    if is_leaving(document):
        return
    grace_s = 0
    if kind.name == "Pod":
        grace_s = document["spec"].get("terminationGracePeriodSeconds", 30)
        policy = "Background"
    try:
        store.delete(
            kind, namespace_of(document), name_of(document), policy=policy, grace_s=grace_s
        )
    except Refusal:
        return  # it is gone already


def _released(document: Document) -> Document:
    finalizers = [one for one in document["metadata"]["finalizers"] if one != _FOREGROUND]
    metadata = {**document["metadata"], "finalizers": finalizers}
    if not finalizers:
        del metadata["finalizers"]
    return {**document, "metadata": metadata}
