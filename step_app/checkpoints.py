"""Work that nobody waits for any more is stopped where it says that it may be.

A step calls ``checkpoint`` between operations and between the rounds of a loop. Whose picture a
thread works on is told to it by ``stop_when``, so that no operation, a pure function of pixels
and params, has to pass it on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from step_app.errors import UnwantedError

IsUnwanted = Callable[[], bool]
"""Says, on any thread, whether nobody waits for the picture at hand any more."""

_is_unwanted: ContextVar[IsUnwanted] = ContextVar("is_unwanted", default=lambda: False)


@contextmanager
def stop_when(is_unwanted: IsUnwanted) -> Iterator[None]:
    """Have checkpoints in this block, on this thread, ask whether to go on."""
    token = _is_unwanted.set(is_unwanted)
    try:
        yield
    finally:
        _is_unwanted.reset(token)


def checkpoint() -> None:
    """Return when the work at hand shall go on.

    Raises:
        UnwantedError: nobody waits for it any more.
    """
    if _is_unwanted.get()():
        raise UnwantedError
