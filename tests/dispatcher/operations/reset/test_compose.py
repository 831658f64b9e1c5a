"""The containers of a compose project, with a ``docker`` that writes down what it is asked."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from dispatcher.errors import StartupError
from dispatcher.operations.reset.compose import (
    COMPOSE_FILE,
    ComposeStack,
    find_compose,
    restart_order,
)
from dispatcher.operations.reset.stack import Part

RUNNING = ("rabbitmq", "redis", "minio", "classifier", "operations", "worker", "api", "nginx")
EXTRA = ("prometheus", "grafana")
FILES = "com.docker.compose.project.config_files"
START = "compose up --detach --no-deps --wait"


class Docker:
    """What stands in for docker, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "docker"
        program = Path(__file__).with_name("docker_program.py").read_text()
        self.path.write_text(f"#!{sys.executable}\n{program}")
        self.path.chmod(0o755)
        self.refuse()
        self.tell(*(container(name) for name in RUNNING))

    def tell(self, *containers: Mapping[str, object], as_list: bool = False) -> None:
        named = [{"ID": f"id-{place}", **one} for place, one in enumerate(containers)]
        lines = [json.dumps(named)] if as_list else [json.dumps(one) for one in named]
        self.path.with_name("docker.containers").write_text("\n".join(lines))
        labels = {one["ID"]: one.get("Labels", {}) for one in named}
        self.path.with_name("docker.labels").write_text(json.dumps(labels))

    def refuse(self, *services: str) -> None:
        """Have these not end."""
        self.path.with_name("docker.refused").write_text(" ".join(services))

    def asked(self) -> list[str]:
        """Return what it was asked to do; not what it was asked to tell."""
        lines = self.path.with_name("docker.asked").read_text().splitlines()
        return [line for line in lines if not re.search(r" ps |^inspect | config ", line)]


def container(name: str, **changes: object) -> dict[str, object]:
    known = {"Service": name, "State": "running", "Health": "healthy", "Status": "Up 2 hours"}
    return known | {"ExitCode": 0} | changes


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Docker(folder)


@pytest.fixture
def stack(tmp_path: Path, docker: Docker) -> ComposeStack:
    (tmp_path / COMPOSE_FILE).write_text("\n".join(RUNNING))
    (tmp_path / "more.yaml").write_text("\n".join(EXTRA))
    return ComposeStack(tmp_path, lambda _: None)


def test_servers_come_first_and_the_front_last() -> None:
    assert restart_order(RUNNING) == [
        ["rabbitmq", "redis", "minio"],
        ["classifier", "operations"],
        ["worker"],
        ["api"],
        ["nginx"],
    ]
    assert restart_order({"api", "redis"}) == [["redis"], ["api"]]
    assert restart_order(()) == []


def test_a_restart_ends_in_one_order_and_starts_in_the_other(
    stack: ComposeStack, docker: Docker
) -> None:
    stack.restart()
    stops = [line for line in docker.asked() if line.startswith("compose stop")]
    starts = [line for line in docker.asked() if line.startswith("compose up")]
    assert docker.asked() == stops + starts
    assert stops[0] == "compose stop nginx"
    assert stops[-1] == "compose stop rabbitmq redis minio"
    servers = "--scale=rabbitmq=1 --scale=redis=1 --scale=minio=1 rabbitmq redis minio"
    assert starts[0] == f"{START} {servers}"
    assert starts[-1] == f"{START} --scale=nginx=1 nginx"


def test_a_restart_that_fails_goes_no_further_and_leaves_nothing_ended(
    stack: ComposeStack, docker: Docker
) -> None:
    docker.refuse("api")
    with pytest.raises(StartupError, match="docker compose stop ended with status 1"):
        stack.restart()
    assert docker.asked() == [
        "compose stop nginx",
        "compose stop api",
        f"{START} --scale=api=1 api",
        f"{START} --scale=nginx=1 nginx",
    ]


def test_each_is_started_with_its_own_files_and_as_often_as_it_was(
    stack: ComposeStack, docker: Docker
) -> None:
    base, more = (str(stack.folder / name) for name in (COMPOSE_FILE, "more.yaml"))
    with_more = {"Labels": {FILES: f"{base},{more}"}}
    ran_once = {"Labels": {FILES: base, "com.docker.compose.oneoff": "True"}}
    docker.tell(
        container("prometheus", **with_more),
        container("classifier", Labels={FILES: base}),
        container("api", Labels={FILES: base}),
        container("api", Labels={FILES: base}, State="exited"),
        container("api", **ran_once),
    )
    stack.restart()
    one, both = f"--file {base}", f"--file {base} --file {more}"
    start = START.removeprefix("compose ")
    assert docker.asked() == [
        f"compose {one} stop api",
        f"compose {one} stop classifier",
        f"compose {both} stop prometheus",
        f"compose {one} {start} --scale=classifier=1 classifier",
        f"compose {both} {start} --scale=prometheus=1 prometheus",
        f"compose {one} {start} --scale=api=2 api",
    ]


def test_what_no_file_knows_is_left_alone_and_said(tmp_path: Path, docker: Docker) -> None:
    (tmp_path / COMPOSE_FILE).write_text("api")
    docker.tell(container("api"), container("forgotten"))
    said: list[str] = []
    ComposeStack(tmp_path, said.append).restart()
    assert docker.asked() == ["compose stop api", f"{START} --scale=api=1 api"]
    assert any(line.startswith("forgotten stays as it is") for line in said)


def test_files_that_cannot_be_read_end_nothing(stack: ComposeStack, docker: Docker) -> None:
    docker.tell(container("api", Labels={FILES: "/nowhere/docker-compose.yml"}))
    with pytest.raises(StartupError, match="docker compose: "):
        stack.restart()
    assert docker.asked() == []


def test_what_does_not_run_is_not_started(stack: ComposeStack, docker: Docker) -> None:
    docker.tell(container("api"), container("redis", State="exited"))
    stack.restart()
    assert [line.split()[-1] for line in docker.asked()] == ["api", "api"]


@pytest.mark.parametrize("as_list", [True, False], ids=["list", "lines"])
def test_each_container_is_told_of(stack: ComposeStack, docker: Docker, as_list: bool) -> None:
    docker.tell(
        container("api"),
        container("worker", Health="unhealthy", Status="Up (unhealthy)"),
        container("bucket", State="exited", Health="", Status="Exited (0)"),
        container("redis", State="exited", ExitCode=137, Status="Exited (137)"),
        as_list=as_list,
    )
    assert stack.parts() == [
        Part("api", is_well=True, detail="Up 2 hours"),
        Part("worker", is_well=False, detail="Up (unhealthy)"),
        Part("bucket", is_well=True, detail="Exited (0)"),
        Part("redis", is_well=False, detail="Exited (137)"),
    ]


def test_the_queue_is_asked_where_its_passwords_are(stack: ComposeStack, docker: Docker) -> None:
    stack.queue(["purge"])
    stack.queue(["purge", "--yes"])
    assert docker.asked() == [
        "compose exec api python -m dispatcher queue purge --direct",
        "compose exec --no-TTY api python -m dispatcher queue purge --yes --direct",
    ]


def test_without_containers_or_docker_there_is_no_stack(
    tmp_path: Path, stack: ComposeStack, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_compose(tmp_path, print) is not None
    docker.tell()
    assert find_compose(tmp_path, print) is None
    docker.path.write_text("#!/bin/sh\necho 'unknown command: docker compose' >&2; exit 1\n")
    assert find_compose(tmp_path, print) is None
    monkeypatch.setenv("PATH", "")
    assert find_compose(tmp_path, print) is None
