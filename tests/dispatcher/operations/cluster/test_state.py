import os
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.operations.cluster.state import (
    STATE_FILE,
    ClusterState,
    read_state,
    remove_state,
    write_state,
)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = ClusterState(os.getpid(), "ready", restarts=2, url="http://x", members={"api": 7})
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    remove_state(tmp_path)
    assert read_state(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_was_killed_does_not_run(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    write_state(tmp_path, ClusterState(ended.pid, "ready"))
    assert read_state(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"pid": "x"}', b"\xff"])
def test_what_makes_no_sense_is_no_cluster(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATE_FILE).write_bytes(content)
    assert read_state(tmp_path) is None
