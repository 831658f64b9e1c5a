"""API keys as an operator uses them: made, used, revoked, and asked for where others can send."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.service import PROJECT, end, run_to_end, start, wait_until

BARE = ("--replicas", "0", "--operation-replicas", "0", "--queue", "memory")
"""A service that starts at once, because it has nothing to run."""
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55")


def keys(verb: str, path: Path, *arguments: str) -> str:
    """Run a command of ``python -m dispatcher keys``; return what it printed."""
    command = [sys.executable, "-m", "dispatcher", "keys", verb, "--file", str(path), *arguments]
    done = subprocess.run(
        command, cwd=PROJECT, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    keys("add", path, "--name", "somebody else")
    return path


@pytest.fixture
def client(tmp_path: Path, keys_file: Path) -> Iterator[httpx.Client]:
    flags = (*BARE, "--port", "0", "--api-keys-file", str(keys_file))
    process = start(tmp_path / "data", *flags)
    try:
        assert process.stdout is not None
        ready = re.search(r"ready on (\S+):", process.stdout.readline())
        assert ready is not None
        with httpx.Client(base_url=ready[1]) as opened:
            yield opened
    finally:
        end(process)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_made_used_and_revoked_while_the_service_runs(
    client: httpx.Client, keys_file: Path, tmp_path: Path
) -> None:
    key = keys("add", keys_file, "--name", "alice")
    wait_until(lambda: client.get("/status", headers=bearer(key)).status_code == 200, timeout_s=5)
    files = {"image": ("a.png", PNG)}
    assert client.post("/predict_async", files=files).status_code == 401
    assert client.get("/readyz").status_code == 200
    sent = client.post("/predict_async", files=files, headers=bearer(key))
    assert sent.status_code in (202, 404), "without replicas there may be no pipeline"
    keys("revoke", keys_file, "--name", "alice")
    revoked_at = time.monotonic()
    wait_until(lambda: client.get("/status", headers=bearer(key)).status_code == 401, timeout_s=5)
    assert time.monotonic() - revoked_at <= 5
    assert key not in (tmp_path / "data.stderr").read_text()


def test_a_service_does_not_start_where_others_could_use_it_without_a_key(tmp_path: Path) -> None:
    status, said = run_to_end(tmp_path / "data", *BARE, "--host", "0.0.0.0", "--port", "0")
    assert status == 1
    assert "--api-keys-file" in said
    assert "Traceback" not in said


def test_a_service_does_not_start_with_a_file_of_keys_that_others_can_read(
    tmp_path: Path, keys_file: Path
) -> None:
    keys_file.chmod(0o644)
    flags = (*BARE, "--port", "0", "--api-keys-file", str(keys_file))
    status, said = run_to_end(tmp_path / "data", *flags)
    assert status == 1
    assert "0600" in said
