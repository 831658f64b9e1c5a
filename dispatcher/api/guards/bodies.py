"""The body of a request on its way in: how far it is, what became of it, what it weighs."""

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final

from dispatcher.api.asgi import BODY_KEY, Receive, Scope
from dispatcher.errors import OverloadedError, RequestError
from step_app.contract.limits import MAX_IMAGE_BYTES

FAILURE_KEY: Final = "conveyor.failure"
"""Where a connection leaves, in a request's scope, why its body will never be complete."""
_MOST_AT_ONCE: Final = MAX_IMAGE_BYTES + 1024 * 1024
"""No upload is in memory with more than one image and what a form adds to it."""
_MAX_LENGTH_DIGITS: Final = 18
_RETRY_AFTER_S: Final = 1


class Body:
    """Knows whether the body of a request was read to its end."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._is_failure_told = False
        self.is_complete = False

    async def receive(self) -> MutableMapping[str, Any]:
        """Receive the next message.

        Raises:
            RequestError: once, when the rest of the body will never come.
        """
        message = await self._receive()
        self._note(message)
        return message

    def _note(self, message: MutableMapping[str, Any]) -> None:
        if FAILURE_KEY in self._scope and not self._is_failure_told:
            self._is_failure_told = True
            failure: RequestError = self._scope[FAILURE_KEY]
            raise failure
        if not message.get("more_body", False):
            self.is_complete = True

    async def take_what_is_there(self) -> None:
        """Receive what has arrived already, and wait for nothing more."""
        try:
            async with asyncio.timeout(0):
                await self.receive()
        except (TimeoutError, RequestError):
            pass


class UploadBudget:
    """The bytes that uploads may take up in memory together while they arrive."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.taken_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Take a part of it.

        Raises:
            OverloadedError: not so much is left.
        """
        if self.taken_bytes + size_bytes > self.total_bytes:
            raise OverloadedError(
                "Too many images arrive at the same time.", retry_after_s=_RETRY_AFTER_S
            )
        self.taken_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Give a part back."""
        self.taken_bytes -= size_bytes


class UploadBody(Body):
    """A body that counts against the budget until it is released.

    What is announced is taken before the first byte is read; a body of unknown length takes as
    much as has arrived.
    """

    def __init__(self, scope: Scope, receive: Receive, budget: UploadBudget) -> None:
        super().__init__(scope, receive)
        self._budget = budget
        self._taken_bytes = 0
        self._received_bytes = 0
        self._most_bytes = min(_MOST_AT_ONCE, budget.total_bytes)
        self._is_begun = False
        self.is_over_budget = False
        """Whether it was refused because there are too many."""
        self._is_released = False
        scope[BODY_KEY] = self.release

    async def receive(self) -> MutableMapping[str, Any]:
        """Receive the next message.

        Raises:
            OverloadedError: all bodies together would be too much.
            RequestError: once, when the rest of the body will never come.
        """
        if not self._is_begun:
            self._is_begun = True
            self._take_up_to(announced_bytes(self._scope))
        message = await self._receive()
        self._note(message)
        self._received_bytes += len(message.get("body", b""))
        if self._received_bytes > self._taken_bytes:
            self._take_up_to(self._received_bytes)
        return message

    def release(self) -> None:
        """Give back what this body has taken: nothing of it is in memory on its account."""
        self._is_released = True
        self._budget.give_back(self._taken_bytes)
        self._taken_bytes = 0

    def _take_up_to(self, size_bytes: int) -> None:
        more = min(size_bytes, self._most_bytes) - self._taken_bytes
        if more > 0 and not self._is_released:
            try:
                self._budget.take(more)
            except OverloadedError:
                self.is_over_budget = True
                raise
            self._taken_bytes += more


def expects_continue(scope: Scope) -> bool:
    """Say whether the client keeps its body back until it is asked for it."""
    return any(name == b"expect" for name, _ in scope["headers"])


def announces_body(scope: Scope) -> bool:
    """Say whether a request's head tells of a body."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def announced_bytes(scope: Scope) -> int:
    """Return the length that a body is said to have; 0 when none is said."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) <= _MAX_LENGTH_DIGITS:
            return int(value)
    return 0
