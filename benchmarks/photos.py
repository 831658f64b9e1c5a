"""The photos to measure with: the reference set beside the project when it is there."""

import csv
from dataclasses import dataclass

from benchmarks.service import PROJECT

REFERENCE = PROJECT.parent / "shared" / "photos"


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo and, where it is known, its label."""

    name: str
    data: bytes
    label: str | None


def load_photos() -> list[Photo]:
    """Return the reference photos with their labels, else the project's own without."""
    table = REFERENCE / "labels.tsv"
    if table.is_file():
        with table.open() as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        return [
            Photo(row["file"], (REFERENCE / row["file"]).read_bytes(), row["label"]) for row in rows
        ]
    paths = sorted((PROJECT / "images").glob("*.jpg"))
    return [Photo(path.name, path.read_bytes(), None) for path in paths]
