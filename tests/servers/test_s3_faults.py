import threading
from collections.abc import Iterator

import pytest
from obstore.exceptions import BaseError, GenericError, PermissionDeniedError
from obstore.store import S3Store

from tests.end_to_end.service import wait_until
from tests.servers.s3 import S3Server
from tests.servers.s3_faults import Fault, Request, S3Faults


@pytest.fixture
def faults(s3_server: S3Server) -> Iterator[S3Faults]:
    with S3Faults(s3_server.port) as faults:
        yield faults


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    return s3_server.new_bucket()


@pytest.fixture
def store(faults: S3Faults, bucket: str) -> S3Store:
    """A client that asks once and says what it was told."""
    return S3Store(
        bucket,
        endpoint=f"http://127.0.0.1:{faults.port}",
        access_key_id=S3Server.environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=S3Server.environment["AWS_SECRET_ACCESS_KEY"],
        client_options={"allow_http": True, "timeout": "10s"},
        retry_config={"max_retries": 0},
    )


def test_without_a_fault_everything_passes_and_is_noted(
    faults: S3Faults, store: S3Store, bucket: str
) -> None:
    store.put("a/b", b"image")
    assert store.head("a/b")["size"] == 5
    assert store.get("a/b").bytes() == b"image"
    assert [item["path"] for page in store.list("a") for item in page] == ["a/b"]
    store.delete("a/b")
    assert faults.requests[0] == Request("PUT", f"/{bucket}/a/b")
    assert [one.method for one in faults.requests[:3]] == ["PUT", "HEAD", "GET"]


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.INTERNAL])
def test_a_refusal_says_its_code(faults: S3Faults, store: S3Store, fault: Fault) -> None:
    faults.fail(fault, methods=["PUT"], times=1)
    with pytest.raises(GenericError, match=fault.value[1]):
        store.put("path", b"image")
    store.put("path", b"image")


def test_credentials_can_expire(faults: S3Faults, store: S3Store) -> None:
    faults.fail(Fault.EXPIRED)
    with pytest.raises(PermissionDeniedError, match="ExpiredToken"):
        store.put("path", b"image")


def test_a_lost_answer_has_been_carried_out(faults: S3Faults, store: S3Store) -> None:
    faults.fail(Fault.LOST_ANSWER, times=1)
    with pytest.raises(BaseError):
        store.put("path", b"image")
    assert store.get("path").bytes() == b"image"


def test_an_answer_can_be_altered_or_cut_off(faults: S3Faults, store: S3Store) -> None:
    store.put("path", b"image")
    faults.fail(Fault.ALTERED, times=1)
    assert store.get("path").bytes() == b"im`ge"
    faults.fail(Fault.TRUNCATED)
    with pytest.raises(BaseError):
        store.get("path").bytes()


def test_a_silent_server_answers_nobody_until_it_is_healed(
    faults: S3Faults, store: S3Store
) -> None:
    faults.fail(Fault.SILENT)
    failed: list[BaseError] = []

    def ask() -> None:
        try:
            store.put("path", b"image")
        except BaseError as exc:
            failed.append(exc)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: faults.requests)
    asking.join(timeout=0.3)
    assert asking.is_alive()
    faults.heal()
    asking.join(timeout=10)
    assert len(failed) == 1
