"""A name server whose answers are written down before."""

import socket
from collections.abc import Sequence

from aiohttp.abc import ResolveResult


class ScriptedResolver:
    """Gives one answer after the other."""

    def __init__(self, answers: Sequence[Sequence[str]]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        """Return the next answer."""
        self.asked.append(host)
        return self._answers.pop(0)

    async def resolve_for_aiohttp(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the next answer unchecked, as a resolver of aiohttp does."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self.resolve(host)
        ]
