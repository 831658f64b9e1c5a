import random
import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from step_app.codec import decode_upright_pixels
from step_app.contract.pictures import EXTENSIONS, MEDIA_TYPES, RAW_MEDIA_TYPE
from step_app.encoding import encode_picture
from step_app.errors import ImageTooLargeError
from step_app.steps.operation import Pixels
from tests.step_app.pictures import encode, small_photo

LOSSLESS = ("image/png", "image/bmp", "image/tiff", RAW_MEDIA_TYPE)
LOSSY = ("image/jpeg", "image/webp")
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "sand": (200, 170, 120)}
SIZES = [(1, 1), (1, 40), (40, 1), (16, 16), (17, 33), (15, 7), (64, 48)]

every_format = pytest.mark.parametrize("media_type", EXTENSIONS)
every_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def colour_photo() -> Pixels:
    return np.asarray(small_photo("koala", 200))


def grey_photo() -> Pixels:
    return np.asarray(small_photo("koala", 200).convert("L"))


def body(pixels: Pixels, media_type: str) -> bytes:
    return encode_picture(pixels, media_type).body


def opened(data: bytes) -> Image.Image:
    """Read a picture with another library than the one that wrote it."""
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image


def mean_difference(one: Pixels, other: Pixels) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def segments(jpeg: bytes) -> dict[int, bytes]:
    """Return the marker segments before the pixels of a JPEG, by the marker's second byte."""
    found, position = {}, 2
    while jpeg[position + 1] != 0xDA:
        length = struct.unpack(">H", jpeg[position + 2 : position + 4])[0]
        found[jpeg[position + 1]] = jpeg[position + 4 : position + 2 + length]
        position += 2 + length
    return found


@every_format
@every_size
def test_a_picture_has_the_size_of_its_pixels(media_type: str, size: tuple[int, int]) -> None:
    width, height = size
    for shape in ((height, width, 3), (height, width)):
        picture = encode_picture(np.full(shape, 90, np.uint8), media_type)
        assert (picture.width, picture.height) == opened(picture.body).size == size
        assert decode_upright_pixels(picture.body).shape[:2] == (height, width)
        assert picture.media_type == media_type


@every_format
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_stays_what_it_is(media_type: str, colour: str) -> None:
    pixels = np.full((32, 32, 3), COLOURS[colour], np.uint8)
    shown = opened(body(pixels, media_type)).convert("RGB").getpixel((16, 16))
    assert isinstance(shown, tuple)
    allowed = 3 if media_type in LOSSY else 0
    assert max(abs(a - b) for a, b in zip(shown, COLOURS[colour], strict=True)) <= allowed


@pytest.mark.parametrize("media_type", LOSSLESS)
@every_size
def test_formats_without_loss_lose_nothing(media_type: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size[0])
    for shape in ((size[1], size[0], 3), (size[1], size[0])):
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        shown = np.asarray(opened(body(pixels, media_type)))
        assert np.array_equal(shown, pixels)


@pytest.mark.parametrize("media_type", LOSSY)
def test_formats_with_loss_lose_little_of_a_photo(media_type: str) -> None:
    for pixels in (colour_photo(), grey_photo()):
        shown = decode_upright_pixels(body(pixels, media_type))
        as_rgb = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=2)
        assert 0 < mean_difference(shown, as_rgb) < 4


@pytest.mark.parametrize("media_type", [m for m in EXTENSIONS if m != "image/webp"])
def test_a_grey_picture_is_written_as_one(media_type: str) -> None:
    assert opened(body(grey_photo(), media_type)).mode == "L"
    assert opened(body(colour_photo(), media_type)).mode == "RGB"


def test_a_grey_webp_has_no_colours_although_the_format_knows_no_grey() -> None:
    shown = decode_upright_pixels(body(grey_photo(), "image/webp")).astype(int)
    assert np.ptp(shown, axis=2).max() <= 1


def test_a_raw_picture_comes_back_exactly() -> None:
    for pixels in (colour_photo(), grey_photo()):
        assert np.array_equal(decode_upright_pixels(body(pixels, RAW_MEDIA_TYPE)), pixels)


def test_a_raw_picture_is_its_pixels_behind_a_short_header() -> None:
    pixels = np.arange(18, dtype=np.uint8)
    assert body(pixels.reshape(2, 3, 3), RAW_MEDIA_TYPE) == b"P6\n3 2\n255\n" + bytes(range(18))
    assert body(pixels.reshape(2, 9), RAW_MEDIA_TYPE) == b"P5\n9 2\n255\n" + bytes(range(18))


def test_a_jpeg_is_written_with_quality_90() -> None:
    as_known = opened(encode(small_photo("koala", 200), "JPEG", quality=90))
    written = opened(body(colour_photo(), "image/jpeg"))
    assert written.format == as_known.format == "JPEG"
    assert vars(written)["quantization"] == vars(as_known)["quantization"]


def test_a_colour_jpeg_has_its_colour_at_half_resolution() -> None:
    frame = segments(body(colour_photo(), "image/jpeg"))[0xC0]
    assert [frame[7], frame[10], frame[13]] == [0x22, 0x11, 0x11]


@pytest.mark.parametrize("width", [1, 8, 9, 16, 17, 64, 200, 20_000])
@pytest.mark.parametrize("is_grey", [False, True])
def test_a_jpeg_has_a_restart_marker_after_each_row_of_units(width: int, is_grey: bool) -> None:
    height, unit = 50, 8 if is_grey else 16
    jpeg = body(
        np.full((height, width) if is_grey else (height, width, 3), 7, np.uint8), "image/jpeg"
    )
    assert segments(jpeg)[0xDD] == struct.pack(">H", -(-width // unit))
    markers = [jpeg.count(bytes([0xFF, 0xD0 + number])) for number in range(8)]
    assert sum(markers) == -(-height // unit) - 1


def test_joined_rows_of_units_are_the_picture() -> None:
    """Chunks of whole units have the very bytes of the whole, but for the markers' numbers."""
    pixels = np.asarray(small_photo("koala", 200))[:64]
    whole = body(pixels, "image/jpeg")
    chunks = [body(pixels[:32], "image/jpeg"), body(pixels[32:], "image/jpeg")]
    rows = [jpeg[jpeg.index(b"\xff\xda") + 14 : -2] for jpeg in (whole, *chunks)]
    first, second = rows[1], rows[2].replace(b"\xff\xd0", b"\xff\xd2")
    assert rows[0] == first + b"\xff\xd1" + second


def test_a_webp_has_no_side_longer_than_its_format_allows() -> None:
    longest = encode_picture(np.zeros((2, 16_383), np.uint8), "image/webp")
    assert opened(longest.body).size == (16_383, 2)
    for shape in ((2, 16_384), (16_384, 2, 3), (20_000, 1)):
        with pytest.raises(ImageTooLargeError, match="16383"):
            encode_picture(np.zeros(shape, np.uint8), "image/webp")


@pytest.mark.parametrize("media_type", [m for m in EXTENSIONS if m != "image/webp"])
def test_every_other_format_holds_the_longest_side_there_may_be(media_type: str) -> None:
    for shape in ((1, 20_000), (20_000, 1, 3)):
        picture = encode_picture(np.zeros(shape, np.uint8), media_type)
        assert decode_upright_pixels(picture.body).shape[:2] == shape[:2]


@every_format
def test_no_output_holds_metadata(media_type: str) -> None:
    image = opened(body(colour_photo(), media_type))
    names = {0xE1, 0xE2, 0xED, 0xFE}  # EXIF and XMP, colour profile, IPTC, comment
    assert not image.info.keys() & {"exif", "icc_profile", "xmp", "comment", "Software", "date"}
    if media_type == "image/jpeg":
        assert not names & segments(body(colour_photo(), media_type)).keys()
    elif media_type == "image/tiff":
        # Make, model, software, date, artist, copyright, EXIF and GPS.
        assert not {271, 272, 305, 306, 315, 33432, 34665, 34853} & set(image.getexif())
    else:
        assert not image.getexif()


@every_format
def test_the_same_pixels_are_the_same_bytes(media_type: str) -> None:
    assert body(colour_photo(), media_type) == body(colour_photo(), media_type)


def test_pixels_that_lie_elsewhere_in_memory_are_written_alike() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    part = pixels[10:30, 5:45]
    assert not part.flags.c_contiguous
    for media_type in (*MEDIA_TYPES.values(), RAW_MEDIA_TYPE):
        assert body(part, media_type) == body(np.ascontiguousarray(part), media_type)


def test_what_a_step_has_to_say_goes_with_its_picture() -> None:
    pixels = np.zeros((2, 2), np.uint8)
    assert encode_picture(pixels, "image/png").data == {}
    data = {"timings": [random.Random(1).random()]}
    assert encode_picture(pixels, "image/png", data=data).data == data
