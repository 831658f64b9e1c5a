"""Which cluster, and who one is there: from a kubeconfig, or as the pod that this runs in."""

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)

from dispatcher.errors import StartupError

_log = logging.getLogger(__name__)


class Credentials(Protocol):
    """Configures the client, and keeps what expires fresh."""

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        ...

    async def load(self) -> Configuration:
        """Read the configuration.

        Raises:
            StartupError: it is missing or wrong.
        """
        ...


def credentials_from(kubeconfig: Path | None) -> Credentials:
    """Return what a kubeconfig says; without one, the service account of this pod."""
    return ServiceAccount() if kubeconfig is None else Kubeconfig(kubeconfig)


class ServiceAccount:
    """The one of the pod that this process runs in; its token is read again each minute."""

    origin = "no cluster to use (give --kubeconfig outside of one)"

    def __init__(
        self,
        *,
        token_file: Path = Path(SERVICE_TOKEN_FILENAME),
        ca_file: Path = Path(SERVICE_CERT_FILENAME),
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Prepare to read.

        Args:
            token_file: written by the kubelet, again and again.
            ca_file: the certificate authority of the cluster.
            environ: names the API server.
        """
        self._loader = InClusterConfigLoader(
            token_filename=str(token_file), cert_filename=str(ca_file), environ=environ
        )

    async def load(self) -> Configuration:
        """Read the files; the loader's hook does so again."""
        configuration = Configuration()
        try:
            self._loader.load_and_set(configuration)
        except (config.ConfigException, OSError) as exc:
            raise StartupError(f"{self.origin}: {first_line(exc)}") from exc
        return configuration


class Kubeconfig:
    """A file as kubectl uses it; read again once in a while, as clouds give tokens for an hour."""

    def __init__(self, path: Path, *, renew_s: float = 300.0) -> None:
        """Prepare to read.

        Args:
            path: of the file.
            renew_s: how long what it says is used until it is read again, in seconds.
        """
        self.origin = f"--kubeconfig {path}"
        self._path = path
        self._renew_s = renew_s
        self._read_at = 0.0

    async def load(self) -> Configuration:
        """Read the file."""
        configuration = Configuration()
        try:
            await self._read(configuration)
        except Exception as exc:  # whatever a file of another shape makes the loader raise
            raise StartupError(f"{self.origin}: {first_line(exc)}") from exc
        configuration.refresh_api_key_hook = self._renew
        return configuration

    async def _read(self, configuration: Configuration) -> None:
        self._read_at = time.monotonic()
        await config.load_kube_config(
            str(self._path), client_configuration=configuration, persist_config=False
        )

    async def _renew(self, configuration: Configuration) -> None:
        if time.monotonic() - self._read_at < self._renew_s:
            return
        try:
            await self._read(configuration)
        except Exception as exc:
            _log.warning("the last kubeconfig is kept: %s", first_line(exc))


def first_line(error: BaseException) -> str:
    """Return an error in one line."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
