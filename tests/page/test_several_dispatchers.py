"""The page behind nginx, before two dispatchers that share a worker: one of them is killed."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.cluster.crew import Addresses
from tests.compose.proxy import Nginx
from tests.durability.dispatcher_process import DispatcherProcess
from tests.end_to_end.service import Service, distinct, photo
from tests.page.browsing import Tab
from tests.page.trying import all_done, give, sent
from tests.ports import free_port
from tests.servers.fixtures import need
from tests.servers.processes import Guard
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 40
EARLY = 5


@dataclass
class Cluster:
    """Two dispatchers that accept, and where a browser finds them."""

    apis: list[DispatcherProcess]
    worker: DispatcherProcess
    url: str


@pytest.fixture
def cluster(
    *,
    service: Service,
    guard: Guard,
    tmp_path: Path,
    rabbitmq_url: str,
    redis_url: str,
    s3_server: S3Server,
) -> Iterator[Cluster]:
    """Started, with one replica of the real classifier."""
    need("nginx")
    addresses = Addresses(
        rabbitmq_url=rabbitmq_url,
        redis_url=redis_url,
        blob_url=s3_server.url(s3_server.new_bucket()),
        environment=s3_server.environment,
    )
    shutil.copytree(service.data_dir / "models", tmp_path / "worker" / "models")
    records = ("--topology", "files", "--records-dir", str(tmp_path / "worker" / "topology"))
    with ExitStack() as stack:

        def dispatcher(name: str, *flags: str) -> DispatcherProcess:
            data_dir = tmp_path / name
            data_dir.mkdir(exist_ok=True)
            made = DispatcherProcess(
                data_dir,
                ["--queue", "rabbitmq", *flags],
                free_port(),
                environment=addresses.settings(),
            )
            stack.callback(made.end)
            made.start()
            return made

        worker = dispatcher("worker", "--role", "worker", "--replicas", "1")
        worker.wait_ready(pools=["default/0"])
        apis = [dispatcher(f"api-{number}", "--role", "api", *records) for number in range(2)]
        for api in apis:
            api.wait_ready(pools=["default/0"])
        nginx = stack.enter_context(
            closing(Nginx(guard, tmp_path / "nginx", upstreams=[api.port for api in apis]))
        )
        nginx.start()
        yield Cluster(apis, worker, f"http://127.0.0.1:{nginx.port}")


async def test_all_pictures_end_although_a_dispatcher_is_killed(tab: Tab, cluster: Cluster) -> None:
    page = tab.page
    await page.goto(f"{cluster.url}/")
    names = [f"{number:02}.jpg" for number in range(COUNT)]
    koala = photo("koala.jpg")
    files = [sent(name, distinct(koala, number)) for number, name in enumerate(names)]
    await give(page, *files[:EARLY])
    await all_done(page, EARLY)
    cluster.worker.pause()  # so that none ends before its dispatcher is gone
    await give(page, *files[EARLY:])
    accepted = page.get_by_role("listitem").get_by_role("button").filter(has_text="queued")
    await expect(accepted.nth(EARLY)).to_be_visible()
    await asyncio.to_thread(cluster.apis[0].kill)
    cluster.worker.resume()
    await all_done(page, COUNT, timeout_s=60)
    await expect(page.get_by_text("failed")).to_have_count(0)
    await page.goto(f"{cluster.url}/#/results")
    await expect(page.get_by_role("row").filter(has_text=names[-1])).to_contain_text("completed")
    assert tab.hosts() == {cluster.url}
