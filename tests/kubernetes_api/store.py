"""All objects of the cluster, their versions, and what happened to them."""

import copy
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.kubernetes_api.kinds import (
    BY_NAME,
    Document,
    Kind,
    is_leaving,
    name_of,
    namespace_of,
)
from tests.kubernetes_api.refusals import already_exists, conflict, expired, not_found

_FOREGROUND = "foregroundDeletion"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to an object."""

    version: int
    kind: Kind
    before: Document | None
    """None when it was made."""
    after: Document | None
    """None when it is gone."""

    @property
    def document(self) -> Document:
        """The object as a watch shows it: its last state, with the version of this change."""
        found = self.after or self.before
        assert found is not None
        if self.after is None:
            metadata = {**found["metadata"], "resourceVersion": str(self.version)}
            return {**found, "metadata": metadata}
        return found


class Store:
    """Keeps objects; a document in it is never altered, only replaced.

    Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = 1000
        self._objects: dict[str, dict[tuple[str, str], Document]] = {name: {} for name in BY_NAME}
        self._history: list[Change] = []
        self._oldest = self.version
        """Changes up to this version are forgotten."""
        self._listeners: list[Callable[[Change], None]] = []

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call a function at each change, in whatever thread; return what ends that."""
        with self.lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def all(self, kind: Kind, namespace: str = "") -> list[Document]:
        """Return objects by name; those of all namespaces when none is given."""
        with self.lock:
            found = sorted(self._objects[kind.name].items())
        return [document for (place, _), document in found if namespace in ("", place)]

    def find(self, kind: Kind, namespace: str, name: str) -> Document | None:
        """Return an object; None when there is none."""
        with self.lock:
            return self._objects[kind.name].get((namespace, name))

    def get(self, kind: Kind, namespace: str, name: str) -> Document:
        """Return an object.

        Raises:
            Refusal: there is none.
        """
        found = self.find(kind, namespace, name)
        if found is None:
            raise not_found(kind, name)
        return found

    def uids(self) -> set[str]:
        """Return the uids of all objects."""
        with self.lock:
            return {
                str(document["metadata"]["uid"])
                for objects in self._objects.values()
                for document in objects.values()
            }

    def everything(self) -> Iterator[tuple[Kind, Document]]:
        """Yield all objects."""
        for kind in BY_NAME.values():
            for document in self.all(kind):
                yield kind, document

    def add(self, kind: Kind, document: Document, *, manager: str) -> Document:
        """Take in an object.

        Raises:
            Refusal: the name is taken.
        """
        with self.lock:
            added = copy.deepcopy(document)
            metadata = added["metadata"]
            if not metadata.get("name"):
                metadata["name"] = self._free_name(kind, added)
            key = (namespace_of(added), name_of(added))
            if key in self._objects[kind.name]:
                raise already_exists(kind, name_of(added))
            metadata["uid"] = str(uuid.uuid4())
            metadata["creationTimestamp"] = now()
            if "spec" in added:
                metadata["generation"] = 1
            for gone in ("deletionTimestamp", "selfLink"):
                metadata.pop(gone, None)
            _note_manager(added, manager)
            return self._put(kind, None, added)

    def _free_name(self, kind: Kind, added: Document) -> str:
        """Return a generated name that is not taken; the real one tries again as well."""
        while True:
            name = f"{added['metadata']['generateName']}{secrets.token_hex(3)[:5]}"
            if (namespace_of(added), name) not in self._objects[kind.name]:
                return name

    def replace(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[Document], Document],
        *,
        manager: str = "",
    ) -> Document:
        """Put an object in place of what it was.

        Args:
            kind: of the object.
            namespace: of the object.
            name: of the object.
            change: returns the new one of a copy of the old one; one with another
                ``resourceVersion`` is refused.
            manager: who does it; nobody is noted when empty.

        Raises:
            Refusal: there is none, or it is another than was meant.
        """
        with self.lock:
            before = self.get(kind, namespace, name)
            after = change(copy.deepcopy(before))
            expected = after["metadata"].get("resourceVersion")
            if expected and expected != before["metadata"]["resourceVersion"]:
                raise conflict(
                    kind,
                    name,
                    "the object has been modified; please apply your changes to the latest "
                    "version and try again",
                )
            _keep_identity(kind, before, after)
            if after == before:
                return before
            if after.get("spec") != before.get("spec"):
                after["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1
            if manager:
                _note_manager(after, manager)
            if is_leaving(after) and not after["metadata"].get("finalizers"):
                return self._drop(kind, after)
            return self._put(kind, before, after)

    def delete(
        self, kind: Kind, namespace: str, name: str, *, policy: str = "Background", grace_s: int = 0
    ) -> Document:
        """Delete an object, or mark it when something has to be done before; return it.

        Args:
            kind: of the object.
            namespace: of the object.
            name: of the object.
            policy: ``Foreground``: its dependents go before it does.
            grace_s: of a pod: how long it may take to end, in seconds.

        Raises:
            Refusal: there is none.
        """
        with self.lock:
            before = self.get(kind, namespace, name)
            finalizers = list(before["metadata"].get("finalizers") or ())
            if policy == "Foreground" and _FOREGROUND not in finalizers:
                finalizers.append(_FOREGROUND)
            if not finalizers and not grace_s:
                return self._drop(kind, before)
            marks = {"deletionTimestamp": now(), "deletionGracePeriodSeconds": grace_s}
            metadata = {**marks, **before["metadata"]}  # the first deletion counts
            if finalizers:
                metadata["finalizers"] = finalizers
            return self._put(kind, before, {**before, "metadata": metadata})

    def since(self, version: int) -> list[Change]:
        """Return what has happened since a version.

        Raises:
            Refusal: that is forgotten.
        """
        with self.lock:
            if version < self._oldest:
                raise expired(version, self._oldest)
            return [change for change in self._history if change.version > version]

    def forget(self) -> None:
        """Forget what has happened so far; the objects stay."""
        with self.lock:
            self.version += 1  # what was read a moment ago is too old as well
            self._oldest = self.version
            self._history.clear()

    def _put(self, kind: Kind, before: Document | None, after: Document) -> Document:
        self.version += 1
        metadata = {**after["metadata"], "resourceVersion": str(self.version)}
        after = {**after, "metadata": metadata}
        self._objects[kind.name][namespace_of(after), name_of(after)] = after
        self._tell(Change(self.version, kind, before, after))
        return after

    def _drop(self, kind: Kind, document: Document) -> Document:
        before = self._objects[kind.name].pop((namespace_of(document), name_of(document)))
        self.version += 1
        self._tell(Change(self.version, kind, before, None))
        return document

    def _tell(self, change: Change) -> None:
        self._history.append(change)
        for listener in list(self._listeners):
            listener(change)


def now() -> str:
    """Return the time as objects carry it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _keep_identity(kind: Kind, before: Document, after: Document) -> None:
    """Let nobody change what an object is.

    Raises:
        Refusal: another object was meant.
    """
    old, new = before["metadata"], after["metadata"]
    if new.get("uid", old["uid"]) != old["uid"]:
        why = f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: "
        raise conflict(kind, name_of(before), why + old["uid"])
    for key in ("uid", "name", "namespace", "creationTimestamp", "generation", "resourceVersion"):
        if key in old:
            new[key] = old[key]
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if key in old:
            new[key] = old[key]
        else:
            new.pop(key, None)


def _note_manager(document: Document, manager: str) -> None:
    """Say who wrote last; which fields it were is left out."""
    metadata = document["metadata"]
    others = [one for one in metadata.get("managedFields", ()) if one["manager"] != manager]
    entry = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": document["apiVersion"],
        "time": now(),
        "fieldsType": "FieldsV1",
        "fieldsV1": {},
    }
    metadata["managedFields"] = [*others, entry]
