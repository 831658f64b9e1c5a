"""Multipart forms, byte by byte, so that each can be wrong in its own way."""

from collections.abc import AsyncIterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.intake.upload import Receive
from tests.dispatcher.images import png

BOUNDARY = "frontier"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}".encode()


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part; ``disposition`` replaces the usual header."""

    name: str = "image"
    data: bytes = b""
    filename: str | None = None
    headers: Sequence[str] = ()
    disposition: bytes | None = None

    def encode(self) -> bytes:
        disposition = self.disposition
        if disposition is None:
            disposition = f'form-data; name="{self.name}"'.encode()
            if self.filename is not None:
                disposition += f'; filename="{self.filename}"'.encode()
        lines = [b"Content-Disposition: " + disposition, *(h.encode() for h in self.headers)]
        return b"\r\n".join([*lines, b"", self.data])


IMAGE = Part(filename="koala.png", data=png(tail=b"pixels"))


def text(name: str, value: str | bytes) -> Part:
    return Part(name=name, data=value if isinstance(value, bytes) else value.encode())


def form(*parts: Part) -> bytes:
    body = b"".join(b"--" + BOUNDARY.encode() + b"\r\n" + p.encode() + b"\r\n" for p in parts)
    return body + b"--" + BOUNDARY.encode() + b"--\r\n"


class Body:
    """A request body as ASGI delivers it, chunk by chunk; counts what was asked for."""

    def __init__(self, *chunks: bytes, then_disconnect: bool = False) -> None:
        self.received = 0
        self._chunks = chunks
        self._then_disconnect = then_disconnect

    @property
    def receive(self) -> Receive:
        return self._receive

    async def _receive(self) -> MutableMapping[str, Any]:
        number = self.received
        self.received += 1
        if number >= len(self._chunks):
            assert self._then_disconnect, "more was asked for than the body has"
            return {"type": "http.disconnect"}
        is_last = number == len(self._chunks) - 1 and not self._then_disconnect
        return {"type": "http.request", "body": self._chunks[number], "more_body": not is_last}


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])
