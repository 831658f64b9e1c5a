"""What a dispatcher would have refused, sent to a replica itself: it answers, and it lives."""

import psutil
import pytest

from tests.end_to_end.service import Service
from tests.hostile.accepted_images import ACCEPTED_IMAGES
from tests.hostile.form_rows import FRAME_ROWS
from tests.hostile.refused_images import REFUSED_IMAGES
from tests.hostile.rows import FormRow, ImageRow
from tests.hostile.wire import Answer, send

OCTETS = [(b"Content-Type", b"application/octet-stream")]
PATHS = pytest.mark.parametrize(
    ("pipeline", "path"), [("default", "/predict"), ("operations", "/process")]
)
DAMAGED = [row for row in ACCEPTED_IMAGES if row.id in ("C03", "C04", "C07", "C11", "C16", "C17")]
LONGEST_S = 10.0
GROWS_AT_MOST_BYTES = 512 * 1024 * 1024
"""For any of these images, which have few pixels or are refused."""


@PATHS
@pytest.mark.parametrize("row", REFUSED_IMAGES, ids=lambda row: row.name)
def test_it_refuses_the_same_images_for_the_same_reason(
    replica_urls: dict[str, str], pipeline: str, path: str, row: ImageRow
) -> None:
    answer = send(replica_urls[pipeline] + path, row.make(), headers=OCTETS)
    assert (answer.status, answer.code) == (row.status, row.code)
    assert answer.after_s < LONGEST_S


@PATHS
@pytest.mark.parametrize("row", DAMAGED, ids=lambda row: row.name)
def test_an_image_that_decodes_badly_ends_the_same_way(
    replica_urls: dict[str, str], pipeline: str, path: str, row: ImageRow
) -> None:
    answer = send(replica_urls[pipeline] + path, row.make(), headers=OCTETS)
    assert answer.code in row.ends if answer.status != 200 else "completed" in row.ends
    assert answer.after_s < LONGEST_S


@PATHS
@pytest.mark.parametrize(
    "row", [row for row in FRAME_ROWS if row.replica is not None], ids=lambda row: row.name
)
def test_it_refuses_broken_forms(
    replica_urls: dict[str, str], pipeline: str, path: str, row: FormRow
) -> None:
    headers = [(b"Content-Type", row.content_type), *row.headers]
    answer: Answer = send(replica_urls[pipeline] + path, row.body(), headers=headers)
    assert (answer.status, answer.code) == row.replica, answer.body
    assert b"Traceback" not in answer.body
    assert answer.after_s < LONGEST_S


def test_nothing_of_it_stays_in_memory(service: Service, replica_urls: dict[str, str]) -> None:
    before = {process.pid: process.memory_info().rss for process in service.replicas()}
    for row in (*REFUSED_IMAGES, *DAMAGED):
        send(replica_urls["operations"] + "/process", row.make(), headers=OCTETS)
    for pid, resident in before.items():
        assert psutil.Process(pid).memory_info().rss - resident <= GROWS_AT_MOST_BYTES
