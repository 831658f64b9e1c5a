"""The machine and the versions that the figures of a run belong to."""

import platform
from importlib.metadata import version
from pathlib import Path

import psutil

_CPU_FILE = Path("/proc/cpuinfo")


def describe_environment() -> dict[str, str]:
    """Return what a reader has to know of the machine that sent the images."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(psutil.cpu_count() or 1),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "uvloop": version("uvloop"),
    }


def _processor() -> str:
    """Return the processor's name; Linux tells it in a file, others through `platform`."""
    try:
        lines = _CPU_FILE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")
