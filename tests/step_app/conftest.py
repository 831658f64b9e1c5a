"""The real model, loaded once for all tests of the replica."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from step_app.model_loading import RuntimeRequest, load_model
from step_app.runtime import Pixels, TorchRuntime
from step_app.settings import Settings
from step_app.steps.classifier import ClassifierStep, crop_for, load_classifier
from step_app.weights import DEFAULT_MODEL, ModelCard, WeightsSource, build_network, locate_weights
from tests.step_app.pictures import SAMPLE_PHOTOS

if TYPE_CHECKING:
    import torch

THREADS = 2
CLASSIFIER_PARAMS = {
    "model": DEFAULT_MODEL,
    "weights": None,
    "top_k": 5,
    "precision": "f32",
    "runtime": "openvino",
}
"""What the shared model is: OpenVINO in f32 gives torch's answers, and starts sooner."""


@pytest.fixture(scope="session")
def source() -> WeightsSource:
    """The weights of the default model."""
    return locate_weights(DEFAULT_MODEL, None)


@pytest.fixture(scope="session")
def network(source: WeightsSource) -> "tuple[torch.nn.Module, ModelCard]":
    """The default model in torch, and its card."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # inside torch and timm
        return build_network(source)


@pytest.fixture(scope="session")
def card(network: "tuple[torch.nn.Module, ModelCard]") -> ModelCard:
    return network[1]


@pytest.fixture(scope="session")
def reference(network: "tuple[torch.nn.Module, ModelCard]") -> TorchRuntime:
    """Torch in f32: what every other way to execute the model must agree with."""
    return TorchRuntime(*network, precision="f32", threads=THREADS)


@pytest.fixture(scope="session")
def sample_crops(card: ModelCard) -> Pixels:
    """The photos of the repository as the network sees them."""
    photos = sorted(SAMPLE_PHOTOS.glob("*.jpg"))
    return np.stack([crop_for(path.read_bytes(), card) for path in photos])


@pytest.fixture(scope="session")
def model_cache_dir(tmp_path_factory: pytest.TempPathFactory, source: WeightsSource) -> Path:
    """A model cache that holds the shared model."""
    folder = tmp_path_factory.mktemp("models")
    load_model(source, RuntimeRequest("openvino", "f32", THREADS), cache_dir=folder)
    return folder


@pytest.fixture(scope="session")
def step_settings(model_cache_dir: Path) -> Settings:
    """Settings with which the shared model is loaded from the cache."""
    return Settings(step_threads=THREADS, model_cache_dir=model_cache_dir)


@pytest.fixture(scope="session")
def classifier(step_settings: Settings) -> ClassifierStep:
    """The shared model as a step."""
    return load_classifier(CLASSIFIER_PARAMS, step_settings)
