"""What a client is told when the cluster does not do what was asked: in its own words."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dispatcher.errors import (
    ClusterConflictError,
    ClusterQuotaError,
    ClusterRefusedError,
    ClusterUnavailableError,
    RequestError,
)
from dispatcher.topology.kubernetes.access import ClusterError

_CONFLICT: Final = 409
_POLICY: Final = re.compile(
    r"exceeded quota|violates PodSecurity|ValidatingAdmissionPolicy|denied (the )?request"
    r"|maximum .* usage per|minimum .* usage per",
    re.IGNORECASE,
)
"""How a quota, a limit range, Pod Security and admission policies say no."""
_UNPLAIN: Final = re.compile(r"[^ -~]+")
_MAX_DETAIL: Final = 500
_RETRY_AFTER_S: Final = 5


@contextmanager
def told_to_clients() -> Iterator[None]:
    """Turn errors of the cluster into answers to a client.

    Raises:
        RequestError: in place of a ClusterError, or because it took too long.
    """
    try:
        yield
    except ClusterError as exc:
        raise refusal_of(exc) from exc
    except TimeoutError as exc:
        raise ClusterUnavailableError(
            "The cluster did not do it in time.", retry_after_s=_RETRY_AFTER_S
        ) from exc


def refusal_of(error: ClusterError) -> RequestError:
    """Return what a client is told of an error."""
    detail = plain(error.message)
    if error.retryable:
        asked_s = math.ceil(error.retry_after_s or 0)
        return ClusterUnavailableError(detail, retry_after_s=max(asked_s, _RETRY_AFTER_S))
    if _POLICY.search(error.message):
        return ClusterQuotaError(detail)
    if error.status == _CONFLICT:
        return ClusterConflictError(detail)
    return ClusterRefusedError(detail)


def plain(text: str) -> str:
    """Return the cluster's words fit to be shown: one line of some hundred printable characters."""
    line = " ".join(_UNPLAIN.sub(" ", text).split())
    return line if len(line) <= _MAX_DETAIL else f"{line[: _MAX_DETAIL - 1]}…"
