"""Reads what an image installs, and what its code imports."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
IMAGE_PLATFORM = {"platform_machine": "x86_64", "sys_platform": "linux", "extra": ""}

_OWN = ("dispatcher", "step_app")
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)", re.MULTILINE)
_HASHED_PIN = re.compile(
    r"^([a-z0-9.-]+)==(\S+) \\\n    --hash=sha256:([0-9a-f]{64})$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Image:
    """One image of the product."""

    place: str
    """Folder of its Dockerfile and its requirements."""
    code: tuple[str, ...]
    """Folders that are copied into it."""
    named_by_string: frozenset[str] = frozenset()
    """What the code, or a package, imports by a name in a string."""


DISPATCHER = Image(
    "dispatcher",
    code=("dispatcher", "step_app/contract"),
    named_by_string=frozenset({"hiredis"}),  # by redis, when it is there
)
STEP = Image(
    "step_app",
    code=("step_app",),
    named_by_string=frozenset(
        # importlib for the first two, uvicorn for the next two, starlette for the last
        {"openvino", "torchvision", "httptools", "uvloop", "python-multipart"}
    ),
)


def read_wishes(image: Image) -> set[str]:
    """Return the packages that ``requirements.in`` names."""
    lines = (ROOT / image.place / "requirements.in").read_text().splitlines()
    return {canonicalize_name(line) for line in lines if line and not line.startswith("#")}


def read_lock(image: Image) -> Mapping[str, str]:
    """Return the version of every package in the image; all lines must be pinned and hashed."""
    text = (ROOT / image.place / "requirements.txt").read_text()
    text = "".join(line for line in text.splitlines(True) if not line.startswith("#"))
    found = _HASHED_PIN.findall(text)
    pins: dict[str, str] = {canonicalize_name(name): version for name, version, _ in found}
    assert not _HASHED_PIN.sub("", text).strip(), "every line is a pin with the hash of its file"
    return pins


def read_project_pins() -> Mapping[str, str]:
    """Return the version of every package that the project is tested with."""
    text = (ROOT / "requirements.txt").read_text()
    return {str(canonicalize_name(name)): version for name, version in _PIN.findall(text)}


def imported_by(image: Image) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield every package that the code imports, with the distributions that could be meant."""
    distributions = packages_distributions()
    for module in sorted(_imported_modules(image)):
        names = frozenset(canonicalize_name(name) for name in distributions.get(module, ()))
        yield module, names


def _imported_modules(image: Image) -> set[str]:
    found = set()
    for folder in image.code:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module)
    tops = {name.split(".")[0] for name in found}
    return tops - sys.stdlib_module_names - set(_OWN)


def needed_by(wishes: set[str]) -> set[str]:
    """Return these packages and all that they need, and so on, on the platform of the images."""
    found: set[str] = set()
    left = set(wishes)
    while left:
        name = left.pop()
        found.add(name)
        left |= {canonicalize_name(r.name) for r in _requirements_of(name)} - found
    return found


def _requirements_of(name: str) -> Iterator[Requirement]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(IMAGE_PLATFORM):
            yield requirement
