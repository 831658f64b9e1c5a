"""Files are judged by their pieces, before anything decodes them."""

import contextlib
import time
from collections.abc import Callable

import pytest

from step_app.contract.limits import MAX_FRAMES
from step_app.contract.structure import (
    MAX_JPEG_SEGMENTS,
    MAX_PNG_CHUNKS,
    MAX_WEBP_CHUNKS,
    START_OF_SCAN,
    check_structure,
    jpeg_segments,
    png_chunks,
)
from step_app.contract.structure_errors import CorruptStructureError, TooManyFramesInFileError
from tests.dispatcher.images import EVERY_KIND
from tests.hostile import animations, jpegs, pngs
from tests.step_app.pictures import KINDS, png_chunk, small_photo


@pytest.mark.parametrize("kind", KINDS)
def test_files_as_encoders_write_them_are_in_order(kind: str) -> None:
    check_structure(KINDS[kind](small_photo("koala", 64)).data)


@pytest.mark.parametrize("media_type", EVERY_KIND)
def test_a_file_that_is_cut_is_in_order_or_corrupt(media_type: str) -> None:
    whole = EVERY_KIND[media_type]
    for length in range(len(whole)):
        try:
            check_structure(whole[:length])
        except CorruptStructureError:
            assert media_type == "image/gif", "only a GIF has to have an end"


@pytest.mark.parametrize("data", [b"", b"\xff", b"<svg/>", b"%PDF-1.7", bytes(1000)])
def test_files_of_an_unknown_kind_are_left_to_others(data: bytes) -> None:
    check_structure(data)


def test_the_segments_of_a_jpeg_end_with_its_first_scan() -> None:
    data = jpegs.plain(icc_profile=bytes(200_000))
    markers = [marker for marker, _ in jpeg_segments(data)]
    assert markers.count(0xE2) == 4
    assert markers[-1] == START_OF_SCAN
    assert START_OF_SCAN not in markers[:-1]


@pytest.mark.parametrize("place", [jpegs.with_segments, jpegs.with_segments_behind_frame])
def test_a_jpeg_has_up_to_a_thousand_segments(place: Callable[..., bytes]) -> None:
    own = len(list(jpeg_segments(jpegs.plain())))
    more = MAX_JPEG_SEGMENTS - own
    check_structure(place(*[jpegs.segment(0xE5, b"")] * more))
    with pytest.raises(CorruptStructureError):
        check_structure(place(*[jpegs.segment(0xE5, b"")] * (more + 1)))


def test_the_chunks_of_a_png_are_told_up_to_its_end() -> None:
    data = pngs.plain() + png_chunk(b"aftr", b"")
    assert {name for name, _ in png_chunks(data)} == {b"IHDR", b"IDAT"}


def test_a_png_has_up_to_twenty_thousand_chunks() -> None:
    own = len(list(png_chunks(pngs.plain())))
    check_structure(pngs.many_chunks(b"prVt", b"", MAX_PNG_CHUNKS - own - 1))
    with pytest.raises(CorruptStructureError):
        check_structure(pngs.many_chunks(b"prVt", b"", MAX_PNG_CHUNKS))


def test_the_header_of_a_png_is_checked_and_its_pixels_are_not() -> None:
    check_structure(pngs.with_wrong_checksum(b"IDAT"))
    with pytest.raises(CorruptStructureError, match="checksum"):
        check_structure(pngs.with_wrong_checksum(b"IHDR"))


def test_an_animated_png_may_have_any_number_of_frames() -> None:
    check_structure(pngs.animated(MAX_FRAMES + 1))


def test_an_animated_webp_has_up_to_sixty_frames() -> None:
    check_structure(animations.webp(MAX_FRAMES))
    with pytest.raises(TooManyFramesInFileError, match=str(MAX_FRAMES)):
        check_structure(animations.webp(MAX_FRAMES + 1))


def test_a_webp_has_up_to_a_thousand_chunks() -> None:
    check_structure(animations.webp_of_chunks(MAX_WEBP_CHUNKS - 10))
    with pytest.raises(CorruptStructureError):
        check_structure(animations.webp_of_chunks(MAX_WEBP_CHUNKS))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: jpegs.with_segments(*[jpegs.segment(0xE5, b"")] * 100_000), id="JPEG"),
        pytest.param(lambda: pngs.many_chunks(b"prVt", b"", 1_000_000), id="PNG"),
        pytest.param(lambda: animations.webp_of_chunks(1_000_000), id="WebP"),
        pytest.param(lambda: animations.gif_of_extensions(2_000_000), id="GIF of extensions"),
        pytest.param(lambda: animations.gif_of_sub_blocks(8_000_000), id="GIF of sub-blocks"),
        pytest.param(
            lambda: animations.tiff(animations.tiff_entries(), pictures=20_000), id="TIFF"
        ),
    ],
)
def test_looking_at_a_file_of_nothing_but_pieces_costs_no_time(make: Callable[[], bytes]) -> None:
    data = make()
    before = time.thread_time()
    with contextlib.suppress(CorruptStructureError, TooManyFramesInFileError):
        check_structure(data)
    assert time.thread_time() - before < 0.1
