"""Operations run one after the other on one picture: one decode, one encode, no hop between.

A replica of a single type is a chain of that one operation; a replica of ``operations`` runs
whatever chain a request brings.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from step_app.codec import decode_upright_pixels, media_type_of
from step_app.contract.limits import MAX_KEPT_BYTES, MAX_PIECES
from step_app.contract.pictures import (
    MEDIA_TYPES,
    RAW_MEDIA_TYPE,
    Picture,
    PictureReply,
    delivered_as,
)
from step_app.contract.tiles import Tile, rows_of
from step_app.encoding import encode_picture
from step_app.errors import ImageTooLargeError, InvalidParamsError
from step_app.steps.base import Outcome, PictureOutput, StepRequest
from step_app.steps.operation import Operation, Params, Pixels

_CHAINS_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class Link:
    """One operation of a chain, and the params in force."""

    operation: Operation
    params: Params


Resolve = Callable[[Mapping[str, Any]], Sequence[Link]]
"""From the params of a request to the chain to run; raises InvalidParamsError."""


@dataclass(frozen=True, slots=True)
class _Piece:
    pixels: Pixels
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Prepared:
    request: StepRequest
    chain: Sequence[Link]
    pixels: Pixels
    decode_s: float


class ChainStep:
    """A ``Step`` that gives pictures."""

    def __init__(self, resolve: Resolve, *, revision: str, description: Mapping[str, str]) -> None:
        self._revision = revision
        self._description = description
        # Requests of one batch bring the same chain again and again.
        self._resolve = lru_cache(_CHAINS_REMEMBERED)(lambda text: resolve(json.loads(text)))

    @property
    def revision(self) -> str:
        """Changes with the arithmetic of any operation."""
        return self._revision

    @property
    def description(self) -> Mapping[str, str]:
        """The operations that were loaded."""
        return self._description

    @property
    def is_batched(self) -> bool:
        """Pictures gain nothing from company."""
        return False

    def prepare(self, request: StepRequest) -> _Prepared:
        """Check the params, then decode."""
        chain: Sequence[Link] = ()
        if not request.as_is:
            chain = self._resolve(json.dumps(dict(request.params), sort_keys=True))
        if request.tile is not None and len(chain) != 1:
            raise InvalidParamsError("tiles: only a single operation is cut into tiles")
        started = time.perf_counter()
        pixels = decode_upright_pixels(request.image)
        return _Prepared(request, chain, pixels, time.perf_counter() - started)

    def run(self, batch: Sequence[_Prepared]) -> list[Outcome]:
        """Run the chain of each picture."""
        return [PictureOutput(_run(prepared)) for prepared in batch]


def _run(prepared: _Prepared) -> PictureReply:
    request, chain = prepared.request, prepared.chain
    pieces = [_Piece(prepared.pixels)]
    timings_s: list[float] = []
    kept: list[Sequence[Picture]] = []
    for number, link in enumerate(chain):
        started = time.perf_counter()
        if request.tile is not None:
            pieces = [_apply_to_chunk(link, pieces[0].pixels, request.tile)]
        else:
            pieces = _apply_to_all(link, pieces)
        timings_s.append(time.perf_counter() - started)
        if request.keep and number < len(chain) - 1:
            kept.append(_keep(pieces))
    started = time.perf_counter()
    media_type = _media_type(request, chain)
    pictures = [encode_picture(p.pixels, media_type, data=p.data) for p in pieces]
    encode_s = time.perf_counter() - started
    if timings_s:
        timings_s[0] += prepared.decode_s
        timings_s[-1] += encode_s
    around_s = prepared.decode_s + encode_s
    return PictureReply(
        pictures=[_with_totals(picture, around_s) for picture in pictures],
        timings_s=timings_s,
        kept=kept,
    )


def _apply_to_all(link: Link, pieces: Sequence[_Piece]) -> list[_Piece]:
    made: list[_Piece] = []
    for piece in pieces:
        made += _apply(link, piece)
        if len(made) > MAX_PIECES:
            raise ImageTooLargeError(f"The picture is split into more than {MAX_PIECES} pieces.")
    return made


def _apply(link: Link, piece: _Piece) -> list[_Piece]:
    applied = link.operation.apply(piece.pixels, link.params)
    data = {**piece.data, **applied.data}
    return [_Piece(pixels, data) for pixels in applied.pictures]


def _apply_to_chunk(link: Link, pixels: Pixels, tile: Tile) -> _Piece:
    """Compute one chunk with as much of its surroundings as its rows depend on."""
    height = pixels.shape[0]
    halo = link.operation.require_halo(link.params)
    try:
        rows = rows_of(tile, height=height)
    except ValueError as exc:
        raise InvalidParamsError(f"tiles: {exc}") from exc
    first = max(0, rows.start - halo.rows)
    first -= first % halo.alignment
    last = min(height, rows.stop + halo.rows)
    applied = link.operation.apply(pixels[first:last], link.params)
    own = applied.pictures[0][rows.start - first : rows.stop - first]
    return _Piece(own, applied.data)


def _keep(pieces: Sequence[_Piece]) -> Sequence[Picture]:
    if sum(piece.pixels.nbytes for piece in pieces) > MAX_KEPT_BYTES:
        return ()
    return [encode_picture(p.pixels, RAW_MEDIA_TYPE, data=p.data) for p in pieces]


def _media_type(request: StepRequest, chain: Sequence[Link]) -> str:
    """Return what the request asks for, else the last step that names a format, else the input's.

    A raw picture between two stages has no format that a person could open: PNG then.
    """
    if request.output:
        return request.output
    for link in reversed(chain):
        if link.params.get("output"):
            return MEDIA_TYPES[link.params["output"]]
    return delivered_as(media_type_of(request.image))


def _with_totals(picture: Picture, around_s: float) -> Picture:
    """Add to measured kernels what the whole step took with each: decoding and encoding too."""
    timings = picture.data.get("timings")
    if not timings:
        return picture
    totals = [{**timing, "total_s": timing["kernel_s"] + around_s} for timing in timings]
    return Picture(
        media_type=picture.media_type,
        width=picture.width,
        height=picture.height,
        body=picture.body,
        data={**picture.data, "timings": totals},
    )
