import hashlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from step_app.errors import ConfigurationError, WeightsMissingError
from step_app.runtime import TorchRuntime
from step_app.torchvision_import import import_torchvision
from step_app.weights import DEFAULT_MODEL, ModelCard, WeightsSource, build_network, locate_weights
from tests.step_app.conftest import THREADS
from tests.step_app.pictures import REPOSITORY

if TYPE_CHECKING:
    Network = tuple[torch.nn.Module, ModelCard]


class Intruder:
    """A pickle that leaves a file behind when somebody loads it."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self._trace,))


def source_of(path: Path, model: str = DEFAULT_MODEL) -> WeightsSource:
    return locate_weights(model, str(path))


def test_the_default_model_has_its_weights_in_a_package(source: WeightsSource) -> None:
    assert source.model == DEFAULT_MODEL
    assert source.path is not None
    assert source.digest == hashlib.sha256(source.path.read_bytes()).hexdigest()
    assert locate_weights(DEFAULT_MODEL, "DEFAULT") == source


def test_a_copy_of_the_same_weights_is_the_same_revision(
    source: WeightsSource, tmp_path: Path
) -> None:
    assert source.path is not None
    copy = tmp_path / "copy.pth"
    copy.write_bytes(source.path.read_bytes())
    assert source_of(copy).digest == source.digest


def test_the_card_says_how_photos_must_be_cut_and_what_classes_there_are(card: ModelCard) -> None:
    assert (card.name, card.resize, card.crop) == (DEFAULT_MODEL, 256, 224)
    assert (card.mean, card.std) == ((127.0,) * 3, (128.0,) * 3)
    assert len(card.categories) == 1000
    assert card.categories[11] == "goldfinch"


def test_a_card_comes_back_from_json_as_it_was(card: ModelCard) -> None:
    assert ModelCard.from_json(card.to_json()) == card


def test_the_network_is_in_evaluation_mode(network: "Network") -> None:
    assert not any(module.training for module in network[0].modules())


def test_weights_under_the_networks_own_names_are_taken_as_well(
    network: "Network", tmp_path: Path
) -> None:
    path = tmp_path / "own-names.pth"
    torch.save(network[0].state_dict(), path)
    rebuilt, _ = build_network(source_of(path))
    own = network[0].state_dict()
    assert all(bool((tensor == own[name]).all()) for name, tensor in rebuilt.state_dict().items())


def test_other_weights_of_the_same_model_are_another_revision(
    network: "Network", source: WeightsSource, tmp_path: Path
) -> None:
    path = tmp_path / "fine-tuned.pth"
    torch.save(
        {k: v + 1 if v.is_floating_point() else v for k, v in network[0].state_dict().items()}, path
    )
    assert source_of(path).digest != source.digest


def test_random_weights_need_no_file(card: ModelCard) -> None:
    source = locate_weights(DEFAULT_MODEL, "random")
    assert (source.path, source.digest) == (None, "random")
    network, random_card = build_network(source)
    assert random_card == card
    pixels = np.zeros((2, card.crop, card.crop, 3), dtype=np.uint8)
    runtime = TorchRuntime(network, card, precision="f32", threads=THREADS)
    assert runtime.infer(pixels).shape == (2, 1000)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.pth"
    with pytest.raises(WeightsMissingError, match=r"weights of .*: there is no file .*nowhere.pth"):
        source_of(path)


def test_a_folder_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="there is no file"):
        source_of(tmp_path)


def test_an_unknown_model_is_refused_with_what_is_known() -> None:
    with pytest.raises(ConfigurationError, match="unknown model 'resnet19': known are"):
        locate_weights("resnet19", None)


@pytest.mark.parametrize("model", ["", "resnet", "ResNet", "vgg16_bn.features", "../etc/passwd"])
def test_what_is_almost_a_name_is_no_model(model: str) -> None:
    with pytest.raises(ConfigurationError, match="unknown model"):
        locate_weights(model, "random")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is no state dict",
        pickle.dumps({"a": 1}),
        pickle.dumps([1, 2, 3]),
    ],
    ids=["empty", "text", "a pickled dict", "a pickled list"],
)
def test_a_file_that_is_no_state_dict_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="holds no state dict"):
        build_network(source_of(path))


def test_saved_tensors_that_are_another_models_are_refused(tmp_path: Path) -> None:
    stranger = torch.nn.Linear(3, 3).state_dict()
    for number, saved in enumerate((stranger, list(stranger.values()), torch.zeros(3))):
        path = tmp_path / f"{number}.pth"
        torch.save(saved, path)
        with pytest.raises(ConfigurationError, match="holds no state dict"):
            build_network(source_of(path))


def test_a_state_dict_with_one_wrong_shape_is_refused(network: "Network", tmp_path: Path) -> None:
    state = dict(network[0].state_dict())
    name = list(state)[-1]
    state[name] = torch.zeros(7)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ConfigurationError, match="holds no state dict"):
        build_network(source_of(tmp_path / "w.pth"))


def test_code_hidden_in_a_file_of_weights_is_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Intruder(trace)))
    pickle.loads(path.read_bytes())
    assert trace.exists(), "the intruder works where it is let in"
    trace.unlink()
    with pytest.raises(ConfigurationError, match="holds no state dict"):
        build_network(source_of(path))
    assert not trace.exists()


def test_a_torchvision_classifier_is_filled_from_a_file(tmp_path: Path) -> None:
    built, card = build_network(locate_weights("resnet18", "random"))
    assert (card.name, card.resize, card.crop, len(card.categories)) == ("resnet18", 256, 224, 1000)
    path = tmp_path / "resnet18.pth"
    torch.save(built.state_dict(), path)
    again, _ = build_network(source_of(path, "resnet18"))
    pixels = torch.zeros(1, 3, card.crop, card.crop)
    with torch.inference_mode():
        assert torch.equal(built(pixels), again(pixels))


def test_every_torchvision_card_has_the_normalisation_of_its_own_weights() -> None:
    _, usual = build_network(locate_weights("squeezenet1_1", "random"))
    assert usual.mean == pytest.approx((123.675, 116.28, 103.53))
    assert usual.std == pytest.approx((58.395, 57.12, 57.375))
    with torch.device("meta"):  # its half a gigabyte of weights does not matter here
        _, unusual = build_network(locate_weights("efficientnet_v2_l", "random"))
    assert unusual.mean == unusual.std == (127.5, 127.5, 127.5)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # about how weights will be initialised
@pytest.mark.parametrize("model", ["googlenet", "inception_v3"])
def test_networks_that_normalise_once_more_do_so(model: str) -> None:
    network, _ = build_network(locate_weights(model, "random"))
    assert bool(network.transform_input)


def test_the_weights_of_another_model_are_refused(source: WeightsSource) -> None:
    assert source.path is not None
    with pytest.raises(ConfigurationError, match=r"weights of resnet18: .* holds no state dict"):
        build_network(source_of(source.path, "resnet18"))


def test_weights_that_cannot_be_fetched_are_missing_in_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # discard: nobody listens
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WeightsMissingError, match="weights of resnet18 are missing") as caught:
        locate_weights("resnet18", None)
    assert "\n" not in str(caught.value)
    assert "--weights FILE" in str(caught.value)


def test_weights_that_were_fetched_before_are_found_without_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    stored = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"weights")
    assert locate_weights("resnet18", None).path == stored


def test_torchvision_is_imported_once() -> None:
    assert import_torchvision() is import_torchvision()


def test_torchvision_can_be_imported_beside_this_torch_in_a_fresh_process() -> None:
    script = (
        "from step_app.torchvision_import import import_torchvision\n"
        "torchvision = import_torchvision()\n"
        "import timm\n"
        "print(len(torchvision.models.list_models()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(done.stdout) > 50
    assert done.stderr == ""
