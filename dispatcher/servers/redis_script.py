"""Lua scripts that Redis runs as one step; each is a file beside the code that uses it."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError


class RedisScript:
    """One script: sent whole only when the server does not know it (any more)."""

    def __init__(self, package: str, *names: str) -> None:
        """Read a script.

        Args:
            package: the package that has a folder ``scripts``.
            names: of the files in it that the script is made of, in order, without their ending.
        """
        folder = files(package).joinpath("scripts")
        text = "".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(
        self, client: Redis, *, keys: Sequence[str], args: Sequence[str | bytes | int | float] = ()
    ) -> Any:
        """Run it and return its answer, as the script gives it.

        Raises:
            RedisError: it could not be run.
        """
        given = [*keys, *args]
        try:
            return await client.evalsha(self._digest, len(keys), *given)
        except NoScriptError:
            return await client.eval(self._text, len(keys), *given)
