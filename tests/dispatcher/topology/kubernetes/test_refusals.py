"""What a client is told when the cluster says no."""

import pytest

from dispatcher.errors import (
    ClusterConflictError,
    ClusterQuotaError,
    ClusterRefusedError,
    ClusterUnavailableError,
    RequestError,
)
from dispatcher.topology.kubernetes.access import ClusterError
from dispatcher.topology.kubernetes.refusals import plain, refusal_of, told_to_clients

QUOTA = (
    'deployments.apps "pipeline-1-step-0" is forbidden: exceeded quota: steps, requested: '
    "count/deployments.apps=1, used: count/deployments.apps=4, limited: count/deployments.apps=4"
)
RIGHTS = (
    'deployments.apps is forbidden: User "system:serviceaccount:conveyor:dispatcher" cannot create '
    'resource "deployments" in API group "apps" in the namespace "conveyor-steps"'
)
POLICY = (
    "deployments.apps \"x\" is forbidden: ValidatingAdmissionPolicy 'images' with binding "
    "'images' denied request: the image is not from the registry"
)
WEBHOOK = 'admission webhook "deny.example" denied the request: no'


@pytest.mark.parametrize(
    ("status", "reason", "message", "expected"),
    [
        (409, "AlreadyExists", 'services "x" already exists', ClusterConflictError),
        (409, "Conflict", "the object has been modified", ClusterConflictError),
        (403, "Forbidden", QUOTA, ClusterQuotaError),
        (403, "Forbidden", 'pods "x" is forbidden: violates PodSecurity', ClusterQuotaError),
        (422, "Invalid", POLICY, ClusterQuotaError),
        (400, "BadRequest", WEBHOOK, ClusterQuotaError),
        (403, "Forbidden", RIGHTS, ClusterRefusedError),
        (401, "Unauthorized", "Unauthorized", ClusterRefusedError),
        (404, "NotFound", 'namespaces "conveyor-steps" not found', ClusterRefusedError),
        (422, "Invalid", "spec.replicas: Invalid value", ClusterRefusedError),
        (429, "TooManyRequests", "too many requests", ClusterUnavailableError),
        (500, "InternalError", "etcdserver: request timed out", ClusterUnavailableError),
        (0, "", "the API server cannot be reached", ClusterUnavailableError),
    ],
)
def test_every_refusal_is_told_in_the_clusters_own_words(
    status: int, reason: str, message: str, expected: type[RequestError]
) -> None:
    told = refusal_of(ClusterError(message, status=status, reason=reason))
    assert type(told) is expected
    assert told.detail == message


def test_when_to_try_again_is_what_the_api_server_asked_for() -> None:
    for asked_s, told_s in ((None, 5), (0.5, 5), (30.0, 30), (30.2, 31)):
        error = ClusterError("busy", status=429, retry_after_s=asked_s)
        assert refusal_of(error).retry_after_s == told_s


def test_a_cluster_that_takes_too_long_does_not_answer() -> None:
    with pytest.raises(ClusterUnavailableError), told_to_clients():
        raise TimeoutError


def test_words_are_shown_on_one_plain_line() -> None:
    assert plain("a\n\x1b[31mb\u202ec\t d") == "a [31mb c d"
    assert len(plain("x" * 5000)) == 500
