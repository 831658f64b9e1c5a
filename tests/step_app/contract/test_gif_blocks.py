"""The blocks of a GIF: frames are counted, and the walk always ends."""

import random

import pytest
from PIL import Image

from step_app.contract.gif_blocks import MAX_STEPS, check_gif
from step_app.contract.limits import MAX_FRAMES, MAX_SIDE
from step_app.contract.structure_errors import (
    CorruptStructureError,
    FrameTooLargeError,
    StructureError,
    TooManyFramesInFileError,
)
from tests.hostile.animations import (
    GIF_END,
    gif,
    gif_frame,
    gif_head,
    gif_of_extensions,
    gif_of_sub_blocks,
)
from tests.step_app.pictures import encode, small_photo


def test_a_gif_has_up_to_sixty_frames() -> None:
    check_gif(gif(1))
    check_gif(gif(MAX_FRAMES))
    with pytest.raises(TooManyFramesInFileError):
        check_gif(gif(MAX_FRAMES + 1))


def test_animations_as_encoders_write_them_are_in_order() -> None:
    frames = [small_photo(name, 64) for name in ("koala", "red_panda", "espresso")]
    check_gif(encode(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"x" * 900))
    check_gif(encode(Image.effect_noise((900, 900), 90).convert("P"), "GIF"))


def test_counting_stops_at_the_cap_and_not_at_the_end() -> None:
    with pytest.raises(TooManyFramesInFileError):
        check_gif(gif(MAX_FRAMES + 1, end=b"whatever follows"))


def test_bytes_behind_the_end_are_not_looked_at() -> None:
    check_gif(gif(2) + b"=1;alert(1)//")


@pytest.mark.parametrize("padding", [b"", b"\0", b"\0\0\0"])
def test_zeros_before_the_end_are_passed(padding: bytes) -> None:
    check_gif(gif(2, end=padding + GIF_END))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gif(1, end=b""), id="no end"),
        pytest.param(gif(1, end=b"\0\0"), id="zeros for an end"),
        pytest.param(gif(0), id="no frame"),
        pytest.param(gif_head() + b"\0" + gif_frame() + GIF_END, id="a zero before any frame"),
        pytest.param(gif(1, end=b"\x77" + GIF_END), id="no block"),
        pytest.param(gif(1)[:-3], id="cut within a frame"),
        pytest.param(gif_of_extensions(10), id="cut among extensions"),
        pytest.param(gif_of_extensions(MAX_STEPS), id="extensions without end"),
    ],
)
def test_a_gif_without_frame_or_end_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptStructureError):
        check_gif(data)


def test_the_first_frame_may_not_reach_beyond_the_limits() -> None:
    check_gif(gif_head() + gif_frame(MAX_SIDE, 1) + GIF_END)
    for size in ((MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (10_000, 5_001)):
        with pytest.raises(FrameTooLargeError):
            check_gif(gif_head() + gif_frame(*size) + GIF_END)


def test_a_gif_in_very_many_pieces_is_taken_when_it_has_a_frame() -> None:
    check_gif(gif_of_sub_blocks(MAX_STEPS * 2))


def test_only_refusals_escape_from_damaged_files() -> None:
    whole = gif(3)
    for seed in range(3000):
        dice = random.Random(seed)
        data = bytearray(whole[: dice.randint(6, len(whole))])
        for _ in range(dice.randint(0, 4)):
            data[dice.randrange(6, len(data) + 1) - 1] = dice.randrange(256)
        try:
            check_gif(bytes(data))
        except StructureError:
            continue
