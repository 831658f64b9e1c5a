"""What a replica refuses by its structure, and what damage it does not overlook."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from step_app.codec import decode_upright_pixels, decode_upright_rgb
from step_app.contract.limits import MAX_FRAMES
from step_app.errors import StepError
from tests.hostile import animations, jpegs, pngs
from tests.step_app.pictures import small_photo

DECODERS = pytest.mark.parametrize("decode", [decode_upright_rgb, decode_upright_pixels])
Decoder = Callable[[bytes], object]


def code_of(decode: Decoder, data: bytes) -> str:
    with pytest.raises(StepError) as caught:
        decode(data)
    return caught.value.code


@DECODERS
def test_a_checksum_of_pixels_is_checked_even_when_there_are_pixels_enough(decode: Decoder) -> None:
    assert code_of(decode, pngs.with_wrong_checksum(b"IDAT")) == "image_corrupt"


@DECODERS
def test_frames_beyond_the_cap_are_refused_and_up_to_it_the_first_counts(decode: Decoder) -> None:
    assert code_of(decode, animations.gif(MAX_FRAMES + 1)) == "too_many_frames"
    assert code_of(decode, animations.webp(MAX_FRAMES + 1)) == "too_many_frames"
    decode(animations.gif(MAX_FRAMES))
    decode(animations.webp(MAX_FRAMES))
    decode(pngs.animated(MAX_FRAMES + 1))


@DECODERS
def test_a_frame_larger_than_its_screen_is_too_large(decode: Decoder) -> None:
    data = animations.gif_head() + animations.gif_frame(65_535, 65_535) + animations.GIF_END
    assert code_of(decode, data) == "image_too_large"


@DECODERS
@pytest.mark.parametrize("place", [jpegs.with_segments, jpegs.with_segments_behind_frame])
def test_exif_in_very_many_pieces_is_not_put_together(
    decode: Decoder, place: Callable[..., bytes]
) -> None:
    data = place(*[jpegs.exif(b"x")] * 1_000_000)
    before = time.thread_time()
    assert code_of(decode, data) == "image_corrupt"
    assert time.thread_time() - before < 0.2


@DECODERS
def test_a_jpeg_of_very_many_scans_is_too_complex(decode: Decoder) -> None:
    decode(jpegs.with_scans(100))
    before = time.thread_time()
    assert code_of(decode, jpegs.with_scans(10_000)) == "image_too_complex"
    assert time.thread_time() - before < 0.2


@pytest.mark.parametrize("transform", [None, 0, 2], ids=["no marker", "CMYK", "YCCK"])
def test_four_channels_show_the_colours_that_were_meant(transform: int | None) -> None:
    meant = np.asarray(small_photo("koala").convert("CMYK").convert("RGB"), dtype=np.int16)
    data = jpegs.cmyk(transform)
    for decoded in (np.asarray(decode_upright_rgb(data)), decode_upright_pixels(data)):
        assert np.abs(decoded.astype(np.int16) - meant).mean() < 4
