"""What a row of the tables says: what is sent, and the answers that it must get."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

ANY_END = frozenset({"completed", "image_corrupt", "image_truncated"})
"""How a file may end that is neither surely good nor surely bad: never by a failure of ours."""


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """One image file."""

    id: str
    what: str
    make: Callable[[], bytes]
    status: int = 202
    code: str = ""
    """Of the refusal."""
    ends: frozenset[str] = frozenset({"completed"})
    """Once accepted: completed, or the code of the error."""
    corrected: str = ""
    """Where the answer differs from what was first thought right: why."""

    @property
    def name(self) -> str:
        """Its name in a report."""
        return f"{self.id} {self.what}"


@dataclass(frozen=True, kw_only=True)
class FormRow:
    """One request body with its Content-Type."""

    id: str
    what: str
    content_type: bytes
    body: Callable[[], Sequence[bytes]]
    """In pieces, so that a long one is made while it is sent."""
    answer: tuple[int, str] = (400, "malformed_multipart")
    """Status and code from ``POST /predict_async``; a code of "" for one that is accepted."""
    process: tuple[int, str] | None = None
    """From ``POST /process``, where that is another; its file is named ``files`` there."""
    replica: tuple[int, str] | None = None
    """From a replica itself, where the row concerns it."""
    unannounced: tuple[int, str] | None = None
    """From ``POST /predict_async`` when the body comes in chunks, where that is another."""
    headers: Sequence[tuple[bytes, bytes]] = field(default_factory=tuple)
    corrected: str = ""

    @property
    def name(self) -> str:
        """Its name in a report."""
        return f"{self.id} {self.what}"
