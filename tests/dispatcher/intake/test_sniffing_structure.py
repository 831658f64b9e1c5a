"""Frames and pieces: what their number and their order are refused for (rows C04, C08 to C10)."""

import pytest

from dispatcher.errors import (
    ImageCorruptError,
    ImageTooLargeError,
    RequestError,
    TooManyFramesError,
    UnsupportedImageTypeError,
)
from dispatcher.intake.sniffing import sniff
from step_app.contract.limits import MAX_FRAMES
from tests.hostile import animations, jpegs, pngs


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (animations.gif(MAX_FRAMES + 1), TooManyFramesError),
        (animations.webp(MAX_FRAMES + 1), TooManyFramesError),
        (
            animations.tiff(animations.tiff_entries(), pictures=MAX_FRAMES + 1),
            TooManyFramesError,
        ),
        (animations.gif(1, end=b""), ImageCorruptError),
        (animations.tiff(animations.tiff_entries(), next_at=8), ImageCorruptError),
        (pngs.with_wrong_checksum(b"IHDR"), ImageCorruptError),
        (jpegs.with_segments(*[jpegs.exif(b"")] * 1001), ImageCorruptError),
        (jpegs.with_segments_behind_frame(*[jpegs.exif(b"")] * 1001), ImageCorruptError),
        (
            animations.gif_head() + animations.gif_frame(65_535, 1) + animations.GIF_END,
            ImageTooLargeError,
        ),
        (animations.tiff(animations.tiff_entries(), magic=43), UnsupportedImageTypeError),
    ],
    ids=[
        "GIF frames",
        "WebP frames",
        "TIFF directories",
        "GIF without end",
        "TIFF circle",
        "PNG checksum",
        "JPEG segments",
        "JPEG segments behind the frame header",
        "GIF frame",
        "BigTIFF",
    ],
)
def test_a_structure_that_cannot_be_is_refused_with_its_reason(
    data: bytes, error: type[RequestError]
) -> None:
    with pytest.raises(error) as refused:
        sniff(data)
    assert refused.value.detail.endswith(".")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (animations.gif(MAX_FRAMES), "image/gif"),
        (animations.webp(MAX_FRAMES), "image/webp"),
        (animations.tiff(animations.tiff_entries(), pictures=MAX_FRAMES), "image/tiff"),
        (pngs.animated(MAX_FRAMES + 1), "image/png"),
        (pngs.with_wrong_checksum(b"IDAT"), "image/png"),
        (pngs.cut_within_pixels(), "image/png"),
        (jpegs.cut(0.25), "image/jpeg"),
    ],
    ids=["GIF", "WebP", "TIFF", "APNG", "pixels' checksum", "cut PNG", "cut JPEG"],
)
def test_frames_up_to_the_cap_and_damaged_pixels_are_left_to_the_replica(
    data: bytes, media_type: str
) -> None:
    assert sniff(data).media_type == media_type
