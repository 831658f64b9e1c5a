"""Who may do what, and how often: decided on the head of a request, before its body is read.

The decision is made on the path that routing sees, ``scope["path"]``, so that no other spelling
of a path is judged differently from the one that is served.
"""

from collections.abc import Callable, Iterator
from typing import Final

from dispatcher.api.asgi import TENANT_KEY
from dispatcher.api.asgi import Scope as AsgiScope
from dispatcher.api.guards.keys import MAX_KEY_BYTES, ApiKey, KeyRing, Scope
from dispatcher.api.guards.rates import Rates
from dispatcher.errors import (
    BadRequestError,
    ForbiddenError,
    RateLimitedError,
    UnauthorizedError,
)

PUBLIC_PATHS: Final = frozenset({"/health", "/livez", "/readyz"})
"""Probes: read by those who have no key, and never limited."""
PAGE_PATH: Final = "/"
PAGE_PREFIX: Final = "/page/"
"""The page and its files: the same for everybody, and they ask for the key themselves."""
POLLS_PER_S: Final = 1000.0
"""Most requests a second, of one key, that fetch something; far more than polling needs."""
_SUBMIT_PATHS: Final = frozenset({"/predict_async", "/predict", "/process"})
_QUEUE_PATH: Final = "/queue"
_SCHEME: Final = b"Bearer "


class Guard:
    """Lets a request pass, and notes in its scope whose it is."""

    def __init__(
        self,
        keys: KeyRing,
        *,
        rate_per_s: float,
        polls_per_s: float = POLLS_PER_S,
        rates: Rates | None = None,
    ) -> None:
        """Guard with these keys.

        Args:
            keys: who has one.
            rate_per_s: submissions a second of a key that names no rate; 0 means no limit.
            polls_per_s: most requests a second of a key that fetch something.
            rates: where requests are counted.
        """
        self._keys = keys
        self._rate_per_s = rate_per_s
        self._polls_per_s = polls_per_s
        self._rates = Rates() if rates is None else rates

    def admit(self, scope: AsgiScope) -> None:
        """Return when a request may pass.

        Raises:
            UnauthorizedError: it bears no key, or none that is known.
            BadRequestError: it bears two.
            ForbiddenError: its key does not allow this.
            RateLimitedError: its key asks too often.
        """
        method, path = scope["method"], scope["path"]
        if method in ("GET", "HEAD") and is_public(path):
            return
        key = self._key_of(scope)
        needed = scope_of(method, path)
        if needed not in key.scopes:
            raise ForbiddenError(f"This call needs a key with the scope {needed.value}.")
        self._count(key, needed, method)
        scope[TENANT_KEY] = key.owner

    def _key_of(self, scope: AsgiScope) -> ApiKey:
        values = list(_authorizations(scope))
        if len(values) > 1:
            raise BadRequestError("The Authorization header is there twice.")
        found = None
        if values and values[0].startswith(_SCHEME) and len(values[0]) <= MAX_KEY_BYTES:
            found = self._keys.find(values[0][len(_SCHEME) :])
        if found is None:
            raise UnauthorizedError("Send Authorization: Bearer with an API key.")
        return found

    def _count(self, key: ApiKey, needed: Scope, method: str) -> None:
        if needed is Scope.ADMIN:
            return
        rate, kind = self._polls_per_s, "fetch"
        if needed is Scope.SUBMIT and method == "POST":
            kind = "submit"
            rate = self._rate_per_s if key.rate_per_s is None else key.rate_per_s
        if rate <= 0:
            return
        after_s = self._rates.take(f"{kind} {key.id}", rate_per_s=rate, burst=max(1.0, rate))
        if after_s is not None:
            raise RateLimitedError(
                f"This key may {kind} {rate:g} times a second.", retry_after_s=after_s
            )


def is_public(path: str) -> bool:
    """Say whether whoever has no key may read what is at a path."""
    return path in PUBLIC_PATHS or path == PAGE_PATH or path.startswith(PAGE_PREFIX)


def scope_of(method: str, path: str) -> Scope:
    """Return what a call needs: a path that nobody has listed can be read, and is closed else."""
    if method == "POST" and path in _SUBMIT_PATHS:
        return Scope.SUBMIT
    if path.startswith("/result/") and (
        method == "DELETE" or (method == "POST" and path.endswith("/requeue"))
    ):
        return Scope.SUBMIT
    if path == _QUEUE_PATH:  # tells of everybody's jobs
        return Scope.ADMIN
    return Scope.READ if method in ("GET", "HEAD") else Scope.ADMIN


def share_of_one(keys: KeyRing | None, *, capacity: int) -> Callable[[], int | None]:
    """Return what tells how many jobs of one owner may wait; None means all that there is room for.

    With two owners or more none may have more than half of the queue.
    """

    def share() -> int | None:
        if keys is None or len(keys.owners()) <= 1:
            return None
        return max(1, capacity // 2)

    return share


def _authorizations(scope: AsgiScope) -> Iterator[bytes]:
    return (value for name, value in scope["headers"] if name == b"authorization")
