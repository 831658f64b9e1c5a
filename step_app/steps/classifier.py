"""Classify: an ImageNet network's best labels for a picture."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from step_app.codec import decode_upright_rgb
from step_app.contract.step_types import STEP_TYPES
from step_app.errors import StepError, StepFailedError
from step_app.model_loading import LoadedModel, RuntimeRequest, load_model
from step_app.settings import Settings
from step_app.steps.base import JsonOutput, StepRequest, complete_params
from step_app.weights import ModelCard, locate_weights

STEP_TYPE: Final = STEP_TYPES["classifier"]
_PREPROCESSING: Final = "draft-box-bicubic-1"
"""Name of the way from bytes to crop; a change of it is a change of the model revision."""


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """A photo as the network sees it."""

    pixels: npt.NDArray[np.uint8]
    top_k: int


class ClassifierStep:
    """A loaded classifier."""

    def __init__(self, loaded: LoadedModel, *, params: Mapping[str, Any]) -> None:
        self._runtime = loaded.runtime
        self._card = loaded.card
        self._choice = loaded.choice
        self._params = params
        identity = [
            loaded.card.name,
            loaded.weights_digest,
            loaded.choice.runtime,
            loaded.choice.precision,
            _PREPROCESSING,
        ]
        self._revision = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]

    @property
    def revision(self) -> str:
        """Changes with the weights, the runtime, the precision and the preprocessing."""
        return self._revision

    @property
    def description(self) -> Mapping[str, str]:
        """The model, its runtime and its precision."""
        return {
            "model": self._card.name,
            "runtime": self._choice.runtime,
            "precision": self._choice.precision,
        }

    @property
    def is_batched(self) -> bool:
        """A network computes a batch faster than its images one by one."""
        return True

    def prepare(self, request: StepRequest) -> PreparedPhoto:
        """Decode a photo and cut out what the network sees."""
        top_k = self._params["top_k"]
        if request.params:
            top_k = complete_params(STEP_TYPE, self._params, request.params)["top_k"]
        # JSON schema takes 5.0 for an integer; a slice does not.
        return PreparedPhoto(pixels=crop_for(request.image, self._card), top_k=int(top_k))

    def run(self, batch: Sequence[PreparedPhoto]) -> list[JsonOutput | StepError]:
        """Label a batch of photos."""
        probabilities = self._runtime.infer(np.stack([photo.pixels for photo in batch]))
        return [
            self._answer(row, photo.top_k) for row, photo in zip(probabilities, batch, strict=True)
        ]

    def warm_up(self) -> None:
        """Run once, so that the first real photo does not pay for lazy initialisation."""
        crop = self._card.crop
        for size in (1, 2):
            self._runtime.infer(np.zeros((size, crop, crop, 3), dtype=np.uint8))

    def _answer(self, row: npt.NDArray[np.float32], top_k: int) -> JsonOutput | StepError:
        if not np.isfinite(row).all():
            return StepFailedError("The network gave no finite scores.")
        best = np.argsort(-row, kind="stable")[:top_k]
        return JsonOutput(
            data={
                "predictions": [self._card.categories[index] for index in best],
                "scores": [round(float(row[index]), 6) for index in best],
                "model": self._card.name,
            }
        )


def crop_for(image: bytes, card: ModelCard) -> npt.NDArray[np.uint8]:
    """Return the centre of a picture as the network sees it, shape (crop, crop, 3).

    The usual "resize the shorter side, then crop the centre" in one pass: only the pixels that
    survive the crop are resampled, with antialiasing.
    """
    picture = decode_upright_rgb(image, min_side=card.resize)
    side = min(picture.size) * card.crop / card.resize
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    resized = picture.resize(
        (card.crop, card.crop),
        Image.Resampling[card.interpolation.upper()],
        box=(left, top, left + side, top + side),
    )
    return np.asarray(resized)


def load_classifier(params: Mapping[str, Any], settings: Settings) -> ClassifierStep:
    """Load a classifier the fastest way that is known to be right.

    Raises:
        ConfigurationError: unknown model, or weights that are missing or do not fit.
    """
    loaded = load_model(
        locate_weights(params["model"], params["weights"]),
        RuntimeRequest(
            runtime=params["runtime"],
            precision=params["precision"],
            threads=settings.step_threads,
        ),
        cache_dir=settings.model_cache_dir,
    )
    step = ClassifierStep(loaded, params=params)
    step.warm_up()
    return step
