import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from step_app.model_cache import ModelCache
from step_app.openvino_import import import_openvino
from step_app.runtime import RuntimeChoice
from step_app.weights import ModelCard

CARD = ModelCard("tiny", 4, 2, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "bicubic", ("cat", "dog"))
TORCH = RuntimeChoice(runtime="torch", precision="bf16")
OPENVINO = RuntimeChoice(runtime="openvino", precision="f32")


def tiny_model() -> Any:
    """Return a model that OpenVINO can save: it adds ones."""
    openvino = import_openvino()
    opset = openvino.opset13
    given = opset.parameter([1, 64], name="given")
    added = opset.add(given, opset.constant(np.ones((1, 64), dtype=np.float32)))
    return openvino.Model([added], [given], "tiny")


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path)


@pytest.fixture
def entry(cache: ModelCache, tmp_path: Path) -> Path:
    """The folder of an entry with a model."""
    cache.put("key", OPENVINO, CARD, tiny_model())
    return tmp_path / "key"


def test_an_unknown_key_has_no_entry(cache: ModelCache) -> None:
    assert cache.get("key") is None


def test_an_entry_without_a_model_comes_back_as_it_was_put(cache: ModelCache) -> None:
    cache.put("key", TORCH, CARD, None)
    found = cache.get("key")
    assert found is not None
    assert (found.choice, found.card, found.model_path) == (TORCH, CARD, None)


def test_an_entry_with_a_model_comes_back_as_it_was_put(cache: ModelCache, entry: Path) -> None:
    found = cache.get("key")
    assert found is not None
    assert (found.choice, found.card) == (OPENVINO, CARD)
    assert found.model_path == entry / "model.xml"
    given = np.zeros((1, 64), dtype=np.float32)
    answer = import_openvino().compile_model(found.model_path, "CPU")(given)[0]
    assert (answer == 1).all()


def test_entries_do_not_disturb_each_other(cache: ModelCache) -> None:
    cache.put("one", TORCH, CARD, None)
    cache.put("two", OPENVINO, CARD, tiny_model())
    one, two = cache.get("one"), cache.get("two")
    assert one is not None
    assert two is not None
    assert (one.choice, two.choice) == (TORCH, OPENVINO)


def test_an_entry_can_be_replaced(cache: ModelCache) -> None:
    cache.put("key", OPENVINO, CARD, tiny_model())
    cache.put("key", TORCH, CARD, None)
    found = cache.get("key")
    assert found is not None
    assert found.choice == TORCH


def test_a_write_that_fails_leaves_nothing(cache: ModelCache, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        cache.put("key", OPENVINO, CARD, "this is no model")
    assert cache.get("key") is None
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_keeps_the_entry_that_was_there(cache: ModelCache, entry: Path) -> None:
    with pytest.raises(TypeError):
        cache.put("key", OPENVINO, CARD, "this is no model")
    assert cache.get("key") is not None


def test_a_reader_sees_a_whole_entry_or_none(cache: ModelCache) -> None:
    enough = threading.Event()

    def write() -> None:
        while not enough.is_set():
            cache.put("key", OPENVINO, CARD, tiny_model())

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while seen < 20 and writer.is_alive():
        found = cache.get("key")
        if found is not None:
            assert (found.choice, found.card) == (OPENVINO, CARD)
            seen += 1
    enough.set()
    writer.join()
    assert seen == 20
    assert cache.get("key") is not None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_last_byte(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("name", ["entry.json", "model.xml", "model.bin"])
@pytest.mark.parametrize("harm", [cut, flip_last_byte, remove, empty])
def test_a_damaged_entry_is_none(cache: ModelCache, entry: Path, name: str, harm: Any) -> None:
    harm(entry / name)
    assert cache.get("key") is None


@pytest.mark.parametrize("document", ["null", "[]", "3", "{}", '{"choice": {}}', '{"choice": []}'])
def test_an_entry_of_another_shape_is_none(cache: ModelCache, entry: Path, document: str) -> None:
    (entry / "entry.json").write_text(document)
    assert cache.get("key") is None


@pytest.mark.parametrize("missing", ["choice", "card", "digests"])
def test_an_entry_that_lacks_a_part_is_none(cache: ModelCache, entry: Path, missing: str) -> None:
    document = json.loads((entry / "entry.json").read_text())
    del document[missing]
    (entry / "entry.json").write_text(json.dumps(document))
    assert cache.get("key") is None


@pytest.mark.parametrize("digests", [None, [], 3, {"model.bin": None}, {"other.bin": "00"}])
def test_an_entry_with_odd_digests_is_none(cache: ModelCache, entry: Path, digests: Any) -> None:
    document = json.loads((entry / "entry.json").read_text())
    (entry / "entry.json").write_text(json.dumps({**document, "digests": digests}))
    assert cache.get("key") is None


def test_only_one_at_a_time_makes_an_entry(tmp_path: Path) -> None:
    inside: list[str] = []
    waiting = threading.Event()

    def work() -> None:
        waiting.set()
        with ModelCache(tmp_path).lock("key"):
            inside.append("second")

    with ModelCache(tmp_path).lock("key"):
        second = threading.Thread(target=work)
        second.start()
        assert waiting.wait(10)
        with ModelCache(tmp_path).lock("another key"):
            inside.append("first")
    second.join(timeout=10)
    assert inside == ["first", "second"]


def test_the_folder_of_the_cache_is_made_when_it_is_first_needed(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    with ModelCache(folder).lock("key"):
        assert folder.is_dir()
