"""What every connection to a server promises."""

from typing import Protocol


class Server(Protocol):
    """A server elsewhere: it may be away at any time, at the start, too."""

    def unready(self) -> str | None:
        """Say, for people, why it cannot be used now; None when it can."""
        ...

    async def start(self) -> None:
        """Begin to connect, in the background; nobody waits for it."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...
