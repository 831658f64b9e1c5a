"""Reads a Dockerfile."""

import re
from collections.abc import Sequence
from pathlib import Path

from tests.images.locks import ROOT, Image


def dockerfile(image: Image) -> Path:
    return ROOT / image.place / "Dockerfile"


def instructions(image: Image) -> Sequence[tuple[str, str]]:
    """The instructions in their order, each with its arguments on one line."""
    lines = (line for line in dockerfile(image).read_text().splitlines() if line[:1] != "#")
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest) for name, rest in pairs]


def last_stage(image: Image) -> Sequence[tuple[str, str]]:
    all_of_them = instructions(image)
    start = max(n for n, (name, _) in enumerate(all_of_them) if name == "FROM")
    return all_of_them[start:]


def arguments(stage: Sequence[tuple[str, str]], wanted: str) -> Sequence[str]:
    return [rest for name, rest in stage if name == wanted]
