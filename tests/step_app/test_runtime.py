import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from step_app.openvino_import import import_openvino
from step_app.runtime import (
    OpenVinoRuntime,
    Pixels,
    Precision,
    Runtime,
    TorchRuntime,
    convert_to_openvino,
    processor_has_bf16,
)
from step_app.weights import ModelCard
from tests.step_app.conftest import THREADS

if TYPE_CHECKING:
    import torch

    Network = tuple[torch.nn.Module, ModelCard]

# OpenVINO's converter still traces networks in the way that torch calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Opener = Callable[[Precision], Runtime]


@pytest.fixture(scope="module")
def converted(network: "Network") -> Any:
    return convert_to_openvino(*network)


@pytest.fixture(params=["torch", "openvino"])
def open_runtime(request: pytest.FixtureRequest) -> Opener:
    """Open the model with one runtime or the other, in a given precision."""
    if request.param == "torch":
        network, card = request.getfixturevalue("network")
        return lambda precision: TorchRuntime(network, card, precision=precision, threads=THREADS)
    model = request.getfixturevalue("converted")
    return lambda precision: OpenVinoRuntime(model, precision=precision, threads=THREADS)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_every_runtime_and_precision_agrees_with_torch_in_f32(
    open_runtime: Opener,
    precision: Precision,
    reference: TorchRuntime,
    sample_crops: Pixels,
) -> None:
    expected = reference.infer(sample_crops)
    given = open_runtime(precision).infer(sample_crops)
    assert given.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()
    assert float(np.abs(given - expected).max()) < (1e-4 if precision == "f32" else 0.05)


def test_a_batch_of_any_size_gives_what_each_picture_gives_alone(
    open_runtime: Opener, sample_crops: Pixels
) -> None:
    runtime = open_runtime("f32")
    alone = np.concatenate([runtime.infer(sample_crops[n : n + 1]) for n in range(7)])
    for size in (7, 2, 5):
        np.testing.assert_allclose(runtime.infer(sample_crops[:size]), alone[:size], atol=1e-4)


def test_probabilities_are_one_row_a_picture_and_sum_to_one(
    open_runtime: Opener, sample_crops: Pixels, card: ModelCard
) -> None:
    for precision in ("f32", "bf16"):
        rows = open_runtime(precision).infer(sample_crops[:3])
        assert rows.shape == (3, len(card.categories))
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=0.01)


def test_an_answer_is_not_overwritten_by_the_next_one(
    open_runtime: Opener, sample_crops: Pixels
) -> None:
    runtime = open_runtime("f32")
    first = runtime.infer(sample_crops[:1])
    kept = first.copy()
    runtime.infer(sample_crops[1:2])
    assert (first == kept).all()


def test_pictures_of_one_colour_give_finite_answers(open_runtime: Opener, card: ModelCard) -> None:
    runtime = open_runtime("bf16")
    for value in (0, 255):
        pixels = np.full((1, card.crop, card.crop, 3), value, dtype=np.uint8)
        assert np.isfinite(runtime.infer(pixels)).all()


def test_opening_a_network_in_bf16_leaves_the_network_itself_as_it_was(network: "Network") -> None:
    module, card = network
    before = {name: tensor.dtype for name, tensor in module.state_dict().items()}
    TorchRuntime(module, card, precision="bf16", threads=THREADS)
    assert {name: tensor.dtype for name, tensor in module.state_dict().items()} == before


def test_openvino_never_gets_hold_of_its_telemetry() -> None:
    import_openvino()
    assert sys.modules["openvino_telemetry"] is None


def test_the_processor_is_asked_for_what_it_can_do() -> None:
    assert processor_has_bf16() in (True, False)
