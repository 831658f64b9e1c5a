import re

import pytest

from dispatcher.errors import RequestError
from dispatcher.pools.errors import (
    AttemptError,
    AttemptTimeoutError,
    BatchRejectedError,
    InvalidResponseError,
    ItemRejectedError,
    NoCapacityError,
    NotSentError,
    ReplicaFailedError,
    ReplicaLostError,
    ReplicaRejectedError,
)

REQUEST_ERRORS = RequestError.__subclasses__()
ATTEMPT_ERRORS = AttemptError.__subclasses__()

STATUSES = {
    "malformed_multipart": 400,
    "unknown_field": 400,
    "duplicate_field": 400,
    "incomplete_body": 400,
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "unknown_pipeline": 404,
    "request_timeout": 408,
    "pipeline_protected": 409,
    "too_many_pipelines": 409,
    "too_many_replicas": 409,
    "not_failed": 409,
    "gone": 410,
    "image_gone": 410,
    "payload_too_large": 413,
    "too_many_parts": 413,
    "field_too_large": 413,
    "uri_too_long": 414,
    "unsupported_media_type": 415,
    "unsupported_encoding": 415,
    "unsupported_image_type": 415,
    "missing_field": 422,
    "wrong_field_kind": 422,
    "invalid_value": 422,
    "invalid_params": 422,
    "empty_file": 422,
    "image_too_large": 422,
    "image_corrupt": 422,
    "invalid_pipeline": 422,
    "rate_limited": 429,
    "headers_too_large": 431,
    "overloaded": 503,
    "draining": 503,
    "storage_full": 503,
}
"""Clients branch on these codes: one may be added, none may change."""


def test_the_codes_and_their_statuses_are_stable() -> None:
    assert STATUSES.items() <= {error.code: error.status for error in REQUEST_ERRORS}.items()


def test_no_two_request_errors_share_a_code() -> None:
    codes = [error.code for error in REQUEST_ERRORS]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("error", REQUEST_ERRORS, ids=lambda error: error.__name__)
def test_every_request_error_says_what_a_client_needs(error: type[RequestError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    assert 400 <= error.status < 600
    assert error.title
    assert not error.title.endswith(".")
    assert error.__doc__
    assert not error.__subclasses__(), "the tree has one level"


def test_the_detail_is_the_title_unless_there_is_more_to_say() -> None:
    error = REQUEST_ERRORS[0]
    assert error().detail == f"{error.title}."
    assert error("Two dots.").detail == "Two dots."
    assert error(retry_after_s=3).retry_after_s == 3
    assert error().retry_after_s is None


@pytest.mark.parametrize("error", ATTEMPT_ERRORS, ids=lambda error: error.__name__)
def test_every_attempt_error_has_a_code(error: type[AttemptError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    assert error.__doc__


def test_the_kinds_of_failed_attempts_are_told_apart() -> None:
    assert {error: error.code for error in ATTEMPT_ERRORS} == {
        NotSentError: "no_capacity",
        NoCapacityError: "no_capacity",
        ReplicaLostError: "replica_lost",
        AttemptTimeoutError: "timeout",
        InvalidResponseError: "invalid_response",
        ReplicaFailedError: "replica_failed",
        ReplicaRejectedError: "replica_rejected",
        BatchRejectedError: "replica_rejected",
        ItemRejectedError: "replica_failed",
    }


def test_only_an_item_that_never_left_costs_no_attempt() -> None:
    free = {error for error in ATTEMPT_ERRORS if not error.uses_attempt}
    assert free == {NotSentError, NoCapacityError}


def test_only_a_judgement_and_the_end_of_patience_are_final() -> None:
    final = {error for error in ATTEMPT_ERRORS if not error.is_retryable}
    assert final == {ItemRejectedError, NoCapacityError, ReplicaRejectedError}


def test_an_error_is_told_again_for_one_item_with_its_cause() -> None:
    cause = OSError("reset")
    error = ReplicaLostError("the connection broke", retry_after_s=7)
    error.__cause__ = cause
    copy = error.at("http://127.0.0.1:5000")
    assert isinstance(copy, ReplicaLostError)
    assert copy is not error
    assert (str(copy), copy.replica_url) == ("the connection broke", "http://127.0.0.1:5000")
    assert copy.retry_after_s == 7
    assert copy.__cause__ is cause
