import json
import time
from datetime import UTC, datetime

import pytest

from dispatcher.api.documents import iso, result, ticket
from dispatcher.jobs import JobState
from tests.dispatcher.api.contract import validate
from tests.dispatcher.records import completed, failed, make_job

TICKET = {"$ref": "#/components/schemas/Ticket"}
RESULT = {"$ref": "#/components/schemas/Result"}
RESULT_KEYS = {
    "request_id",
    "filename",
    "status",
    "queued_at",
    "started_at",
    "completed_at",
    "processing_time",
    "queue_time",
    "replica_used",
    "from_cache",
    "coalesced",
    "attempts",
    "queue_position",
    "eta_s",
    "pipeline",
    "priority",
    "deadline_s",
    "requeued_from",
    "steps",
    "result",
    "error",
}
"""The wire contract: fields may be added, never renamed or removed."""

QUEUED_AT = datetime(2025, 6, 25, 11, 22, 41, 523565, tzinfo=UTC).timestamp()
JOB = make_job(queued_at=QUEUED_AT)


def test_a_ticket_tells_where_the_result_will_be() -> None:
    document = ticket(JOB, queue_size=7)
    assert document == {
        "request_id": "job-1",
        "status_url": "/result/job-1",
        "message": "Request queued for processing",
        "queue_size": 7,
        "from_cache": False,
    }
    validate(TICKET, document)


def test_a_ticket_tells_that_the_result_is_there_already() -> None:
    document = ticket(JOB.served_from_cache({}, (), "r1"), queue_size=0)
    assert document["from_cache"] is True
    assert document["message"] == "Result served from cache"


def test_a_waiting_job_tells_its_place_and_how_long_it_may_take() -> None:
    document = result(JOB, position=4, drain_rate=2.0)
    assert (document["status"], document["queue_position"], document["eta_s"]) == ("queued", 4, 2.5)
    assert document["result"] is document["error"] is document["started_at"] is None


@pytest.mark.parametrize(("position", "drain_rate"), [(None, 2.0), (4, 0.0)])
def test_nothing_is_promised_that_is_not_known(position: int | None, drain_rate: float) -> None:
    assert result(JOB, position=position, drain_rate=drain_rate)["eta_s"] is None


def test_a_completed_job_tells_everything() -> None:
    job = completed(JOB.started(QUEUED_AT), at=QUEUED_AT + 1.5)
    document = result(job, position=None, drain_rate=0.0)
    assert document["status"] == "completed"
    assert document["completed_at"] == "2025-06-25T11:22:43.023565"
    assert (document["queue_time"], document["processing_time"]) == (0.0, 1.5)
    assert document["replica_used"] == "http://127.0.0.1:5000"
    assert document["steps"] == [
        {"id": "0", "type": "classifier", "time": 0.125, "replica": "http://127.0.0.1:5000"}
    ]
    assert document["result"] == {"predictions": ["koala"], "filename": "koala.png"}


def test_a_result_that_is_shared_bears_the_name_of_the_file_that_was_sent() -> None:
    kept = {"predictions": ["koala"], "filename": "first.png"}
    job = make_job(filename="second.png").served_from_cache(kept, (), "r1")
    assert result(job, position=None, drain_rate=0.0)["result"]["filename"] == "second.png"
    assert kept["filename"] == "first.png"


def test_a_failed_job_tells_why() -> None:
    document = result(failed(JOB, "image_corrupt"), position=None, drain_rate=0.0)
    assert document["status"] == "failed"
    assert document["error"] == {"code": "image_corrupt", "detail": "It is so."}
    assert document["result"] is None


@pytest.mark.parametrize(
    "job",
    [
        JOB,
        JOB.started(QUEUED_AT),
        completed(JOB),
        failed(JOB),
        JOB.served_from_cache({"predictions": []}, (), "r1"),
        make_job("follower").settled_like(completed(JOB)),
        make_job(filename="\ud800\u0000<b>"),
    ],
    ids=lambda job: job.state.value,
)
def test_every_job_fits_the_documented_schema_and_is_json(job: object) -> None:
    assert isinstance(job, type(JOB))
    for position in (None, 0, 3):
        document = result(job, position=position, drain_rate=1.0)
        assert document.keys() == RESULT_KEYS
        assert document["status"] in list(JobState)
        validate(RESULT, json.loads(json.dumps(document, allow_nan=False)))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (QUEUED_AT, "2025-06-25T11:22:41.523565"),
        (0.0, "1970-01-01T00:00:00.000000"),
        (1750000000.0, "2025-06-15T15:06:40.000000"),
    ],
)
def test_times_are_utc_with_microseconds_and_no_zone(moment: float | None, text: str) -> None:
    assert iso(moment) == text


def test_times_do_not_depend_on_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert iso(QUEUED_AT) == "2025-06-25T11:22:41.523565"
    finally:
        monkeypatch.undo()
        time.tzset()
