"""One service for all hostile input: what one row breaks, the next would show."""

from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.end_to_end.service import Service, running, wait_until

FLAGS = [
    *("--replicas", "1", "--operation-replicas", "1", "--max-local-replicas", "1"),
    # Not measured, so that it starts sooner; its labels are the same.
    *("--runtime", "openvino", "--precision", "f32"),
]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A dispatcher with a classifier and a replica that runs operations."""
    with running(tmp_path_factory.mktemp("hostile") / "data", *FLAGS) as started:
        with httpx.Client(base_url=started.url) as client:
            wait_until(lambda: _is_all_ready(client), what="every replica")
        yield started


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="session")
def dispatcher(service: Service) -> psutil.Process:
    return psutil.Process(service.process.pid)


@pytest.fixture(scope="session")
def replica_urls(client: httpx.Client) -> dict[str, str]:
    """Where the classifier and the operations answer, by their pipeline's name."""
    replicas = client.get("/status").json()["replicas"]
    return {replica["step"].partition("/")[0]: replica["url"] for replica in replicas}


@pytest.fixture(autouse=True)
def nothing_ends(request: pytest.FixtureRequest) -> Iterator[None]:
    """No process may end or be started again, whatever is sent (I3)."""
    if "service" not in request.fixturenames:
        yield
        return
    service = request.getfixturevalue("service")
    assert isinstance(service, Service)
    before = {(process.pid, process.create_time()) for process in service.replicas()}
    yield
    assert service.process.poll() is None, "the dispatcher has ended"
    after = {(process.pid, process.create_time()) for process in service.replicas()}
    assert before <= after, "a replica has ended"


def _is_all_ready(client: httpx.Client) -> bool:
    replicas = client.get("/status").json()["replicas"]
    return len(replicas) > 1 and all(replica["state"] == "ready" for replica in replicas)
