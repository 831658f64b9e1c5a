"""Whom a command about the queue speaks to."""

from collections.abc import Mapping
from typing import Any, Protocol

from dispatcher.api.queue_documents import PurgedDocument, QueueDocument, RequeuedDocument
from dispatcher.errors import StartupError

Order = Mapping[str, Any]
"""The body of a call, as the API documents it."""


class OperationError(StartupError):
    """A command cannot be carried out; like a start, it ends with one line for a person."""

    def __init__(self, detail: str, *, code: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {detail}" if code else detail)
        self.code = code
        self.retry_after_s = retry_after_s


class NobodyThereError(OperationError):
    """Nothing listens at an address."""


class QueueTarget(Protocol):
    """A queue, however it is reached.

    Each call does a bounded part of the work. All raise ``OperationError``.
    """

    @property
    def name(self) -> str:
        """Say, for people, what is spoken to."""
        ...

    @property
    def may_drain(self) -> bool:
        """Say whether anybody may take jobs off the queue meanwhile."""
        ...

    async def state(self) -> QueueDocument:
        """Return what waits, what is in work and what has failed."""
        ...

    async def purge(self, order: Order) -> PurgedDocument:
        """Cancel jobs that wait, or drop failed ones."""
        ...

    async def requeue(self, order: Order) -> RequeuedDocument:
        """Repeat failed jobs."""
        ...
