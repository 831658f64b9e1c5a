from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.flattening import PipelineSpec, flatten
from dispatcher.topology.model_files import ModelFiles
from tests.dispatcher.topology.statuses import pipeline


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory of models beside a file that nobody may read."""
    inside = tmp_path / "models"
    (inside / "deep").mkdir(parents=True)
    (inside / "own.pt").write_text("weights")
    (inside / "deep" / "double.onnx").write_text("network")
    (tmp_path / "secret.onnx").write_text("secret")
    (inside / "link.onnx").symlink_to(tmp_path / "secret.onnx")
    (inside / "loop.onnx").symlink_to(inside / "loop.onnx")
    (inside / "folder.onnx").mkdir()
    return inside


def spec_of(**params: Any) -> PipelineSpec:
    step_type = "classifier" if "weights" in params else "upscaling"
    return flatten({"steps": [{"type": step_type, "params": params}]})


@pytest.mark.parametrize("weights", [None, "DEFAULT", "random"])
def test_words_are_no_files(directory: Path, weights: str | None) -> None:
    spec = spec_of(weights=weights, model="resnet18")
    assert ModelFiles(directory).locate(spec) == spec


@pytest.mark.parametrize("method", ["lanczos", "bicubic"])
def test_methods_are_no_files(directory: Path, method: str) -> None:
    spec = spec_of(method=method)
    assert ModelFiles(directory).locate(spec) == spec


def test_no_params_name_no_file(directory: Path) -> None:
    spec = flatten({"steps": [{"type": "upscaling"}, {"type": "blur"}, {"type": "classifier"}]})
    assert ModelFiles(directory).locate(spec) == spec


def test_a_file_of_the_directory_is_named_by_its_whole_path(directory: Path) -> None:
    files = ModelFiles(directory)
    for name in ("own.pt", str(directory / "own.pt"), "./own.pt"):
        located = files.locate(spec_of(weights=name, top_k=3)).steps[0].params
        assert located == {"weights": str(directory / "own.pt"), "top_k": 3}
    located = files.locate(spec_of(method="deep/double.onnx")).steps[0].params
    assert located == {"method": str(directory / "deep" / "double.onnx")}


@pytest.mark.parametrize(
    "name",
    [
        "../secret.onnx", "deep/../../secret.onnx", "deep/../deep/double.onnx", "/etc/passwd.xml",
        "{secret}", "link.onnx", "loop.onnx", "folder.onnx", "none.onnx", "a\x00.onnx",
        "x" * 300 + ".onnx", "~/x.onnx", "own.pt/x.onnx",
    ],
    ids=ascii,
)  # fmt: skip
@pytest.mark.parametrize("param", ["method", "weights"])
def test_any_other_file_is_refused_and_which_there_are_is_not_told(
    directory: Path, name: str, param: str
) -> None:
    text = name.format(secret=directory.parent / "secret.onnx")
    with pytest.raises(InvalidPipelineError) as refused:
        ModelFiles(directory).locate(spec_of(**{param: text}))
    assert (
        refused.value.detail == f"step 0: params.{param}: names no file in the directory of models."
    )


def test_without_the_directory_there_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidPipelineError):
        ModelFiles(tmp_path / "none").locate(spec_of(weights="own.pt"))


def test_a_directory_may_be_reached_by_a_link(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory)
    located = ModelFiles(tmp_path / "link").locate(spec_of(weights="own.pt"))
    assert located.steps[0].params["weights"] == str(directory / "own.pt")


@pytest.mark.parametrize(
    ("path", "shown"), [("{models}/deep/own.pt", "deep/own.pt"), ("/home/me/own.pt", "own.pt")]
)
def test_a_client_is_not_told_where_files_lie(directory: Path, path: str, shown: str) -> None:
    params = {"weights": path.format(models=directory)}
    status = pipeline("default", step_type="classifier", params=params)
    (concealed,) = ModelFiles(directory).conceal(status).steps
    assert concealed.params == {"weights": shown}


def test_where_replicas_see_no_folder_of_this_machine_no_file_can_be_named() -> None:
    with pytest.raises(InvalidPipelineError, match="weights: no file can be named here"):
        ModelFiles(None).locate(spec_of(weights="own.pt"))
    spec = spec_of(weights="random")
    assert ModelFiles(None).locate(spec) == spec
