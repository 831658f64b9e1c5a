"""Upscaling: by interpolation, or by a super-resolution network that OpenVINO executes.

A network takes NCHW floats from 0 to 1 in three channels (RGB) or in one: luma, while chroma,
which the eye sees less sharply, is interpolated (Dong et al. 2014).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from step_app.contract.step_types import STEP_TYPES
from step_app.errors import (
    ConfigurationError,
    InvalidParamsError,
    StepFailedError,
    WeightsMissingError,
)
from step_app.openvino_import import import_openvino
from step_app.settings import Settings
from step_app.steps.operation import Applied, Operation, Params, Pixels
from step_app.steps.resize import check_room, resample
from step_app.weights import digest_file

REVISION: Final = f"upscaling-1/cv{cv2.__version__}"

_INTERPOLATIONS: Final[Mapping[str, int]] = {
    "lanczos": cv2.INTER_LANCZOS4,
    "bicubic": cv2.INTER_CUBIC,
}
_PROBE_HEIGHT: Final = 48
_PROBE_WIDTH: Final = 64
"""A picture to try a network with; different sides show whether it keeps them apart."""
_RGB_CHANNELS: Final = 3

Planes = npt.NDArray[np.float32]
"""Shape (1, channels, height, width), 0 to 1."""


@dataclass(frozen=True, slots=True)
class SuperResolution:
    """A loaded network."""

    method: str
    """The param that names its file."""
    digest: str
    """SHA-256 of its files."""
    channels: int
    """3 for RGB, 1 for luma."""
    scale: int
    """How many times as wide and high it makes a picture."""
    compiled: Any
    """OpenVINO's compiled model."""

    def upscale(self, picture: Pixels) -> Pixels:
        """Return a larger picture; grey stays grey.

        Raises:
            StepFailedError: the network gave something else.
        """
        is_grey = picture.ndim == 2  # noqa: PLR2004
        if self.channels == 1:
            return self._upscale_grey(picture) if is_grey else self._upscale_luma(picture)
        if is_grey:
            made = self._upscale_planes(_converted(picture, cv2.COLOR_GRAY2RGB))
            return _converted(made, cv2.COLOR_RGB2GRAY)
        return self._upscale_planes(picture)

    def _upscale_grey(self, picture: Pixels) -> Pixels:
        return self._upscale_planes(picture[:, :, np.newaxis])[:, :, 0]

    def _upscale_luma(self, picture: Pixels) -> Pixels:
        luma_chroma = _converted(picture, cv2.COLOR_RGB2YCrCb)
        height, width = picture.shape[:2]
        made = resample(
            luma_chroma,
            width=width * self.scale,
            height=height * self.scale,
            interpolation=cv2.INTER_CUBIC,
        )
        made[:, :, 0] = self._upscale_grey(luma_chroma[:, :, 0])
        return _converted(made, cv2.COLOR_YCrCb2RGB)

    def _upscale_planes(self, picture: Pixels) -> Pixels:
        height, width, channels = picture.shape
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
        planes /= np.float32(255)
        made = self.infer(planes)
        if made.shape != (1, channels, height * self.scale, width * self.scale):
            raise StepFailedError(f"The network made {made.shape} of {planes.shape}.")
        if not np.isfinite(made).all():
            raise StepFailedError("The network gave no finite pixels.")
        levels = np.rint(np.clip(made[0], 0, 1) * np.float32(255)).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(1, 2, 0))

    def infer(self, planes: Planes) -> Planes:
        """Run the network.

        Raises:
            StepFailedError: it cannot take a picture of this size.
        """
        request = self.compiled.create_infer_request()
        try:
            request.infer({0: planes}, share_inputs=True)
        except RuntimeError as exc:
            raise StepFailedError(f"The network failed on {planes.shape}.") from exc
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)


def load_super_resolution(method: str, *, scale: int, threads: int) -> SuperResolution:
    """Load a network from an ``.onnx`` or ``.xml`` file and try it.

    Raises:
        WeightsMissingError: there is no such file.
        ConfigurationError: it is no network, takes or gives something else than pictures, or
            makes them larger by another factor than ``scale``.
    """
    path = Path(method)
    if not path.is_file():
        raise WeightsMissingError(f"upscaling: there is no file {method}")
    core = import_openvino().Core()
    try:
        model = core.read_model(path)
        channels = _channels_of(model)
        model.reshape({model.inputs[0]: [1, channels, -1, -1]})
        # Pixels are rounded to 8 bits: bf16, which has as many, would show.
        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        compiled = core.compile_model(model, "CPU", options)
    except (RuntimeError, ValueError) as exc:
        reason = str(exc).strip().splitlines() or ["unknown reason"]
        raise ConfigurationError(f"upscaling: {method} cannot be used: {reason[-1]}") from exc
    loaded = SuperResolution(method, _digest(path), channels, scale, compiled)
    try:
        made = loaded.infer(np.zeros((1, channels, _PROBE_HEIGHT, _PROBE_WIDTH), np.float32))
    except StepFailedError as exc:
        raise ConfigurationError(f"upscaling: {method} cannot be used: {exc.detail}") from exc
    if made.shape != (1, channels, _PROBE_HEIGHT * scale, _PROBE_WIDTH * scale):
        found = " x ".join(str(side) for side in made.shape)
        raise ConfigurationError(
            f"upscaling: {method} does not make pictures {scale} times as large (scale): it makes "
            f"{found} of 1 x {channels} x {_PROBE_HEIGHT} x {_PROBE_WIDTH}"
        )
    return loaded


def _channels_of(model: Any) -> int:
    """Return the channels of a network's only input.

    Raises:
        ValueError: it has another number of inputs, outputs, dimensions or channels.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError("it has more than one input or output")
    shape = model.inputs[0].get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != 4 or shape[1].is_dynamic:  # noqa: PLR2004
        raise ValueError(f"its input is {shape}, not NCHW")
    channels: int = shape[1].get_length()
    if channels not in (1, _RGB_CHANNELS):
        raise ValueError(f"it takes {channels} channels, not 1 or 3")
    return channels


def _digest(path: Path) -> str:
    """Return what changes with a network: the digest of its file, or of its two files."""
    weights = path.with_suffix(".bin")
    parts = [path, weights] if path.suffix == ".xml" and weights.is_file() else [path]
    return "-".join(digest_file(part)[:16] for part in parts)


def _converted(picture: Pixels, conversion: int) -> Pixels:
    return np.asarray(cv2.cvtColor(picture, conversion), dtype=np.uint8)


def upscale(picture: Pixels, params: Params, *, network: SuperResolution | None) -> Applied:
    """Return the picture ``scale`` times as wide and high.

    Raises:
        ImageTooLargeError: the result would be larger than any picture may be.
        InvalidParamsError: the params name a network that is not loaded.
    """
    scale, method = int(params["scale"]), params["method"]
    width, height = picture.shape[1] * scale, picture.shape[0] * scale
    check_room(width, height)
    interpolation = _INTERPOLATIONS.get(method)
    if interpolation is not None:
        return Applied([resample(picture, width=width, height=height, interpolation=interpolation)])
    if network is None or method != network.method:
        raise InvalidParamsError("method: this replica has not loaded that network")
    if scale != network.scale:
        raise InvalidParamsError(f"scale: the network of this replica has {network.scale}")
    return Applied([network.upscale(picture)])


def load_upscaling(params: Mapping[str, Any], settings: Settings) -> Operation:
    """Load the network where ``method`` names one.

    Raises:
        WeightsMissingError: there is no such file.
        ConfigurationError: it is no network, or does not fit ``scale``.
    """
    network = None
    if params["method"] not in _INTERPOLATIONS:
        network = load_super_resolution(
            params["method"], scale=int(params["scale"]), threads=settings.step_threads
        )
    return Operation(
        STEP_TYPES["upscaling"],
        revision=f"{REVISION}/{network.digest}" if network else REVISION,
        apply=lambda picture, params: upscale(picture, params, network=network),
    )
