"""The files that users apply are what their sources say."""

from pathlib import Path

import pytest
import yaml

from tests.k8s.manifests import NAMES, load
from tests.k8s.rendering import KUSTOMIZATIONS, MANIFESTS, can_render, heading, render

_PATHS = sorted(KUSTOMIZATIONS)


@pytest.mark.parametrize("path", _PATHS, ids=lambda path: path.name)
def test_a_rendered_file_is_as_new_as_its_sources(path: Path) -> None:
    assert path.read_text().startswith(heading()), "run ./setup.sh manifests"


@pytest.mark.skipif(not can_render(), reason="kubectl, which brings kustomize, is not here")
@pytest.mark.parametrize("path", _PATHS, ids=lambda path: path.name)
def test_a_rendered_file_is_what_kustomize_makes_of_its_sources(path: Path) -> None:
    # Versions of kustomize break lines in other places.
    fresh = yaml.load_all(render(KUSTOMIZATIONS[path]), Loader=yaml.CSafeLoader)
    assert list(load(path.stem)) == list(fresh)


def test_the_plain_files_are_the_overlay_minikube() -> None:
    plain = [*load("dispatcher"), *load("deployment")]
    assert sorted(map(str, plain)) == sorted(map(str, load("minikube")))


@pytest.mark.parametrize("name", ["dispatcher", "minikube", "cluster"])
def test_namespaces_come_before_what_is_in_them(name: str) -> None:
    made: set[str] = set()
    for found in load(name):
        if found["kind"] == "Namespace":
            made.add(found["metadata"]["name"])
        assert found["metadata"].get("namespace") in {None, *made}, found["metadata"]["name"]


def test_every_component_and_overlay_says_what_it_is_for() -> None:
    for folder in [*MANIFESTS.glob("components/*"), *MANIFESTS.glob("overlays/*")]:
        assert (folder / "kustomization.yaml").read_text().startswith("# "), folder.name


def test_no_object_is_there_twice() -> None:
    for name in NAMES:
        keys = [
            (found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"])
            for found in load(name)
        ]
        assert len(set(keys)) == len(keys), name
