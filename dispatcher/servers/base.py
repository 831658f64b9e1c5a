"""What every connection to a server promises."""

from typing import Protocol


class Ready(Protocol):
    """Knows why something cannot be used."""

    def unready(self) -> str | None:
        """Say, for people, why it cannot be used now; None when it can."""
        ...


class Server(Ready, Protocol):
    """A server elsewhere: it may be away at any time, at the start, too."""

    def refuses(self) -> bool:
        """Say whether it is there and does not take this dispatcher: others may be served well."""
        ...

    async def start(self) -> None:
        """Begin to connect, in the background; nobody waits for it."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...
