from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from step_app.codec import decode_upright_pixels
from step_app.contract.limits import MAX_PIECES
from step_app.contract.pictures import RAW_MEDIA_TYPE, Picture
from step_app.encoding import encode_picture
from step_app.errors import InvalidParamsError, StepError
from step_app.metrics import StepMetrics
from step_app.runner import StepRunner
from step_app.steps import chain as chain_module
from step_app.steps.base import StepRequest
from step_app.steps.operation import Applied, Pixels
from tests.step_app.chaining import (
    OPERATIONS,
    REFUSED,
    UNLUCKY,
    ask,
    chain_step,
    chained,
    koala,
    operation,
    resolve,
    run,
    timed_step,
)
from tests.step_app.pictures import encode, rotated_by_exif, small_photo

ORIGINAL = decode_upright_pixels(koala())


def shown(picture: Picture) -> Pixels:
    return decode_upright_pixels(picture.body)


def one_colour(value: int, image_format: str = "PNG") -> bytes:
    return encode_picture(np.full((4, 4, 3), value, np.uint8), f"image/{image_format.lower()}").body


def raw(pixels: Pixels) -> bytes:
    return encode_picture(pixels, RAW_MEDIA_TYPE).body


def test_one_operation_is_a_chain() -> None:
    reply = run(koala(), ("add", 7))
    assert np.array_equal(shown(reply.pictures[0]), ORIGINAL + np.uint8(7))


def test_operations_run_in_the_order_given() -> None:
    first_add = run(koala(), ("add", 3), ("multiply", 5)).pictures[0]
    first_multiply = run(koala(), ("multiply", 5), ("add", 3)).pictures[0]
    assert np.array_equal(shown(first_add), (ORIGINAL + np.uint8(3)) * np.uint8(5))
    assert np.array_equal(shown(first_multiply), ORIGINAL * np.uint8(5) + np.uint8(3))


def test_a_chain_of_nothing_gives_the_picture_back() -> None:
    reply = run(koala())
    assert np.array_equal(shown(reply.pictures[0]), ORIGINAL)
    assert (list(reply.timings_s), reply.reused) == ([], 0)


def test_a_chain_loses_nothing_between_its_operations() -> None:
    together = run(koala(), ("add", 3), ("multiply", 5), ("add", 9)).pictures[0]
    body = koala()
    for link in (("add", 3), ("multiply", 5), ("add", 9)):
        body = run(body, link, output=RAW_MEDIA_TYPE).pictures[0].body
    assert np.array_equal(shown(together), decode_upright_pixels(body))


def test_pieces_flow_through_what_follows_the_split() -> None:
    pieces = run(koala(), ("cut", 3), ("add", 1), ("cut", 2), ("multiply", 3)).pictures
    assert len(pieces) == 6
    joined = np.concatenate([shown(piece) for piece in pieces])
    assert np.array_equal(joined, (ORIGINAL + np.uint8(1)) * np.uint8(3))
    assert all(piece.height == shown(piece).shape[0] for piece in pieces)


def test_what_operations_say_of_a_picture_goes_with_each_of_its_pieces() -> None:
    pieces = run(koala(), ("add", 1), ("cut", 2), ("multiply", 2)).pictures
    assert [piece.data for piece in pieces] == [{"added": 1, "cut": 2}] * 2


def test_a_stored_turn_is_undone_before_the_first_operation() -> None:
    upright = small_photo("koala", 64)
    for orientation in range(1, 9):
        data = rotated_by_exif(upright, orientation, "PNG")
        picture = run(data, ("add", 1), output=RAW_MEDIA_TYPE).pictures[0]
        assert np.array_equal(shown(picture), ORIGINAL + np.uint8(1))


def test_a_grey_picture_between_two_stages_stays_grey() -> None:
    grey = np.ascontiguousarray(ORIGINAL[:, :, 0])
    picture = run(raw(grey), ("add", 1), output=RAW_MEDIA_TYPE).pictures[0]
    assert picture.body == raw(grey + np.uint8(1))


def test_there_is_one_time_for_each_operation_with_decoding_and_encoding_at_the_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = timed_step(monkeypatch, *[OPERATIONS["grey"]] * 3)
    for count, expected in ((1, [1101]), (2, [1001, 102]), (3, [1001, 2, 103])):
        assert ask(step, StepRequest(koala(), {"count": count})).timings_s == expected


def test_a_measured_kernel_is_told_with_the_total_that_decoding_and_encoding_make_of_it() -> None:
    timing = run(koala(), ("timed",)).pictures[0].data["timings"][0]
    assert (timing["threads"], timing["kernel_s"]) == (1, 0.5)
    assert 0.5 < timing["total_s"] < 5


@pytest.mark.parametrize(
    ("image_format", "links", "wanted", "expected"),
    [
        ("JPEG", [("add", 1)], "", "image/jpeg"),
        ("PNG", [("add", 1)], "", "image/png"),
        ("WEBP", [("add", 1)], "", "image/webp"),
        ("BMP", [("add", 1)], "", "image/bmp"),
        ("TIFF", [("add", 1)], "", "image/tiff"),
        ("GIF", [("add", 1)], "", "image/png"),
        ("JPEG", [], "", "image/jpeg"),
        ("JPEG", [("add", 1, "png")], "", "image/png"),
        ("JPEG", [("add", 1, "png"), ("add", 1)], "", "image/png"),
        ("JPEG", [("add", 1, "png"), ("add", 1, "webp")], "", "image/webp"),
        ("JPEG", [("add", 1, "png")], "image/tiff", "image/tiff"),
        ("PNG", [("add", 1)], RAW_MEDIA_TYPE, RAW_MEDIA_TYPE),
    ],
)
def test_the_format_is_what_is_wanted_else_the_last_that_was_named_else_the_inputs(
    image_format: str, links: Sequence[Sequence[Any]], wanted: str, expected: str
) -> None:
    picture = run(koala(64, image_format), *links, output=wanted).pictures[0]
    assert picture.media_type == expected
    assert shown(picture).shape[:2] == ORIGINAL.shape[:2]


def test_a_raw_picture_is_delivered_as_png_unless_told_otherwise() -> None:
    assert run(raw(ORIGINAL), ("add", 1)).pictures[0].media_type == "image/png"


def test_a_picture_wanted_as_it_is_is_only_encoded_anew() -> None:
    reply = run(koala(), ("add", 1), as_is=True, output="image/bmp")
    assert reply.pictures[0].media_type == "image/bmp"
    assert np.array_equal(shown(reply.pictures[0]), ORIGINAL)
    assert (list(reply.timings_s), reply.reused, reply.pictures[0].data) == ([], 0, {})


def test_for_a_picture_wanted_as_it_is_no_params_are_read() -> None:
    assert run(koala(), ("unknown",), as_is=True).pictures


def test_no_picture_is_split_into_more_pieces_than_there_may_be() -> None:
    tall = encode_picture(np.zeros((MAX_PIECES + 2, 2), np.uint8), "image/png").body
    assert len(run(tall, ("cut", MAX_PIECES), output=RAW_MEDIA_TYPE).pictures) == MAX_PIECES
    for links in (
        [("cut", MAX_PIECES + 1)],
        [("cut", 2), ("add", 1), ("cut", MAX_PIECES // 2 + 1)],
    ):
        with pytest.raises(StepError, match=f"more than {MAX_PIECES}") as caught:
            run(tall, *links)
        assert caught.value.code == "image_too_large"


def test_pieces_without_end_are_given_up_long_before_all_are_made() -> None:
    tall = encode_picture(np.zeros((20_000, 1), np.uint8), "image/png").body
    cut = 0

    def counting(params: Any) -> Sequence[chain_module.Link]:
        def count(pixels: Pixels, _: Any) -> Applied:
            nonlocal cut
            cut += 1
            return Applied(np.array_split(pixels, 1000))

        return [chain_module.Link(operation("cut", count), {})] * 2

    step = chain_module.ChainStep(counting, revision="r", description={})
    with pytest.raises(StepError, match="pieces"):
        step.run([step.prepare(StepRequest(tall))])
    assert cut <= 4


def test_params_are_refused_before_the_picture_is_decoded() -> None:
    with pytest.raises(InvalidParamsError, match="unknown"):
        chain_step().prepare(StepRequest(b"no picture", chained(("unknown",))))


def test_requests_with_the_same_params_share_one_resolved_chain() -> None:
    asked = []

    def count(params: Any) -> Sequence[chain_module.Link]:
        asked.append(params)
        return resolve(params)

    step = chain_module.ChainStep(count, revision="r", description={})
    for params in ({"chain": [["add", 1]], "x": 1}, {"x": 1, "chain": [["add", 1]]}, {}, {}):
        step.prepare(StepRequest(koala(), params))
    assert len(asked) == 2


def test_a_chain_says_what_it_is() -> None:
    step = chain_step()
    assert (step.revision, step.description, step.is_batched) == (
        "chain-1",
        {"model": "chain"},
        False,
    )


async def test_an_operation_that_breaks_fails_its_picture_alone() -> None:
    runner = StepRunner(
        chain_step(),
        step_type="operations",
        max_batch_size=8,
        decode_threads=1,
        metrics=StepMetrics(),
    )
    runner.start()
    images = [one_colour(1), one_colour(UNLUCKY), one_colour(2), one_colour(REFUSED), b"", koala()]
    futures = [
        runner.submit(StepRequest(image, chained(("add", 0), ("picky",)))) for image in images
    ]
    outcomes = [(await future).outcome for future in futures]
    await runner.close()
    codes = [outcome.code if isinstance(outcome, StepError) else "" for outcome in outcomes]
    assert codes == ["", "step_failed", "", "image_too_large", "empty_file", ""]


def test_a_jpeg_and_its_pixels_make_the_same_picture() -> None:
    data = encode(small_photo("koala", 64), "JPEG")
    pixels = decode_upright_pixels(data)
    made = [run(image, ("add", 1), output="image/png").pictures[0] for image in (data, raw(pixels))]
    assert made[0] == made[1]
