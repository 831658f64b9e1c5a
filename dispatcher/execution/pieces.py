"""A picture on its way through the stages of one job."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from step_app.contract.pictures import Picture


@dataclass(frozen=True, slots=True)
class Piece:
    """The picture sent, one made of it, or one of several that it was split into."""

    image: bytes
    media_type: str
    width: int
    height: int
    lineage: str | None
    """Names image and stages so far, for the stage cache; None where nothing may be shared."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the steps had to say of it."""

    @classmethod
    def made(cls, picture: Picture, lineage: str | None, *, of: "Piece") -> "Piece":
        """Return a piece for a picture that a replica made of another one."""
        return cls(
            image=picture.body,
            media_type=picture.media_type,
            width=picture.width,
            height=picture.height,
            lineage=lineage,
            data={**of.data, **picture.data},
        )


def descend(lineage: str | None, identity: str | None) -> str | None:
    """Return the lineage after one more stage; None when either is unknown."""
    if lineage is None or identity is None:
        return None
    return hashlib.sha256(f"{lineage}\n{identity}".encode()).hexdigest()


def nth_of(lineage: str | None, number: int, count: int) -> str | None:
    """Return the lineage of one of several pictures that a stage made of one."""
    return lineage if lineage is None or count == 1 else f"{lineage}#{number}"
