"""Start, overload, drain and end."""

import asyncio
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.end_to_end.load import ask_until
from tests.end_to_end.service import (
    Service,
    distinct,
    is_gone,
    photo,
    run_to_end,
    running,
    wait_until,
)

SMALL = ("--replicas", "1", "--operation-replicas", "0")
"""As few processes as can answer: each takes seconds to start."""


def test_the_service_is_ready_within_twenty_seconds_and_prints_a_curl_to_try(
    data_dir: Path,
) -> None:
    with running(data_dir) as own:
        assert own.ready_after_s < 20
        assert own.process.stdout is not None
        line = own.process.stdout.readline()
        assert line == f"Try: curl -F image=@images/koala.jpg {own.url}/predict\n"
        replicas = [r for r in own.status()["replicas"] if r["step"] == "default/0"]
        assert len(replicas) == os.cpu_count()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_process_no_port_and_no_temporary_file(
    data_dir: Path, number: signal.Signals
) -> None:
    with running(data_dir) as own:
        port = int(own.url.rsplit(":", 1)[1])
        assert own.stop(number) == 0
    assert own.family
    assert is_gone(own.family)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    left = {path.name for path in data_dir.iterdir()}
    kept = {"blobs", "conveyor.db", "reserve", "webhook-secret"}
    assert left == {"lock", "models", "topology"} | kept
    assert list((data_dir / "topology").iterdir()) == []


def test_kill_9_of_the_dispatcher_leaves_no_replica(data_dir: Path) -> None:
    with running(data_dir, "--operation-replicas", "0") as own:
        own.stop(signal.SIGKILL)
        wait_until(lambda: is_gone(own.family), what="the end of the replicas", timeout_s=15)


async def test_a_drain_of_the_memory_queue_finishes_what_was_accepted(data_dir: Path) -> None:
    slow = ("--runtime", "torch", "--precision", "f32")
    with running(data_dir, "--queue", "memory", *SMALL, *slow) as own:
        async with httpx.AsyncClient(base_url=own.url, timeout=30) as client:
            headers = {"Content-Type": "image/jpeg"}
            tickets = [
                (
                    await client.post(
                        "/predict_async", content=distinct(photo(), number), headers=headers
                    )
                ).json()
                for number in range(60)
            ]
            own.family = own.replicas()
            # They wait already: nobody can connect any more once all is finished.
            waiting = [
                asyncio.create_task(client.get(ticket["status_url"], params={"wait": 20}))
                for ticket in tickets
            ]
            own.process.send_signal(signal.SIGTERM)
            while (ready := await client.get("/readyz")).status_code == 200:
                pass
            assert (ready.status_code, ready.json()["reasons"]) == (503, ["draining"])
            refused = await client.post(
                "/predict_async", content=distinct(photo(), 1000), headers=headers
            )
            assert (refused.status_code, refused.json()["code"]) == (503, "draining")
            documents = await asyncio.gather(*waiting)
        assert {document.json()["status"] for document in documents} == {"completed"}
        assert await asyncio.to_thread(own.process.wait, 30) == 0
    assert is_gone(own.family)


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(data_dir: Path) -> None:
    with running(data_dir, "--queue-capacity", "5", *SMALL) as own:
        ends_at = time.monotonic() + 4
        log = await ask_until(own.url, lambda: time.monotonic() > ends_at, clients=64)
        status = own.status()
    assert log.refusals
    for refusal in log.refusals:
        assert refusal.json()["code"] == "overloaded"
        assert 1 <= int(refusal.headers["Retry-After"]) <= 30
    slowest_s = sorted(refusal.elapsed.total_seconds() for refusal in log.refusals)
    assert slowest_s[len(slowest_s) // 2] < 0.5
    assert {document["status"] for document in log.documents} == {"completed"}
    assert status["total_requests"] == len(log.documents)
    assert status["queue_metrics"]["peak_queue_size"] == 5


def test_what_cannot_start_says_why_in_one_line(data_dir: Path, service: Service) -> None:
    port = service.url.rsplit(":", 1)[1]
    file = data_dir.parent / "file"
    file.write_text("no state dict")
    cases = {
        ("--port", port): "cannot listen on 127.0.0.1:",
        ("--port", "0", "--data-dir", str(file / "below")): "cannot write to",
        ("--port", "0", "--data-dir", str(service.data_dir)): "another dispatcher uses",
        ("--port", "0", "--model", "no_such_model"): "unknown model 'no_such_model'",
        ("--port", "0", "--weights", str(file.parent / "none")): "there is no file",
        ("--port", "0", "--weights", str(file)): "holds no state dict",
        ("--port", "99999"): "--port: Input should be",
        ("--queue-capacity", "0"): "--queue-capacity: Input should be",
    }
    folders = [data_dir.parent / f"never-{number}" for number in range(len(cases))]
    with ThreadPoolExecutor(4) as starts:
        ends = starts.map(lambda folder, flags: run_to_end(folder, *SMALL, *flags), folders, cases)
    for (status, said), message in zip(ends, cases.values(), strict=True):
        assert status == 1, said
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, said
        assert message in lines[0]
        assert "Traceback" not in said


def test_environment_variables_do_what_flags_do_and_flags_win(data_dir: Path) -> None:
    status, said = run_to_end(data_dir, DISPATCHER_PORT="99999")
    assert (status, "--port: Input should be" in said) == (1, True)
    flags = (*SMALL, "--port", "0", "--model", "x")
    status, said = run_to_end(data_dir, *flags, DISPATCHER_PORT="99999")
    assert "unknown model 'x'" in said


def test_an_idle_service_hardly_uses_the_processor(service: Service) -> None:
    wait_until(
        lambda: {replica["state"] for replica in service.status()["replicas"]} == {"ready"},
        what="all replicas",
    )
    family = [psutil.Process(service.process.pid), *service.replicas()]
    time.sleep(2)  # what the tests before have left to be done
    before = sum(sum(member.cpu_times()[:2]) for member in family)
    time.sleep(4)
    used_s = sum(sum(member.cpu_times()[:2]) for member in family) - before
    # The benchmark has the exact figure; this catches a loop that spins.
    assert used_s < 0.4
