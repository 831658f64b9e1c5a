"""Pin what each image installs, with the hash of every file: ``./setup.sh lock [PIP ARGUMENTS]``.

``PLACE/requirements.in`` names what the code of an image imports, the ``requirements.txt`` of the
project says in which version, and pip says what else that needs and which files it would take.
The images are for Linux on x86-64 with Python 3.11, and so are the hashes. Off a machine that has
PyTorch's builds without CUDA, say where they are::

    ./setup.sh lock --extra-index-url https://download.pytorch.org/whl/cpu
"""

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PLACES = ("dispatcher", "step_app")
HEAD = """\
# Every package in the image of {place}, pinned with the hash of its file for Linux on x86-64 and
# Python 3.11. Made from requirements.in by ./setup.sh lock; versions are those of the project.
"""


def main(pip_arguments: Sequence[str]) -> int:
    """Write the lock file of each image; return the exit status."""
    if (sys.version_info[:2], platform.system(), platform.machine()) != (
        (3, 11),
        "Linux",
        "x86_64",
    ):
        sys.stderr.write("the images are for Python 3.11 on Linux on x86-64: lock them there\n")
        return 1
    for place in PLACES:
        pins = sorted(pin(found) for found in resolve(ROOT / place, pip_arguments))
        lock = ROOT / place / "requirements.txt"
        lock.write_text(HEAD.format(place=place) + "".join(pins))
        sys.stdout.write(f"{lock.relative_to(ROOT)}: {len(pins)} packages\n")
    return 0


def resolve(folder: Path, pip_arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Return what pip would install into an empty environment, installing nothing."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--quiet", "--only-binary", ":all:", "--report", "-", *pip_arguments]
    command += ["-c", str(ROOT / "requirements.txt"), "-r", str(folder / "requirements.in")]
    report = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    found: list[dict[str, Any]] = json.loads(report)["install"]
    return found


def pin(found: dict[str, Any]) -> str:
    """Return the line of the lock file for one package."""
    name = found["metadata"]["name"].lower().replace("_", "-")
    digest = found["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{name}=={found['metadata']['version']} \\\n    --hash=sha256:{digest}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
