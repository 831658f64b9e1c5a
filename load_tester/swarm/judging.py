"""Answers as Locust's client gives them, judged by the load tester's rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from locust.contrib.fasthttp import ResponseContextManager

from load_tester.errors import BrokenError, ImageError

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A whole answer; a header that came several times is one line."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def judge(response: ResponseContextManager, read: Callable[[Reply], Value]) -> Value:
    """Return what `read` makes of the answer, and tell Locust when it says no.

    Raises what `read` raises, and BrokenError when there is no whole answer.
    """
    with response:
        broken = response.request_meta["exception"]
        if response.status_code == 0 or (response.ok and broken is not None):
            response.failure(broken)
            raise BrokenError from broken
        try:
            return read(_whole(response))
        except ImageError as exc:
            response.failure(exc.reason)
            raise


def _whole(response: ResponseContextManager) -> Reply:
    headers: Mapping[str, object] = response.headers or {}
    return Reply(
        status=response.status_code,
        headers={str(name): str(value) for name, value in headers.items()},
        body=response.content or b"",
    )
