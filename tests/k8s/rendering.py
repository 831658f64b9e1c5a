"""Renders the manifests: the plain files that ``kubectl apply -f`` takes, and what tests look at.

``./setup.sh manifests`` writes them. They are kept in the repository, so that neither a user nor a
test needs kustomize; a digest of what they were made from tells when they are out of date.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MANIFESTS: Final = ROOT / "k8s"
_RENDERED: Final = Path(__file__).parent / "rendered"
_MADE_FROM: Final = "# Made by ./setup.sh manifests from k8s/ with the SHA-256 "

KUSTOMIZATIONS: Final[Mapping[Path, Path]] = {
    MANIFESTS / "dispatcher.yaml": MANIFESTS / "plain" / "dispatcher",
    MANIFESTS / "deployment.yaml": MANIFESTS / "plain" / "deployment",
    MANIFESTS / "hpa.yaml": MANIFESTS / "plain" / "hpa",
    _RENDERED / "base.yaml": MANIFESTS / "base",
    _RENDERED / "minikube.yaml": MANIFESTS / "overlays" / "minikube",
    _RENDERED / "cluster.yaml": MANIFESTS / "overlays" / "cluster",
    _RENDERED / "everything.yaml": Path(__file__).parent / "everything",
    _RENDERED / "shared.yaml": Path(__file__).parent / "shared",
}
"""Which folder each file is made of."""


class RenderingError(Exception):
    """A kustomization cannot be rendered; the message says why."""


def can_render() -> bool:
    """Say whether kubectl, which brings kustomize, is on this machine."""
    return shutil.which("kubectl") is not None


def render(folder: Path) -> str:
    """Return the objects of a kustomization as YAML.

    Raises:
        RenderingError: it is not valid.
    """
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RenderingError(f"{folder.relative_to(ROOT)}: {done.stderr.strip()}")
    return done.stdout


def heading() -> str:
    """Return the first line of every file that is made of the sources as they are now."""
    return f"{_MADE_FROM}{_digest_of_sources()}\n"


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for folder in ("base", "components", "overlays", "plain"):
        for path in sorted((MANIFESTS / folder).rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(MANIFESTS)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def main() -> int:
    """Write every file anew; return the exit status."""
    if not can_render():
        sys.stderr.write("error: kubectl is needed to render the manifests\n")
        return 1
    try:
        for path, folder in KUSTOMIZATIONS.items():
            path.write_text(heading() + render(folder))
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    except RenderingError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
