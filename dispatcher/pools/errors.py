"""Everything that can go wrong with one attempt at a replica, on one screen.

::

    AttemptError                     one attempt of one stage failed
    ├── NotSentError                 the replica never saw the item: no attempt was used up
    ├── NoCapacityError              no replica had room in time
    ├── ReplicaLostError             the connection broke while it worked
    ├── AttemptTimeoutError          it did not answer in time
    ├── InvalidResponseError         it answered garbage
    ├── ReplicaFailedError           it answered with a server error
    ├── ReplicaRejectedError         it refused the request with 4xx: never tried again
    ├── BatchRejectedError           the same for several items: tried again, each alone
    └── ItemRejectedError            it judged the image or params: never tried again
"""

from typing import ClassVar


class AttemptError(Exception):
    """One attempt of one stage failed."""

    code: ClassVar[str] = "replica_failed"
    is_retryable: ClassVar[bool] = True
    uses_attempt: ClassVar[bool] = True

    def __init__(
        self, message: str, *, replica_url: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.replica_url = replica_url
        self.retry_after_s = retry_after_s
        """For how long the replica asked to be left alone; None when it did not."""

    def at(self, replica_url: str) -> "AttemptError":
        """Return this error again, for one item at one replica."""
        copy = type(self)(str(self), replica_url=replica_url, retry_after_s=self.retry_after_s)
        copy.__cause__ = self.__cause__
        return copy


class NotSentError(AttemptError):
    """The replica never saw the item, so another one may take it at no cost."""

    code, uses_attempt = "no_capacity", False


class NoCapacityError(AttemptError):
    """No replica had room for the item in time."""

    code, is_retryable, uses_attempt = "no_capacity", False, False


class ReplicaLostError(AttemptError):
    """The connection broke while the replica worked."""

    code = "replica_lost"


class AttemptTimeoutError(AttemptError):
    """The replica did not answer in time."""

    code = "timeout"


class InvalidResponseError(AttemptError):
    """The replica answered garbage."""

    code = "invalid_response"


class ReplicaFailedError(AttemptError):
    """The replica answered with a server error."""


class ReplicaRejectedError(AttemptError):
    """The replica refused the request with 4xx: it would refuse it again."""

    code, is_retryable = "replica_rejected", False


class BatchRejectedError(AttemptError):
    """The replica refused a request of several items with 4xx; each is tried alone to see whose."""

    code = "replica_rejected"


class ItemRejectedError(AttemptError):
    """The replica judged the image or the params; another one would say the same."""

    is_retryable = False

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.item_code = code
        self.detail = detail
