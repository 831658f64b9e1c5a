"""Operations that are easy to follow, and chains of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pytest

from step_app.contract.pictures import PictureReply
from step_app.contract.step_types import StepType
from step_app.errors import ImageTooLargeError, InvalidParamsError
from step_app.steps import chain as chain_module
from step_app.steps.base import PictureOutput, StepRequest
from step_app.steps.chain import ChainStep, Link
from step_app.steps.operation import Applied, Halo, Operation, Params, Pixels
from tests.step_app.pictures import encode, small_photo

ArgsT = ParamSpec("ArgsT")
MadeT = TypeVar("MadeT")

UNLUCKY = 13
"""A picture whose first sample is this breaks the operation ``picky``."""
REFUSED = 14
"""A picture whose first sample is this is refused by it."""


def _add(pixels: Pixels, params: Params) -> Applied:
    return Applied([pixels + np.uint8(params["n"])], {"added": params["n"]})


def _multiply(pixels: Pixels, params: Params) -> Applied:
    return Applied([pixels * np.uint8(params["n"])])


def _turn_grey(pixels: Pixels, _: Params) -> Applied:
    return Applied([pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, 0])])


def _cut_across(pixels: Pixels, params: Params) -> Applied:
    """Cut into pieces one above the other."""
    return Applied(np.array_split(pixels, params["n"]), {"cut": params["n"]})


def _smear(pixels: Pixels, params: Params) -> Applied:
    """Give each pixel the largest value of those up to ``n`` rows above or below."""
    reach = params["n"]
    height = pixels.shape[0]
    rows = [pixels[max(0, y - reach) : y + reach + 1].max(axis=0) for y in range(height)]
    return Applied([np.stack(rows)], {"rows": height})


def _coarsen(pixels: Pixels, params: Params) -> Applied:
    """Give each block of ``n`` rows the largest values in it; blocks are counted from the top."""
    size = params["n"]
    blocks = [pixels[y - y % size : y - y % size + size] for y in range(pixels.shape[0])]
    return Applied([np.stack([block.max(axis=0) for block in blocks])])


def _be_picky(pixels: Pixels, _: Params) -> Applied:
    if pixels.flat[0] == UNLUCKY:
        raise RuntimeError("the operation broke")
    if pixels.flat[0] == REFUSED:
        raise ImageTooLargeError("It is too large.")
    return Applied([pixels])


def _time_it(pixels: Pixels, _: Params) -> Applied:
    return Applied([pixels], {"timings": [{"threads": 1, "kernel_s": 0.5}]})


def operation(
    name: str,
    apply: Callable[[Pixels, Params], Applied],
    halo: Callable[[Params], Halo] | None = None,
) -> Operation:
    return Operation(StepType(name, "image", {}), revision=f"{name}-1", apply=apply, halo=halo)


OPERATIONS: Mapping[str, Operation] = {
    made.step_type.name: made
    for made in (
        operation("add", _add, lambda _: Halo(0)),
        operation("multiply", _multiply),
        operation("grey", _turn_grey),
        operation("cut", _cut_across),
        operation("smear", _smear, lambda params: Halo(params["n"])),
        operation("coarsen", _coarsen, lambda params: Halo(params["n"] - 1, alignment=params["n"])),
        operation("picky", _be_picky),
        operation("timed", _time_it),
    )
}


def resolve(params: Mapping[str, Any]) -> Sequence[Link]:
    """Return the chain that params name: ``{"chain": [[name, n, output, tiles], ...]}``."""
    links = []
    for name, *rest in params.get("chain", ()):
        if name not in OPERATIONS:
            raise InvalidParamsError(f"chain: {name} is unknown")
        n, output, tiles = (*rest, None, None, None)[:3]
        links.append(Link(OPERATIONS[name], {"n": n, "output": output, "tiles": tiles}))
    return links


def chain_step() -> ChainStep:
    return ChainStep(resolve, revision="chain-1", description={"model": "chain"})


def chained(*links: Sequence[Any]) -> dict[str, Any]:
    """Return the params that ask for these operations."""
    return {"chain": [list(link) for link in links]}


def run(image: bytes, *links: Sequence[Any], **wanted: Any) -> PictureReply:
    """Run operations on one image, in a step that has seen nothing before."""
    return ask(chain_step(), StepRequest(image, chained(*links), **wanted))


def ask(step: ChainStep, request: StepRequest) -> PictureReply:
    outcome = step.run([step.prepare(request)])[0]
    assert isinstance(outcome, PictureOutput)
    return outcome.reply


class CountedChain:
    """A step that notes which operations it really runs, once for each picture."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self._step = ChainStep(self._resolve, revision="chain-1", description={})

    def run(self, image: bytes, *links: Sequence[Any], **wanted: Any) -> PictureReply:
        return ask(self._step, StepRequest(image, chained(*links), **wanted))

    def _resolve(self, params: Mapping[str, Any]) -> Sequence[Link]:
        return [Link(self._counted(link.operation), link.params) for link in resolve(params)]

    def _counted(self, counted: Operation) -> Operation:
        def apply(pixels: Pixels, params: Params) -> Applied:
            self.runs.append(counted.step_type.name)
            return counted.apply(pixels, params)

        return replace(counted, apply=apply)


class Clock:
    """Goes on only for work that is said to take time."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def perf_counter(self) -> float:
        return self._now_s

    def taking(self, seconds: float, work: Callable[ArgsT, MadeT]) -> Callable[ArgsT, MadeT]:
        """Return the same work, which takes this long."""

        def timed(*args: ArgsT.args, **kwargs: ArgsT.kwargs) -> MadeT:
            self._now_s += seconds
            return work(*args, **kwargs)

        return timed


def timed_step(monkeypatch: pytest.MonkeyPatch, *operations: Operation) -> ChainStep:
    """Return a step whose decoding takes 1000 s, encoding 100 s and nth operation n seconds.

    Its params say how many of the operations are wanted: ``{"count": 2}``.
    """
    clock = Clock()
    monkeypatch.setattr(chain_module, "time", clock)
    for name, seconds in (("decode_upright_pixels", 1000), ("encode_picture", 100)):
        monkeypatch.setattr(chain_module, name, clock.taking(seconds, getattr(chain_module, name)))
    links = [
        Link(replace(made, apply=clock.taking(number, made.apply)), {})
        for number, made in enumerate(operations, start=1)
    ]
    return ChainStep(lambda params: links[: params["count"]], revision="r", description={})


def koala(longer_side: int = 64, image_format: str = "PNG") -> bytes:
    return encode(small_photo("koala", longer_side), image_format)
