"""A job as a message, and messages that are none."""

import msgspec
import pytest

from dispatcher.jobs import OperationSpec, Priority
from dispatcher.queues.messages import SCHEMA, UnreadableMessageError, decode_job, encode_job
from tests.dispatcher.records import completed, failed, make_job


def test_a_job_is_the_same_after_its_way_through_the_broker() -> None:
    plain = make_job("a", filename='bär "1".png', size_bytes=3, work_key="k", result_key="r")
    urgent = make_job(
        priority=Priority.HIGH,
        overrides={"0": {"top": 3}},
        operations=(OperationSpec("resize", {"width": 8}),),
        deadline_s=0.5,
    )
    for job in (plain, urgent, completed(plain), failed(urgent)):
        assert decode_job(encode_job(job)) == job


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    message = msgspec.json.decode(encode_job(make_job("a")))
    message["job"]["invented later"] = {"a": 1}
    message["also"] = []
    assert decode_job(msgspec.json.encode(message)).id == "a"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"schema": 1}',
        b'{"schema": 1, "job": {"id": "a"}}',
        b'{"schema": "1", "job": {}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_job_cannot_be_read(body: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        decode_job(body)


def test_a_schema_of_a_newer_version_is_not_guessed_at() -> None:
    message = msgspec.json.decode(encode_job(make_job("a")))
    assert message["schema"] == SCHEMA == 1
    with pytest.raises(UnreadableMessageError, match="schema 2"):
        decode_job(msgspec.json.encode({**message, "schema": 2}))
