"""Converted models and measured choices, kept between starts.

A start that finds its entry loads no torch and measures nothing: it is several times faster
and smaller. Replicas that start together for the first time wait for one of them to do the work.
"""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from step_app.openvino_import import import_openvino
from step_app.runtime import RuntimeChoice
from step_app.weights import ModelCard, digest_file

_ENTRY: Final = "entry.json"
_MODEL: Final = "model.xml"


@dataclass(frozen=True, slots=True)
class CachedModel:
    """One entry: how to execute a model, and the model where OpenVINO does it."""

    choice: RuntimeChoice
    card: ModelCard
    model_path: Path | None


class ModelCache:
    """A directory of entries, each written whole or not at all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, key: str) -> CachedModel | None:
        """Return the entry, or None when there is none that can be used."""
        folder = self._directory / key
        try:
            entry = json.loads((folder / _ENTRY).read_text())
            choice = RuntimeChoice(**entry["choice"])
            card = ModelCard.from_json(entry["card"])
            damaged = any(digest_file(folder / n) != d for n, d in entry["digests"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if damaged:
            return None
        if choice.runtime != "openvino":
            return CachedModel(choice=choice, card=card, model_path=None)
        path = folder / _MODEL
        return CachedModel(choice=choice, card=card, model_path=path) if path.is_file() else None

    def put(self, key: str, choice: RuntimeChoice, card: ModelCard, model: Any | None) -> None:
        """Keep an entry; ``model`` is the OpenVINO model, where that is the choice."""
        for leftover in self._directory.glob(f".new-{key}-*"):
            shutil.rmtree(leftover, ignore_errors=True)  # its writer was killed
        staging = Path(tempfile.mkdtemp(prefix=f".new-{key}-", dir=self._directory))
        try:
            if model is not None:
                import_openvino().save_model(model, staging / _MODEL, compress_to_fp16=False)
            digests = {file.name: digest_file(file) for file in staging.iterdir()}
            entry = {"choice": asdict(choice), "card": card.to_json(), "digests": digests}
            (staging / _ENTRY).write_text(json.dumps(entry))
            shutil.rmtree(self._directory / key, ignore_errors=True)
            staging.rename(self._directory / key)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the right to make an entry, across processes."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / f"{key}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
