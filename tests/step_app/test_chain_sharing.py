"""What chains on one image have in common is computed once, and nobody can tell from the result."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from step_app.codec import decode_upright_pixels
from step_app.contract.limits import MAX_KEPT_BYTES
from step_app.contract.pictures import RAW_MEDIA_TYPE, PictureReply
from step_app.contract.tiles import Tile
from step_app.encoding import encode_picture
from step_app.errors import ImageCorruptError, ImageTooLargeError, UnsupportedImageTypeError
from step_app.steps.base import StepRequest
from step_app.steps.chain import ChainStep, Link
from step_app.steps.operation import Applied, Pixels
from tests.step_app.chaining import (
    OPERATIONS,
    REFUSED,
    CountedChain,
    ask,
    koala,
    operation,
    run,
    timed_step,
)

Links = Sequence[Sequence[Any]]
ADD, MULTIPLY, SMEAR = ("add", 3), ("multiply", 5), ("smear", 2)
ORIGINAL = decode_upright_pixels(koala())


@pytest.fixture
def chain() -> CountedChain:
    """A replica that notes what it really runs."""
    return CountedChain()


def shown(reply: PictureReply) -> list[Pixels]:
    return [decode_upright_pixels(picture.body) for picture in reply.pictures]


def test_chains_that_begin_alike_run_their_beginning_once(chain: CountedChain) -> None:
    first = chain.run(koala(), ADD, MULTIPLY, lineage="koala")
    second = chain.run(koala(), ADD, SMEAR, lineage="koala")
    assert (first.reused, second.reused) == (0, 1)
    assert chain.runs == ["add", "multiply", "smear"]


def test_as_much_as_is_known_is_reused(chain: CountedChain) -> None:
    asked: Sequence[Links] = [
        (ADD, MULTIPLY, SMEAR, ("add", 1)),
        (ADD, MULTIPLY, SMEAR, ("add", 2)),
        (ADD, MULTIPLY, ("cut", 2), SMEAR),
        (ADD, ("cut", 2), SMEAR),
        (ADD, ("cut", 2), MULTIPLY),
    ]
    reused = [chain.run(koala(), *links, lineage="koala").reused for links in asked]
    assert reused == [0, 3, 2, 1, 2]


def test_the_last_operation_is_run_each_time(chain: CountedChain) -> None:
    replies = [chain.run(koala(), ADD, MULTIPLY, lineage="koala") for _ in range(3)]
    assert [reply.reused for reply in replies] == [0, 1, 1]
    assert chain.runs == ["add", "multiply", "multiply", "multiply"]
    assert replies[0].pictures == replies[1].pictures == replies[2].pictures


def test_a_single_operation_keeps_nothing_and_takes_nothing(chain: CountedChain) -> None:
    replies = [chain.run(koala(), ADD, lineage="koala")]
    replies += [chain.run(koala(), ADD, MULTIPLY, lineage="koala")]
    replies += [chain.run(koala(), ADD, lineage="koala")]
    assert [reply.reused for reply in replies] == [0, 0, 0]
    assert chain.runs == ["add", "add", "multiply", "add"]


@pytest.mark.parametrize("broken", [koala()[:500], b"hello", b""], ids=["cut", "text", "empty"])
def test_what_is_reused_is_not_decoded_again(chain: CountedChain, broken: bytes) -> None:
    chain.run(koala(), ADD, MULTIPLY, lineage="koala")
    reply = chain.run(broken, ADD, SMEAR, lineage="koala", output="image/png")
    assert reply.pictures == run(koala(), ADD, SMEAR, output="image/png").pictures


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("koala", "castle"),
        ("koala", "koal"),
        ("koala", ""),
        ("", "koala"),
        ("", ""),
    ],
)
def test_only_images_of_the_same_name_share(chain: CountedChain, first: str, second: str) -> None:
    chain.run(koala(), ADD, MULTIPLY, lineage=first)
    assert chain.run(koala(), ADD, SMEAR, lineage=second).reused == 0
    assert chain.runs == ["add", "multiply", "add", "smear"]
    with pytest.raises(UnsupportedImageTypeError):
        chain.run(b"hello", ADD, SMEAR, lineage="" if second else "another")


@pytest.mark.parametrize(
    "beginning",
    [
        [("add", 4)],
        [("multiply", 3)],
        [MULTIPLY, ADD],
        [("add", 1), ADD],
        [("cut", 1), ADD, MULTIPLY],
    ],
    ids=str,
)
def test_only_the_same_operations_in_the_same_order_are_shared(
    chain: CountedChain, beginning: Links
) -> None:
    chain.run(koala(), ADD, MULTIPLY, SMEAR, lineage="koala")
    reply = chain.run(koala(), *beginning, SMEAR, lineage="koala")
    assert reply.reused == 0
    assert reply.pictures == run(koala(), *beginning, SMEAR).pictures


@pytest.mark.parametrize(
    ("output", "tiles", "media_type"),
    [(None, None, "image/jpeg"), ("webp", None, "image/webp"), (None, 4, "image/jpeg")],
)
def test_format_and_chunks_of_what_comes_first_make_no_difference(
    chain: CountedChain, output: str | None, tiles: int | None, media_type: str
) -> None:
    chain.run(koala(64, "JPEG"), ("add", 3, "png", 2), MULTIPLY, lineage="koala")
    reply = chain.run(koala(64, "JPEG"), ("add", 3, output, tiles), SMEAR, lineage="koala")
    assert reply.reused == 1
    assert reply.pictures[0].media_type == media_type


def test_each_chain_is_answered_in_the_format_it_asks_for(chain: CountedChain) -> None:
    wanted = ["image/png", RAW_MEDIA_TYPE, "image/jpeg", "image/bmp"]
    replies = [chain.run(koala(), ADD, SMEAR, lineage="koala", output=kind) for kind in wanted]
    assert [reply.pictures[0].media_type for reply in replies] == wanted
    assert [reply.reused for reply in replies] == [0, 1, 1, 1]


def test_the_pieces_of_a_split_are_all_shared_in_their_order(chain: CountedChain) -> None:
    chain.run(koala(), ADD, ("cut", 3), ("cut", 2), MULTIPLY, lineage="koala")
    chain.runs.clear()
    reply = chain.run(koala(), ADD, ("cut", 3), ("cut", 2), ("grey",), lineage="koala")
    assert (reply.reused, chain.runs) == (3, ["grey"] * 6)
    assert np.array_equal(np.concatenate(shown(reply))[:, :, 0], ORIGINAL[:, :, 0] + np.uint8(3))
    assert [picture.data for picture in reply.pictures] == [{"added": 3, "cut": 2}] * 6


@pytest.mark.parametrize("seed", range(6))
def test_nobody_can_tell_from_a_result_what_was_reused(chain: CountedChain, seed: int) -> None:
    rng = random.Random(seed)
    images = {size: koala(size) for size in (32, 48)}
    links = [ADD, MULTIPLY, SMEAR, ("grey",), ("cut", 2), ("coarsen", 4), ("add", 0)]
    reused = asked = 0
    for _ in range(40):
        size, wanted = rng.choice(list(images)), rng.choices(links, k=rng.randrange(5))
        reply = chain.run(images[size], *wanted, lineage=str(size))
        alone = run(images[size], *wanted)
        assert reply.pictures == alone.pictures
        assert len(reply.timings_s) == len(wanted)
        assert list(reply.timings_s[: reply.reused]) == [0.0] * reply.reused
        reused, asked = reused + reply.reused, asked + len(wanted)
    assert 0 < reused < asked


def test_operations_that_were_reused_took_no_time_and_the_others_what_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = timed_step(monkeypatch, *[OPERATIONS["grey"]] * 4)
    asked = [(2, "a"), (3, "a"), (3, "a"), (3, ""), (2, "a"), (4, "a")]
    replies = [ask(step, StepRequest(koala(), {"count": n}, lineage=name)) for n, name in asked]
    assert [(reply.reused, list(reply.timings_s)) for reply in replies] == [
        (0, [1001, 102]),
        (1, [0, 2, 103]),
        (2, [0, 0, 103]),
        (0, [1001, 2, 103]),
        (1, [0, 102]),
        (2, [0, 0, 3, 104]),
    ]


def test_the_total_of_a_measured_kernel_is_that_of_each_request_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = timed_step(monkeypatch, OPERATIONS["timed"], OPERATIONS["grey"])
    request = StepRequest(koala(), {"count": 2}, lineage="koala")
    totals = [ask(step, request).pictures[0].data["timings"][0]["total_s"] for _ in range(3)]
    assert totals == [0.5 + 1000 + 100, 0.5 + 100, 0.5 + 100]


@pytest.mark.parametrize(("extra_rows", "reused"), [(0, 1), (1, 0)])
def test_pictures_that_are_too_large_are_not_kept_and_the_next_ones_are(
    extra_rows: int, reused: int
) -> None:
    large = np.zeros((4096 + extra_rows, MAX_KEPT_BYTES // 4096), np.uint8)
    grow = Link(operation("grow", lambda *_: Applied([large])), {})
    shrink = Link(operation("shrink", lambda pixels, _: Applied([pixels[:2, :2]])), {})
    step = ChainStep(
        lambda params: [grow, *[shrink] * params["times"]], revision="r", description={}
    )

    def reused_of(times: int) -> int:
        return ask(step, StepRequest(koala(), {"times": times}, lineage="koala")).reused

    assert [reused_of(1), reused_of(1)] == [0, reused]
    assert [reused_of(2), reused_of(2)] == [reused, 2]


def test_what_was_made_before_an_operation_failed_is_shared(chain: CountedChain) -> None:
    image = encode_picture(np.full((4, 4, 3), REFUSED, np.uint8), "image/png").body
    for _ in range(2):
        with pytest.raises(ImageTooLargeError):
            chain.run(image, ("multiply", 1), ("picky",), ("add", 1), lineage="it")
    assert chain.run(image, ("multiply", 1), ("add", 1), lineage="it").reused == 1
    assert chain.runs == ["multiply", "picky", "picky", "add"]


def test_a_picture_wanted_as_it_is_neither_takes_nor_leaves_anything(chain: CountedChain) -> None:
    chain.run(koala(), ADD, MULTIPLY, lineage="koala")
    reply = chain.run(koala(), ADD, MULTIPLY, lineage="koala", as_is=True)
    assert (reply.reused, list(reply.timings_s)) == (0, [])
    assert np.array_equal(shown(reply)[0], ORIGINAL)
    with pytest.raises(ImageCorruptError):
        chain.run(koala()[:500], ADD, MULTIPLY, lineage="koala", as_is=True)
    chain.run(koala(), ADD, MULTIPLY, lineage="other", as_is=True)
    assert chain.run(koala(), ADD, MULTIPLY, lineage="other").reused == 0


def test_a_chunk_neither_takes_nor_leaves_anything(chain: CountedChain) -> None:
    chain.run(koala(), SMEAR, MULTIPLY, lineage="koala")
    chunk = chain.run(koala(), SMEAR, lineage="koala", tile=Tile(1, 4))
    assert chunk.reused == 0
    assert chunk.pictures == run(koala(), SMEAR, tile=Tile(1, 4)).pictures
    chain.run(koala(), ADD, lineage="koala", tile=Tile(0, 2))
    whole = chain.run(koala(), ADD, MULTIPLY, lineage="koala")
    assert whole.reused == 0
    assert whole.pictures == run(koala(), ADD, MULTIPLY).pictures
