"""Operations run one after the other on one picture: one decode, one encode, no hop between.

A replica of a single type is a chain of that one operation; a replica of ``operations`` runs
whatever chain a request brings.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from step_app.checkpoints import checkpoint
from step_app.codec import decode_upright_pixels, media_type_of
from step_app.contract.limits import MAX_PIECES
from step_app.contract.pictures import MEDIA_TYPES, Picture, PictureReply, delivered_as
from step_app.contract.tiles import Tile, rows_of
from step_app.encoding import encode_picture
from step_app.errors import ImageTooLargeError, InvalidParamsError
from step_app.steps.bands import apply_in_bands
from step_app.steps.base import Outcome, PictureOutput, StepRequest
from step_app.steps.operation import Operation, Params, Pixels
from step_app.steps.picture_cache import PictureCache, Piece

_CHAINS_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class Link:
    """One operation of a chain, and the params in force."""

    operation: Operation
    params: Params


Resolve = Callable[[Mapping[str, Any]], Sequence[Link]]
"""From the params of a request to the chain to run; raises InvalidParamsError."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """What a request asks for, resolved."""

    links: Sequence[Link]
    names: Sequence[str]
    """Of the operations up to each but the last, whatever the picture."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    request: StepRequest
    chain: _Chain
    done: int
    """How many operations an earlier chain has run already."""
    pieces: Sequence[Piece]
    decode_s: float


class ChainStep:
    """A ``Step`` that gives pictures."""

    def __init__(self, resolve: Resolve, *, revision: str, description: Mapping[str, str]) -> None:
        self._revision = revision
        self._description = description
        self._cache = PictureCache()
        # Requests of one batch bring the same chain again and again.
        self._resolve = lru_cache(_CHAINS_REMEMBERED)(
            lambda text: _with_names(resolve(json.loads(text)))
        )

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
        """Check the params, then decode, unless the beginning of the chain is known."""
        chain = _Chain((), ())
        if not request.as_is:
            chain = self._resolve(json.dumps(dict(request.params), sort_keys=True))
        if request.tile is not None and len(chain.links) != 1:
            raise InvalidParamsError("tiles: only a single operation is cut into tiles")
        done, pieces = self._cache.find(_kept_names(request, chain))
        started = time.perf_counter()
        if not done:
            pieces = [Piece(decode_upright_pixels(request.image))]
        return _Prepared(request, chain, done, pieces, time.perf_counter() - started)

    def run(self, batch: Sequence[_Prepared]) -> list[Outcome]:
        """Run the chain of each picture."""
        return [PictureOutput(self._run(prepared)) for prepared in batch]

    def _run(self, prepared: _Prepared) -> PictureReply:
        request, pieces = prepared.request, prepared.pieces
        names = _kept_names(request, prepared.chain)
        timings_s = [0.0] * prepared.done
        for link in prepared.chain.links[prepared.done :]:
            checkpoint()
            started = time.perf_counter()
            if request.tile is not None:
                pieces = [_apply_to_chunk(link, pieces[0].pixels, request.tile)]
            else:
                pieces = _apply_to_all(link, pieces)
            timings_s.append(time.perf_counter() - started)
            if len(timings_s) <= len(names):
                self._cache.keep(names[len(timings_s) - 1], pieces)
        started = time.perf_counter()
        media_type = _media_type(request, prepared.chain.links)
        pictures = [_encode(piece, media_type) for piece in pieces]
        encode_s = time.perf_counter() - started
        if timings_s:
            timings_s[prepared.done] += prepared.decode_s
            timings_s[-1] += encode_s
        around_s = prepared.decode_s + encode_s
        return PictureReply(
            pictures=[_with_totals(picture, around_s) for picture in pictures],
            timings_s=timings_s,
            reused=prepared.done,
        )


def _with_names(links: Sequence[Link]) -> _Chain:
    names, identity = [], ""
    for link in links[:-1]:
        # Neither changes what the next operation sees.
        params = {k: v for k, v in link.params.items() if k not in ("output", "tiles")}
        identity += f"|{link.operation.step_type.name}{json.dumps(params, sort_keys=True)}"
        names.append(identity)
    return _Chain(links, names)


def _kept_names(request: StepRequest, chain: _Chain) -> Sequence[str]:
    """Return the names of the pictures that may be kept: none of an image without a name."""
    return [request.lineage + name for name in chain.names] if request.lineage else ()


def _apply_to_all(link: Link, pieces: Sequence[Piece]) -> list[Piece]:
    made: list[Piece] = []
    for piece in pieces:
        checkpoint()
        made += _apply(link, piece)
        if len(made) > MAX_PIECES:
            raise ImageTooLargeError(f"The picture is split into more than {MAX_PIECES} pieces.")
    return made


def _apply(link: Link, piece: Piece) -> list[Piece]:
    applied = apply_in_bands(link.operation, piece.pixels, link.params)
    data = {**piece.data, **applied.data}
    return [Piece(pixels, data) for pixels in applied.pictures]


def _encode(piece: Piece, media_type: str) -> Picture:
    checkpoint()
    return encode_picture(piece.pixels, media_type, data=piece.data)


def _apply_to_chunk(link: Link, pixels: Pixels, tile: Tile) -> Piece:
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
    applied = apply_in_bands(link.operation, pixels[first:last], link.params)
    own = applied.pictures[0][rows.start - first : rows.stop - first]
    return Piece(own, applied.data)


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
