import time
from pathlib import Path

import pytest

from tests.durability.dispatcher_process import DispatcherProcess, stage
from tests.ports import free_port


@pytest.mark.parametrize("queue", ["memory", "sqlite"])
def test_a_second_dispatcher_on_one_data_directory_ends_at_once(tmp_path: Path, queue: str) -> None:
    with stage(tmp_path, "--queue", queue) as (dispatcher, _):
        dispatcher.start()
        dispatcher.wait_ready()
        second = DispatcherProcess(dispatcher.data_dir, dispatcher.flags, free_port())
        began = time.monotonic()
        second.start()
        assert second.process is not None
        try:
            assert second.process.wait(timeout=30) == 1
        finally:
            second.end()
        ended_after_s = time.monotonic() - began
        assert "error: another dispatcher uses the data directory" in second.tail()
        assert ended_after_s < start_up_s(tmp_path / "other") + 1.0
        dispatcher.wait_ready()


def start_up_s(folder: Path) -> float:
    """Return how long a dispatcher takes here until it serves: most of it is loading code."""
    folder.mkdir()
    other = DispatcherProcess(folder / "data", (), free_port())
    began = time.monotonic()
    other.start()
    try:
        other.wait_ready()
        return time.monotonic() - began
    finally:
        other.end()
