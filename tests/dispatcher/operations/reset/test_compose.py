"""The containers of a compose project, with a ``docker`` that writes down what it is asked."""

import json
import os
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
DOCKER = """\
#!/bin/sh
echo "$*" >> "$0.asked"
case "$2" in
    ps) cat "$0.containers" ;;
    stop) [ ! -e "$0.fails" ] ;;
esac
"""


class Docker:
    """What stands in for docker, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "docker"
        self.path.write_text(DOCKER)
        self.path.chmod(0o755)
        self.tell(*(container(name) for name in RUNNING))

    def tell(self, *containers: Mapping[str, object], as_list: bool = False) -> None:
        lines = [json.dumps(containers)] if as_list else [json.dumps(one) for one in containers]
        self.path.with_name("docker.containers").write_text("\n".join(lines))

    def fail(self) -> None:
        self.path.with_name("docker.fails").touch()

    def asked(self) -> list[str]:
        lines = self.path.with_name("docker.asked").read_text().splitlines()
        return [line for line in lines if not line.startswith("compose ps")]


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
    (tmp_path / COMPOSE_FILE).touch()
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
    assert starts[0] == "compose up --detach --no-deps --wait rabbitmq redis minio"
    assert starts[-1] == "compose up --detach --no-deps --wait nginx"


def test_a_restart_that_fails_goes_no_further(stack: ComposeStack, docker: Docker) -> None:
    docker.fail()
    with pytest.raises(StartupError, match="docker compose stop ended with status 1"):
        stack.restart()
    assert docker.asked() == ["compose stop nginx"]


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
