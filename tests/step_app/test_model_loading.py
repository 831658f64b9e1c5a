import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from step_app import model_loading
from step_app.errors import ConfigurationError
from step_app.model_loading import RuntimeRequest, load_model
from step_app.runtime import OpenVinoRuntime, Pixels, TorchRuntime
from step_app.weights import DEFAULT_MODEL, WeightsSource, locate_weights
from tests.step_app.conftest import THREADS
from tests.step_app.pictures import REPOSITORY, SAMPLE_PHOTOS

OPENVINO_F32 = RuntimeRequest("openvino", "f32", THREADS)
LABEL_FROM_CACHE = """
import sys
from pathlib import Path
from step_app.settings import Settings
from step_app.steps.base import StepRequest
from step_app.steps.classifier import load_classifier

params = {"model": "efficientnet_lite0", "weights": None, "top_k": 1,
          "precision": "f32", "runtime": "openvino"}
settings = Settings(step_threads=int(sys.argv[1]), model_cache_dir=Path(sys.argv[2]))
step = load_classifier(params, settings)
outcome = step.run([step.prepare(StepRequest(Path(sys.argv[3]).read_bytes()))])[0]
print(outcome.data["predictions"][0])
print(*(name for name in ("torch", "torchvision", "timm") if name in sys.modules))
"""


@pytest.fixture
def makings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one word with every entry of a cache that is made."""
    made: list[str] = []
    run_apart = model_loading._run_apart

    def count(work: Callable[[], None]) -> None:
        made.append("made")
        run_apart(work)

    monkeypatch.setattr(model_loading, "_run_apart", count)
    return made


def entry_in(cache_dir: Path) -> Path:
    (folder,) = (path for path in cache_dir.iterdir() if path.is_dir())
    return folder


def test_a_second_load_makes_nothing_and_answers_the_same(
    source: WeightsSource,
    model_cache_dir: Path,
    makings: list[str],
    reference: TorchRuntime,
    sample_crops: Pixels,
) -> None:
    loaded = load_model(source, OPENVINO_F32, cache_dir=model_cache_dir)
    assert makings == []
    assert isinstance(loaded.runtime, OpenVinoRuntime)
    assert loaded.weights_digest == source.digest
    expected = reference.infer(sample_crops)
    np.testing.assert_allclose(loaded.runtime.infer(sample_crops), expected, atol=1e-4)


def test_a_second_load_needs_no_torch(model_cache_dir: Path) -> None:
    photo = SAMPLE_PHOTOS / "koala.jpg"
    done = subprocess.run(
        [sys.executable, "-c", LABEL_FROM_CACHE, str(THREADS), model_cache_dir, photo],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["koala", ""]


def test_a_damaged_entry_is_made_again_by_one_of_those_who_want_it(
    source: WeightsSource, model_cache_dir: Path, tmp_path: Path, makings: list[str]
) -> None:
    cache_dir = tmp_path / "models"
    shutil.copytree(model_cache_dir, cache_dir)
    weights = entry_in(cache_dir) / "model.bin"
    original = weights.read_bytes()
    weights.write_bytes(original[: len(original) // 2])
    with ThreadPoolExecutor(2) as pool:
        loads = [
            pool.submit(load_model, source, OPENVINO_F32, cache_dir=cache_dir) for _ in range(2)
        ]
        revisions = {load.result(timeout=60).weights_digest for load in loads}
    assert makings == ["made"]
    assert revisions == {source.digest}
    assert (entry_in(cache_dir) / "model.bin").read_bytes() == original


def test_an_entry_for_torch_keeps_the_choice_alone(
    tmp_path: Path,
    source: WeightsSource,
    makings: list[str],
    reference: TorchRuntime,
    sample_crops: Pixels,
) -> None:
    request = RuntimeRequest("torch", "f32", THREADS)
    for _ in range(2):
        loaded = load_model(source, request, cache_dir=tmp_path)
        assert isinstance(loaded.runtime, TorchRuntime)
        given = loaded.runtime.infer(sample_crops[:2])
        np.testing.assert_allclose(given, reference.infer(sample_crops[:2]), atol=1e-5)
    assert makings == ["made"]
    assert [path.name for path in entry_in(tmp_path).iterdir()] == ["entry.json"]


def test_other_weights_or_another_request_are_another_entry(source: WeightsSource) -> None:
    key = model_loading._cache_key
    keys = {
        key(source, OPENVINO_F32),
        key(locate_weights(DEFAULT_MODEL, "random"), OPENVINO_F32),
        key(source, RuntimeRequest("openvino", "bf16", THREADS)),
        key(source, RuntimeRequest("auto", "f32", THREADS)),
        key(source, RuntimeRequest("openvino", "f32", THREADS + 1)),
    }
    assert len(keys) == 5
    assert key(source, OPENVINO_F32) in keys


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_auto_measures_and_gives_the_labels_of_the_reference(
    source: WeightsSource, reference: TorchRuntime, sample_crops: Pixels
) -> None:
    loaded = load_model(source, RuntimeRequest("auto", "auto", THREADS), cache_dir=None)
    given, expected = (r.infer(sample_crops).argmax(axis=1) for r in (loaded.runtime, reference))
    assert given.tolist() == expected.tolist()


def test_a_model_without_a_cache_keeps_nothing(source: WeightsSource, makings: list[str]) -> None:
    load_model(source, RuntimeRequest("torch", "f32", THREADS), cache_dir=None)
    assert makings == []


def test_weights_that_do_not_fit_are_named_although_another_process_found_out(
    tmp_path: Path,
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"no state dict")
    wrong = locate_weights(DEFAULT_MODEL, str(path))
    with pytest.raises(ConfigurationError, match=r"weights\.pth holds no state dict of it"):
        load_model(wrong, OPENVINO_F32, cache_dir=tmp_path / "models")
    assert not any(entry.is_dir() for entry in (tmp_path / "models").iterdir())


def test_a_helper_process_that_dies_is_a_failed_conversion(
    source: WeightsSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_loading, "partial", lambda *_: partial(os._exit, 9))
    with pytest.raises(ConfigurationError, match="could not be converted"):
        load_model(source, OPENVINO_F32, cache_dir=tmp_path)
