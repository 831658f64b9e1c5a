"""A service that is killed in the middle of a run: the run goes on, and says what became of it."""

import asyncio
import re
from pathlib import Path

import pytest

from load_tester.errors import ExitCode
from tests.load_tester.cli.running_script import end_of, started
from tests.load_tester.mock_service.process import Mock, running_mock, write_images
from tests.load_tester.mock_service.script import Script


async def kill_after(mock: Mock, uploads: int) -> None:
    """Kill the service as soon as it has taken so many."""
    async with asyncio.timeout(20):
        while len((await asyncio.to_thread(mock.tell)).jobs) < uploads:
            pass
    mock.kill()


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(("--schedule", "30,30"), id="replay"),
        pytest.param(("--count", "60", "--concurrency", "3", "--retries", "0"), id="closed"),
    ],
)
async def test_a_service_that_is_killed_is_told_and_the_counts_add_up(
    tmp_path: Path, mode: tuple[str, ...]
) -> None:
    write_images(tmp_path, count=5, size_bytes=20_000)
    with running_mock(Script(service_s=0.05)) as mock:
        async with started(
            *mode, "--url", mock.url, "--images", tmp_path, "--no-self-check", "--timeout", "1"
        ) as process:
            await kill_after(mock, 15)
            ended = await end_of(process)
    assert ended.code in {ExitCode.OK, ExitCode.GENERATOR_INVALID}
    (told,) = ended.complaints()
    assert f"{mock.url} does not answer any more" in told
    assert "interrupted" not in ended.out
    assert re.search(r"scheduled +60 = 60 sent \+ 0 not sent", ended.out)
    found = re.search(
        r"(\d+) ok \+ 0 refused \+ (\d+) failed \+ (\d+) timed out \+ 0 wrong \+ 0 aband", ended.out
    )
    assert found is not None
    ok, failed, timed_out = map(int, found.groups())
    assert ok + failed + timed_out == 60
    assert min(ok, failed) > 0
    assert f"{failed} x failed:connection" in ended.out
