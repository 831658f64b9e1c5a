import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import httpx
import pytest

from dispatcher.storage.writer import DATABASE_NAME
from tests.conftest import Tell
from tests.durability.dispatcher_process import POOLS, DispatcherProcess, stage
from tests.durability.oracle import answer_of, noise
from tests.end_to_end.service import wait_until

IMAGE_BYTES = 1024 * 1024
SLOW = ("--delay-s", "0.1", "--max-batch-size", "1")
MIB = 1024 * 1024


class Client:
    """Sends one new image after the other."""

    def __init__(self, dispatcher: DispatcherProcess, seed: int) -> None:
        self._http = httpx.Client(base_url=dispatcher.url, timeout=30)
        self._seeds = itertools.count(seed * 1000)
        self.accepted: dict[str, int] = {}
        """Path of the result to the image's seed."""

    def send(self) -> httpx.Response:
        image_seed = next(self._seeds)
        response = self._http.post(
            "/predict_async",
            params={"pipeline": "oracle"},
            content=noise(image_seed, IMAGE_BYTES),
            headers={"Content-Type": "image/png"},
        )
        if response.status_code == 202:
            self.accepted[response.json()["status_url"]] = image_seed
        return response

    def fill(self) -> httpx.Response:
        """Send until there is no space; return the refusal."""
        for _ in range(500):
            response = self.send()
            if response.status_code != 202:
                return response
        raise AssertionError("it was never full")

    def expect_answers(self) -> None:
        """Wait for every job; each has the right answer."""
        for path, image_seed in self.accepted.items():
            document = self._http.get(path, params={"wait": 30}).json()
            assert document["status"] == "completed", document
            right = answer_of(noise(image_seed, IMAGE_BYTES), {})
            assert document["result"]["predictions"] == [right]

    def is_accepted(self) -> bool:
        return self.send().status_code == 202

    def close(self) -> None:
        self._http.close()


@contextmanager
def sending(dispatcher: DispatcherProcess, seed: int) -> Iterator[Client]:
    dispatcher.start()
    dispatcher.wait_ready(pools=POOLS)
    client = Client(dispatcher, seed)
    try:
        yield client
    finally:
        client.close()


def expect_sound(folder: Path) -> None:
    database = apsw.Connection(str(folder / DATABASE_NAME))
    try:
        assert database.execute("PRAGMA integrity_check").get == "ok"
    finally:
        database.close()


def test_new_work_is_refused_at_the_limit_and_accepted_again_when_there_is_space(
    tmp_path: Path, seed: int, tell: Tell
) -> None:
    flags = ("--queue", "sqlite", "--storage-limit-bytes", str(40 * MIB))
    with stage(tmp_path, *flags, options=SLOW) as (dispatcher, _):
        with sending(dispatcher, seed) as client:
            refusal = client.fill()
            assert (refusal.status_code, refusal.json()["code"]) == (503, "storage_full")
            assert int(refusal.headers["Retry-After"]) > 0
            tell(f"{len(client.accepted)} images of 1 MiB before the limit of 40 MiB")
            client.expect_answers()
            wait_until(client.is_accepted, what="new work is taken again", pause_s=0.5)
            client.expect_answers()
        assert dispatcher.stop() == 0, dispatcher.tail()
        expect_sound(dispatcher.data_dir)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_refuses_new_work_and_finishes_the_old(
    small_disk: Path, tmp_path: Path, seed: int, tell: Tell
) -> None:
    with stage(tmp_path, "--queue", "sqlite", options=SLOW) as (dispatcher, _):
        with sending(dispatcher, seed) as client:
            refusal = client.fill()
            assert (refusal.status_code, refusal.json()["code"]) == (503, "storage_full")
            left = os.statvfs(small_disk)
            tell(
                f"{len(client.accepted)} images of 1 MiB on 64 MiB, "
                f"{left.f_bavail / left.f_blocks:.1%} left at the first refusal"
            )
            assert left.f_bavail / left.f_blocks > 0.04
            fill_to_the_last_byte(small_disk / "somebody-else")
            client.expect_answers()
            (small_disk / "somebody-else").unlink()
            wait_until(client.is_accepted, what="new work is taken again", pause_s=0.5)
            client.expect_answers()
        assert dispatcher.stop() == 0, dispatcher.tail()
        expect_sound(dispatcher.data_dir)


def fill_to_the_last_byte(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(64 * 1024))
        except OSError:
            pass
