"""The data directory: one dispatcher has it at a time."""

import fcntl
from pathlib import Path
from typing import IO, Final

from dispatcher.errors import StartupError

_LOCK_FILE: Final = "lock"
_NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.glusterfs", "fuse.sshfs"}
)
_MOUNT_POINT: Final = 4
_MOUNTS: Final = Path("/proc/self/mountinfo")


def open_data_dir(directory: Path, *, is_durable: bool = False) -> IO[str]:
    """Make the data directory and take possession of it, until the returned file is closed.

    Args:
        directory: where it is.
        is_durable: whether accepted jobs are kept there.

    Raises:
        StartupError: it cannot be written, another dispatcher has it, or it is on a network file
            system, where SQLite's write-ahead log and locks do not work.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / _LOCK_FILE).open("w")
    except OSError as exc:
        raise StartupError(
            f"cannot write to the data directory {directory}: {exc.strerror}"
        ) from exc
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        file.close()
        raise StartupError(f"another dispatcher uses the data directory {directory}") from exc
    kind = file_system_of(directory.resolve(), _read_mounts())
    if is_durable and kind in _NETWORK_FILE_SYSTEMS:
        file.close()
        raise StartupError(
            f"the data directory {directory} is on a network file system ({kind}), where jobs "
            "cannot be kept safely; choose a local one with --data-dir"
        )
    return file


def file_system_of(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds a path.

    Args:
        path: absolute, links resolved.
        mounts: as in ``/proc/self/mountinfo`` (proc_pid_mountinfo(5)).

    Returns:
        The kernel's name of it; empty when it is not known.
    """
    best, kind = "", ""
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split(" ")
        place = fields[_MOUNT_POINT].replace("\\040", " ") if len(fields) > _MOUNT_POINT else ""
        # The last one of equal length lies over the others.
        if place and path.is_relative_to(place) and len(place) >= len(best):
            best, kind = place, source.split(" ")[0]
    return kind


def _read_mounts() -> str:
    try:
        return _MOUNTS.read_text()
    except OSError:
        return ""
