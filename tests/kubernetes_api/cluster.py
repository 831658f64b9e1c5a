"""The door to the stand-in: start a cluster, look into it, make things go wrong.

::

    with running_cluster() as cluster:
        path = cluster.kubeconfig(tmp_path)

Everything here may be called from any thread, in tests with and without an event loop.
"""

import asyncio
import concurrent.futures
import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from tests.kubernetes_api.access_rules import ADMINISTRATOR
from tests.kubernetes_api.admission import admit_change, admit_new
from tests.kubernetes_api.certificates import authority, server_context
from tests.kubernetes_api.controllers import Controllers
from tests.kubernetes_api.faults import Failure, Fault, Faults
from tests.kubernetes_api.kinds import BY_NAME, Document
from tests.kubernetes_api.kubelet import Pods
from tests.kubernetes_api.pod_security import LABEL
from tests.kubernetes_api.processes import ProcessFolder
from tests.kubernetes_api.refusals import Refusal, conflict
from tests.kubernetes_api.server import ApiServer, Call
from tests.kubernetes_api.store import Store

STEPS_NAMESPACE: Final = "conveyor-steps"
_NAMESPACES: Final = {"default": {}, "conveyor": {}, STEPS_NAMESPACE: {LABEL: "restricted"}}
_TEST: Final = "test"
"""Who wrote what a test writes by itself."""


class Cluster:
    """A cluster that runs; made by ``running_cluster``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.pods = Pods()
        self.store = Store()
        self._loop = loop
        self._faults = Faults()
        self._tokens: dict[str, str] = {}
        self._server = ApiServer(self.store, self._faults, self._tokens)
        self._controllers = Controllers(self.store, self.pods)
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        """Keeps the port while nobody listens there."""
        self.port: int = self._reserved.getsockname()[1]
        for name, labels in _NAMESPACES.items():
            metadata = {"name": name, "labels": labels}
            self.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": metadata})

    # ---- how to reach it

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self.port}"

    def token(self, account: str = ADMINISTRATOR) -> str:
        """Return a new token of a ServiceAccount, ``namespace/name``, or of the administrator."""
        token = secrets.token_urlsafe(16)
        self._tokens[token] = account
        return token

    def kubeconfig(
        self, folder: Path, account: str = ADMINISTRATOR, *, namespace: str = STEPS_NAMESPACE
    ) -> Path:
        """Write a kubeconfig; return its path."""
        ca_path = folder / "cluster-ca.pem"
        authority().cert_pem.write_to_path(ca_path)
        context = {"cluster": "c", "user": "u", "namespace": namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": self.url, "certificate-authority": str(ca_path)},
                }
            ],
            "users": [{"name": "u", "user": {"token": self.token(account)}}],
            "contexts": [{"name": "x", "context": context}],
            "current-context": "x",
        }
        path = folder / f"kubeconfig-{account.replace('/', '-')}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    def in_cluster(self, folder: Path, account: str = ADMINISTRATOR) -> Mapping[str, str]:
        """Write ``token`` and ``ca.crt`` as a pod has them; return the variables it has."""
        (folder / "token").write_text(self.token(account))
        authority().cert_pem.write_to_path(folder / "ca.crt")
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}

    def revoke_tokens(self) -> None:
        """Let no token that was given out count any more."""
        self._tokens.clear()

    # ---- what is in it

    def apply(self, document: Document, *, manager: str = _TEST) -> Document:
        """Make or replace an object, past rights and faults, but not past the rules."""
        kind = BY_NAME[document["kind"]]
        metadata = document["metadata"]
        namespace = metadata.get("namespace", STEPS_NAMESPACE) if kind.is_namespaced else ""
        with self.store.lock:
            before = self.store.find(kind, namespace, metadata.get("name", ""))
            if before is None:
                added = admit_new(self.store, kind, namespace, document, warn=_ignore)
                return self.store.add(kind, added, manager=manager)
            placed = {**metadata, "namespace": namespace} if namespace else metadata
            document = {**document, "metadata": placed}
            after = admit_change(self.store, kind, before, document, warn=_ignore)
            return self.store.replace(
                kind, namespace, metadata["name"], lambda _: after, manager=manager
            )

    def load(self, documents: Iterable[Document]) -> None:
        """Make or replace objects."""
        for document in documents:
            self.apply(document)

    def get(self, kind: str, name: str, *, namespace: str = STEPS_NAMESPACE) -> Document:
        """Return an object.

        Raises:
            KeyError: there is none.
        """
        found = self.store.find(BY_NAME[kind], self._place(kind, namespace), name)
        if found is None:
            raise KeyError(f"{kind} {name}")
        return found

    def objects(self, kind: str, *, namespace: str = STEPS_NAMESPACE) -> list[Document]:
        """Return all objects of a kind by name."""
        return self.store.all(BY_NAME[kind], self._place(kind, namespace))

    def edit(
        self,
        kind: str,
        name: str,
        change: Callable[[Document], object],
        *,
        namespace: str = STEPS_NAMESPACE,
    ) -> Document:
        """Alter an object in place, past all rules."""

        def changed(document: Document) -> Document:
            change(document)
            return document

        return self.store.replace(
            BY_NAME[kind], self._place(kind, namespace), name, changed, manager=_TEST
        )

    def remove(self, kind: str, name: str, *, namespace: str = STEPS_NAMESPACE) -> None:
        """Delete an object."""
        self.store.delete(BY_NAME[kind], self._place(kind, namespace), name)

    @property
    def calls(self) -> Sequence[Call]:
        """All calls so far."""
        return tuple(self._server.calls)

    @property
    def warnings(self) -> Sequence[str]:
        """All warnings that callers got."""
        return tuple(self._server.warnings)

    @property
    def open_watches(self) -> int:
        """How many watches are open."""
        return self._server.watches.count

    # ---- what goes wrong

    def refuse(
        self,
        *,
        status: int = 403,
        reason: str = "Forbidden",
        message: str = "the cluster says no",
        verb: str | None = None,
        resource: str | None = None,
        name: str | None = None,
        times: int | None = 1,
        retry_after_s: int | None = None,
    ) -> None:
        """Refuse calls; ``times=None`` until ``heal``."""
        refusal = Refusal(status, reason, message, retry_after_s=retry_after_s)
        self._faults.add(Fault(Failure.REFUSED, verb, resource, name, refusal, left=times))

    def contend_for_quota(self, *, times: int | None = 1) -> None:
        """Refuse new objects as a server does that cannot count them into a ResourceQuota."""
        refusal = conflict(BY_NAME["ResourceQuota"], "steps", "the object has been modified")
        self._faults.add(Fault(Failure.REFUSED, verb="create", refusal=refusal, left=times))

    def delay(
        self,
        seconds: float,
        *,
        verb: str | None = None,
        resource: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Answer calls later."""
        self._faults.add(Fault(Failure.SLOW, verb, resource, seconds=seconds, left=times))

    def drop(
        self,
        *,
        verb: str | None = None,
        resource: str | None = None,
        after_effect: bool = False,
        times: int | None = 1,
    ) -> None:
        """Break the connections of calls, before or after what they ask is done."""
        failure = Failure.DROPPED_AFTER if after_effect else Failure.DROPPED_BEFORE
        self._faults.add(Fault(failure, verb, resource, left=times))

    def garble(
        self, *, verb: str | None = None, resource: str | None = None, times: int | None = 1
    ) -> None:
        """Answer calls with what is no JSON."""
        self._faults.add(Fault(Failure.GARBLED, verb, resource, left=times))

    def heal(self) -> None:
        """End all faults of calls."""
        self._faults.clear()

    def silence_watches(self) -> None:
        """Have the open watches say nothing any more."""
        self._do(self._server.watches.silence)

    def end_watches(self) -> None:
        """End the open watches."""
        self._do(self._server.watches.end)

    def break_watches(self) -> None:
        """Break the connections of the open watches."""
        self._do(self._server.watches.cut)

    def expire_versions(self) -> None:
        """Forget all versions so far: whoever watches from one is told 410."""
        self.store.forget()

    def freeze(self) -> None:
        """Accept connections and answer nothing; the open watches fall silent as well."""
        self._do(self._server.thawed.clear)
        self.silence_watches()

    def thaw(self) -> None:
        """Answer again; what is silent stays so."""
        self._do(self._server.thawed.set)

    def stop_answering(self) -> None:
        """Refuse connections and break all there are."""
        self._run(self._server.stop())

    def answer_again(self) -> None:
        """Listen at the same port again."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self._run(self._server.start(listener, server_context()))

    def run_pods_for_real(self, image: ProcessFolder) -> None:
        """Have pods be processes from now on."""
        self.pods.processes = image

    # ---- its life

    async def run(self, is_ready: "concurrent.futures.Future[None]", end: asyncio.Event) -> None:
        """Serve and control until told to end."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        try:
            await self._server.start(listener, server_context())
            controlling = asyncio.create_task(self._controllers.run())
            await asyncio.sleep(0)  # namespaces have their accounts
            is_ready.set_result(None)
            await end.wait()
            controlling.cancel()
            await asyncio.gather(controlling, return_exceptions=True)
        finally:
            await self._server.stop()
            self._controllers.close()
            self._reserved.close()

    def _do(self, action: Callable[[], None]) -> None:
        async def act() -> None:
            action()

        self._run(act())

    def _run(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def _place(self, kind: str, namespace: str) -> str:
        return namespace if BY_NAME[kind].is_namespaced else ""


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run a cluster in a thread of its own."""
    is_ready: concurrent.futures.Future[None] = concurrent.futures.Future()
    handles: list[tuple[Cluster, asyncio.Event]] = []

    async def live() -> None:
        try:
            cluster = Cluster(asyncio.get_running_loop())
            end = asyncio.Event()
            handles.append((cluster, end))
            await cluster.run(is_ready, end)
        except BaseException as exc:
            if not is_ready.done():
                is_ready.set_exception(exc)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="cluster", daemon=True)
    thread.start()
    is_ready.result(timeout=30)
    cluster, end = handles[0]
    try:
        yield cluster
    finally:
        cluster._do(end.set)
        thread.join(timeout=30)


def _ignore(_: str) -> None:
    """Warnings are for callers."""
