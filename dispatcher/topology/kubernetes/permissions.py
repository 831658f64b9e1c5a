"""What an administrator lets the pods of clients' pipelines have, beside a processor and memory."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from dispatcher.errors import InvalidPipelineError, StartupError
from dispatcher.pipelines.step_fields import VOLUMES
from dispatcher.topology.configmap import StepRecord

_HOST_PATHS: Final[Mapping[str, str]] = {
    "cuda": "/usr/local/cuda",
    "lib": "/usr/lib/aarch64-linux-gnu",
    "jetson-inference": "/usr/local/share/jetson-inference",
}
"""Where these folders are on a Jetson, the hosts of reference system (a), unless told."""
_PATH: Final = re.compile(r"/[\w./-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StepPolicy:
    """What pods of clients' pipelines are made of, and may ask for."""

    namespace: str
    image: str
    max_batch_size: int
    """Most images that a replica computes together."""
    has_node_port: bool = True
    """Whether the first step of a pipeline can be reached through the nodes."""
    gpu_limit: int = 0
    """Most GPUs of one replica; 0 allows none."""
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Folders of the host that may be asked for, and where each is."""
    traces_url: str | None = None
    """Where replicas send their spans; None when nowhere."""


def read_host_volumes(text: str) -> Mapping[str, str]:
    """Return the folders that an administrator allows, and where on the host each is.

    Args:
        text: like ``cuda,lib=/opt/lib``; a folder without a path is where a Jetson has it.

    Raises:
        StartupError: it is not like that.
    """
    allowed = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, is_told, path = entry.partition("=")
        if name not in VOLUMES:
            raise StartupError(f"--step-volumes: {name!r} is none of {', '.join(VOLUMES)}")
        path = path if is_told else _HOST_PATHS[name]
        if not _PATH.fullmatch(path) or ".." in PurePosixPath(path).parts:
            raise StartupError(f"--step-volumes: {name}: {path!r} is no absolute path")
        allowed[name] = path
    return allowed


def check_permitted(records: Sequence[StepRecord], policy: StepPolicy) -> None:
    """Return when every step asks only for what the administrator allows.

    Raises:
        InvalidPipelineError: one asks for more; the detail names it.
    """
    for record in records:
        where = f"step {record.key.step_id}"
        if record.gpu > policy.gpu_limit:
            raise InvalidPipelineError(
                f"{where}: gpu: the administrator allows at most {policy.gpu_limit}."
            )
        for volume in record.volumes:
            if volume not in policy.volumes:
                known = ", ".join(sorted(policy.volumes)) or "none"
                raise InvalidPipelineError(
                    f"{where}: volumes: the administrator does not allow {volume}; "
                    f"allowed: {known}."
                )
