"""Pods as real processes: the container's command with the pod's environment and volumes."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.kubernetes_api.kinds import BY_NAME, Document, name_of, namespace_of
from tests.kubernetes_api.store import Store

_ROOT: Final = Path(__file__).resolve().parents[2]
_PROBE_S: Final = 0.05
_PROBE_TIMEOUT_S: Final = 1.0
_RESTART_S: Final = 0.3
_MAX_PRE_STOP_S: Final = 0.3
"""A test does not wait as long as a cluster does."""


@dataclass(frozen=True, slots=True)
class ProcessFolder:
    """Where pods have their volumes and logs, and what their image is."""

    folder: Path
    entrypoint: Sequence[str] = (sys.executable, "-m", "step_app")
    """What the image runs."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the image sets."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """What is set whatever a pod says: a test's machine is smaller than a cluster."""
    namespace: str = ""
    """Whose pods they are; empty for all."""
    seeds: Mapping[str, Path] = field(default_factory=dict)
    """Folders whose files a new volume has at first, by the path where it is mounted."""
    probers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "probe"))
    """Ask pods how they are: a busy one takes its time."""


class PodProcess:
    """The first container of one pod."""

    def __init__(self, pod: Document, *, address: str, folder: ProcessFolder) -> None:
        self._pod = pod
        self._container = pod["spec"]["containers"][0]
        self._address = address
        self._image = folder
        self._folder = folder.folder / name_of(pod)
        self._process: subprocess.Popen[bytes] | None = None
        self._probed_at = 0.0
        self._probing: Future[bool] | None = None
        self._is_seeded = False
        self._ended_at: float | None = None
        self._terminate_at: float | None = None
        self._mounted: dict[str, str] = {}
        self.is_ready = False
        self.restarts = 0
        self.exit_code = 0

    def mount(self, store: Store) -> None:
        """Make the folders of all volumes; write those that are ConfigMaps again when changed."""
        self._seed()
        namespace = namespace_of(self._pod)
        for volume in self._pod["spec"].get("volumes") or ():
            place = self._place(volume["name"])
            place.mkdir(parents=True, exist_ok=True)
            sources = (volume.get("projected") or {}).get("sources") or [volume]
            for source in sources:
                asked = source.get("configMap")
                if asked:
                    found = store.find(BY_NAME["ConfigMap"], namespace, asked["name"])
                    self._write(place, asked, (found or {}).get("data") or {})

    def look(self) -> bool:
        """Start the process if it does not run, ask it how it is; say whether it runs."""
        if self._process is None:
            if self._ended_at is None or time.monotonic() - self._ended_at > _RESTART_S:
                self._start()
            return self._process is not None
        code = self._process.poll()
        if code is not None:
            self._let_go()
            self._ended_at = time.monotonic()
            self.exit_code, self.is_ready = code, False
            self.restarts += 1
            return False
        if self._probing is not None and self._probing.done():
            self.is_ready, self._probing = self._probing.result(), None
            self._probed_at = time.monotonic()
        elif self._probing is None and time.monotonic() - self._probed_at > _PROBE_S:
            self._probing = self._image.probers.submit(self._probe)
        return True

    def terminate(self) -> None:
        """Begin the end: the hook before it, then the signal."""
        hook = (self._container.get("lifecycle") or {}).get("preStop")
        self._terminate_at = time.monotonic() + (_MAX_PRE_STOP_S if hook else 0.0)

    def is_over(self) -> bool:
        """Go on with the end; say whether the process is gone."""
        if self._process is None:
            return True
        now = time.monotonic()
        if self._terminate_at is not None and now >= self._terminate_at:
            self._process.send_signal(signal.SIGTERM)
            self._terminate_at = None
        if self._process.poll() is None:
            return False
        self._let_go()
        return True

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._let_go()

    def _let_go(self) -> None:
        """Close what was open to a process that has ended."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process = None

    def _start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [*self._command()]
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def _command(self) -> Sequence[str]:
        command = self._container.get("command") or list(self._image.entrypoint)
        if command[0] in ("python", "python3"):
            command = [sys.executable, *command[1:]]
        return [*command, *(self._container.get("args") or ())]

    def _environment(self) -> dict[str, str]:
        """Return what the container sees; paths of volumes are where they are on this machine."""
        named = dict(self._image.environment)
        for variable in self._container.get("env") or ():
            named[variable["name"]] = self._value(variable)
        for mount in self._container.get("volumeMounts") or ():
            path, place = mount["mountPath"], str(self._place(mount["name"]))
            for name, value in named.items():
                if value == path or value.startswith(f"{path}/"):
                    named[name] = place + value[len(path) :]
        outer = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
        # An address of its own stands for the network of its own that a pod has; and what a test
        # starts must end with it.
        inner = {"SERVICE_HOST": self._address, "EXIT_WITH_PARENT": "1"}
        return {**outer, **named, **inner, **self._image.overrides}

    def _value(self, variable: Document) -> str:
        if "valueFrom" not in variable:
            return str(variable.get("value", ""))
        path = variable["valueFrom"]["fieldRef"]["fieldPath"]
        return {
            "metadata.name": name_of(self._pod),
            "metadata.namespace": namespace_of(self._pod),
            "status.podIP": self._address,
        }[path]

    def _place(self, volume: str) -> Path:
        return self._folder / "volumes" / volume

    def _seed(self) -> None:
        if self._is_seeded:
            return
        self._is_seeded = True
        for mount in self._container.get("volumeMounts") or ():
            seed = self._image.seeds.get(mount["mountPath"])
            if seed is not None:
                shutil.copytree(seed, self._place(mount["name"]), dirs_exist_ok=True)

    def _write(self, place: Path, asked: Document, data: Mapping[str, str]) -> None:
        items = asked.get("items")
        paths = {one["key"]: one["path"] for one in items} if items else {key: key for key in data}
        for key, path in paths.items():
            if key in data and self._mounted.get(f"{place}/{path}") != data[key]:
                (place / path).write_text(data[key])
                self._mounted[f"{place}/{path}"] = data[key]

    def _probe(self) -> bool:
        """Ask as the startup probe does until it is answered, then as the readiness probe does."""
        fields = ("readinessProbe",) if self.is_ready else ("startupProbe", "readinessProbe")
        return all(
            self._is_answered(self._container[one]) for one in fields if one in self._container
        )

    def _is_answered(self, probe: Document) -> bool:
        asked = probe["httpGet"]
        port = asked["port"]
        for named in self._container.get("ports") or ():
            if named.get("name") == port:
                port = named["containerPort"]
        connection = http.client.HTTPConnection(self._address, int(port), timeout=_PROBE_TIMEOUT_S)
        try:
            connection.request("GET", asked.get("path", "/"))
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()
