"""The last answers before the service ends: each closes its connection.

A connection that is kept alive is closed when the service ends; a request that its client sends at
that moment fails. A client that was told with the answer before sends the next request elsewhere.
"""

from collections.abc import Callable, MutableMapping
from typing import Any

from dispatcher.api.asgi import Endpoint, Receive, Scope, Send


class Farewell:
    """Pure ASGI in front of the application."""

    def __init__(self, app: Endpoint, *, is_draining: Callable[[], bool]) -> None:
        """Stand before an application.

        Args:
            app: takes every request.
            is_draining: whether the service is about to end.
        """
        self._app = app
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_last(message: MutableMapping[str, Any]) -> None:
            # Asked when the answer begins: a long poll may have come before.
            if self._is_draining() and message["type"] == "http.response.start":
                kept = [h for h in message["headers"] if h[0].lower() != b"connection"]
                message = {**message, "headers": [*kept, (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, send_last)
