import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.storage.notice import NOTICE_FILE, Notice, find_running, local_url, notice_posted

URL = "http://127.0.0.1:8080"


def test_a_dispatcher_is_found_for_as_long_as_it_runs(tmp_path: Path) -> None:
    assert find_running(tmp_path) is None
    with notice_posted(tmp_path, url=URL):
        assert find_running(tmp_path) == Notice(os.getpid(), URL)
    assert find_running(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_killed_is_not_found(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / NOTICE_FILE).write_text(json.dumps({"pid": ended.pid, "url": URL}))
    assert find_running(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": "x", "url": ""}', '{"pid": 1}', "\0"])
def test_what_makes_no_sense_names_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / NOTICE_FILE).write_text(content)
    assert find_running(tmp_path) is None


def test_a_directory_that_cannot_be_written_keeps_nothing_from_running(tmp_path: Path) -> None:
    ran = False
    with notice_posted(tmp_path / "not" / "there", url=URL):
        ran = True
    assert ran


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("10.1.2.3", "http://10.1.2.3:80"),
    ],
)
def test_an_address_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    assert local_url(host, 80) == url
