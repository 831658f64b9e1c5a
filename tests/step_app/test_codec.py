import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from step_app.codec import decode_upright_rgb
from step_app.contract.limits import MAX_PIXELS, MAX_SIDE
from step_app.errors import StepError
from tests.step_app.pictures import (
    GREY,
    KINDS,
    PNG_MAGIC,
    encode,
    photo,
    png_chunk,
    png_header,
    rotated_by_exif,
    small_photo,
    write_png,
)

LOSSY = {"JPEG", "progressive JPEG", "grayscale JPEG", "CMYK JPEG", "WebP"}
LOSSY |= {"JPEG with a second picture behind it (MPO)"}

FOREIGN = {
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
    "SVG with an XML head": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
    "BigTIFF": b"II+\0\x08\0\0\0" + bytes(100),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "text": b"hello, this is no image",
    "zeros": bytes(4000),
    "one byte": b"\xff",
}
MAGICS = [b"\xff\xd8\xff\xe0\0\x10JFIF", PNG_MAGIC + b"\0\0\0", b"GIF89a\1\0\1\0\0"]
MAGICS += [b"RIFF\x10\0\0\0WEB", b"BM\x3a\0\0\0\0\0\0\0\x36", b"II*\0\x08\0\0\0\1\0\0"]


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return how far apart two pictures are, on average, in 8-bit steps."""
    a, b = (np.asarray(picture, dtype=np.int16) for picture in (one, other))
    assert a.shape == b.shape
    return float(np.abs(a - b).mean())


def error_code(data: bytes) -> str:
    with pytest.raises(StepError) as caught:
        decode_upright_rgb(data)
    return caught.value.code


def decode_or_refuse(data: bytes) -> None:
    try:
        picture = decode_upright_rgb(data, min_side=32)
    except StepError:
        return
    assert picture.mode == "RGB"
    assert min(picture.size) >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_shows_the_picture_that_was_put_in(kind: str) -> None:
    sample = KINDS[kind](small_photo("koala", 200))
    decoded = decode_upright_rgb(sample.data)
    assert decoded.mode == "RGB"
    assert difference(decoded, sample.shows) <= (4 if kind in LOSSY else 0)


def test_what_is_fully_transparent_is_white() -> None:
    nothing = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    assert decode_upright_rgb(encode(nothing, "PNG")).getcolors() == [(64, (255, 255, 255))]


def test_half_transparent_black_is_grey() -> None:
    veil = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert decode_upright_rgb(encode(veil, "PNG")).getcolors() == [(64, (127, 127, 127))]


def test_the_first_frame_of_an_animation_counts() -> None:
    red, blue = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    for image_format in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if image_format == "WEBP" else {}
        data = encode(red, image_format, save_all=True, append_images=[blue], **options)
        assert decode_upright_rgb(data).getpixel((8, 8)) == (255, 0, 0)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(image_format: str, orientation: int) -> None:
    upright = small_photo("koala", 160)
    data = rotated_by_exif(upright, orientation, image_format)
    assert difference(decode_upright_rgb(data), upright) < 4


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_invalid_orientation_counts_as_upright(image_format: str, orientation: int) -> None:
    upright = small_photo("koala", 160)
    data = rotated_by_exif(upright, orientation, image_format)
    assert difference(decode_upright_rgb(data), upright) < 4


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0" + b"\xff" * 60, b"Exif\0\0II*\0\x08\0\0\0\1\0"]
)
def test_broken_exif_does_not_harm_the_picture(exif: bytes) -> None:
    upright = small_photo("koala", 160)
    assert (
        difference(decode_upright_rgb(encode(upright, "JPEG", exif=exif, quality=95)), upright) < 4
    )


def test_an_orientation_written_as_text_counts_as_upright() -> None:
    upright = small_photo("koala", 160)
    tag = struct.pack("<HHI4s", 0x0112, 2, 4, b"six\0")
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + tag + bytes(4)
    assert (
        difference(decode_upright_rgb(encode(upright, "JPEG", exif=exif, quality=95)), upright) < 4
    )


def test_a_broken_colour_profile_does_not_harm_the_picture() -> None:
    upright = small_photo("koala", 160)
    data = encode(upright, "JPEG", icc_profile=b"no profile" * 50, quality=95)
    assert difference(decode_upright_rgb(data), upright) < 4


def test_a_large_jpeg_is_decoded_smaller_but_no_smaller_than_asked() -> None:
    data = encode(Image.new("RGB", (1200, 900)), "JPEG")
    assert decode_upright_rgb(data, min_side=256).size == (600, 450)
    assert decode_upright_rgb(data, min_side=100).size == (150, 113)
    assert decode_upright_rgb(data, min_side=1000).size == (1200, 900)
    assert decode_upright_rgb(data).size == (1200, 900)


def test_bytes_behind_the_end_of_a_file_are_ignored() -> None:
    upright = small_photo("koala", 160)
    for image_format in ("JPEG", "PNG", "GIF", "BMP", "TIFF"):
        data = encode(upright, image_format)
        padded = data + random.Random(1).randbytes(5000)
        assert difference(decode_upright_rgb(padded), decode_upright_rgb(data)) == 0


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_ends_early_is_truncated(mode: str, options: dict[str, bool]) -> None:
    data = encode(small_photo("koala").convert(mode), "JPEG", **options)
    for part in (0.25, 0.5, 0.9, 0.99):
        assert error_code(data[: int(len(data) * part)]) == "image_truncated"
    assert error_code(data[:-2]) == "image_truncated"
    assert error_code(data[:-1]) == "image_truncated"


def test_a_photo_that_ends_early_is_truncated_wherever_it_ends() -> None:
    data = photo("koala")
    for length in (12, 20, 50, 200, 350, 361, 1000, len(data) // 4, len(data) - 2):
        assert error_code(data[:length]) == "image_truncated"


def test_the_end_of_an_embedded_thumbnail_is_not_taken_for_the_end_of_the_photo() -> None:
    thumbnail = encode(small_photo("koala", 60), "JPEG")
    data = encode(small_photo("koala"), "JPEG", exif=b"Exif\0\0" + thumbnail)
    assert data.count(b"\xff\xd9") == 2
    for length in (len(data) - 2, len(data) - 100, len(data) // 2, len(thumbnail) // 2):
        assert error_code(data[:length]) == "image_truncated"


def test_a_jpeg_that_ends_within_a_scaled_decode_is_truncated() -> None:
    data = photo("koala")
    with pytest.raises(StepError) as caught:
        decode_upright_rgb(data[: len(data) // 2], min_side=64)
    assert caught.value.code == "image_truncated"


@pytest.mark.parametrize("part", [0.1, 0.25, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("image_format", ["PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_any_other_file_that_ends_early_is_corrupt(image_format: str, part: float) -> None:
    data = encode(small_photo("koala", 160), image_format)
    assert error_code(data[: int(len(data) * part)]) == "image_corrupt"


def test_a_png_with_damaged_chunks_is_corrupt() -> None:
    data = encode(small_photo("koala", 160), "PNG")
    header, rest = data[:33], data[33:]
    bad_header_checksum = header[:29] + bytes(4) + rest
    bad_pixels = data[:200] + bytes([data[200] ^ 0xFF]) + data[201:]
    no_size = png_header(0, 10) + rest
    noise = PNG_MAGIC + random.Random(2).randbytes(500)
    for damaged in (bad_header_checksum, bad_pixels, no_size, noise):
        assert error_code(damaged) == "image_corrupt"


def test_pixels_that_inflate_without_end_stay_within_the_size_of_the_header() -> None:
    bomb = png_chunk(b"IDAT", zlib.compress(bytes(200_000_000), 1))
    decoded = decode_upright_rgb(png_header(100, 100, colour=GREY) + bomb + png_chunk(b"IEND", b""))
    assert decoded.size == (100, 100)


def test_text_that_inflates_without_end_is_refused_or_skipped() -> None:
    bomb = png_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(200_000_000), 1))
    pixels = np.zeros((8, 8), dtype=np.uint8)
    decode_or_refuse(write_png(pixels, depth=8, colour=GREY, extra=bomb))


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (65535, 65535),
        (2**31 - 1, 1),
        (1, 2**31 - 1),
        (MAX_SIDE + 1, 1),
        (1, MAX_SIDE + 1),
        (MAX_PIXELS // 10_000 + 1, 10_000),
    ],
)
def test_a_header_that_promises_too_many_pixels_is_refused(width: int, height: int) -> None:
    header = png_header(width, height, depth=1, colour=GREY)
    body = png_chunk(b"IDAT", zlib.compress(bytes(100))) + png_chunk(b"IEND", b"")
    assert error_code(header + body) == "image_too_large"


def test_a_jpeg_header_that_promises_too_many_pixels_is_refused() -> None:
    data = encode(Image.new("L", (16, 16)), "JPEG")
    frame = data.index(b"\xff\xc0") + 5
    assert error_code(data[:frame] + struct.pack(">HH", 65500, 65500) + data[frame + 4 :]) == (
        "image_too_large"
    )


@pytest.mark.parametrize("size", [(1, 1), (1, MAX_SIDE), (MAX_SIDE, 1), (5000, MAX_PIXELS // 5000)])
def test_the_limits_themselves_are_allowed(size: tuple[int, int]) -> None:
    data = encode(Image.new("1", size), "PNG")
    assert decode_upright_rgb(data).size == size


def test_no_bytes_are_an_empty_file() -> None:
    assert error_code(b"") == "empty_file"


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_supported_image_is_named_so(kind: str) -> None:
    assert error_code(FOREIGN[kind]) == "unsupported_image_type"


@pytest.mark.parametrize("image_format", ["ICO", "TGA", "JPEG2000", "AVIF", "EPS", "PCX"])
def test_images_of_other_formats_are_never_decoded(image_format: str) -> None:
    Image.init()
    if image_format not in Image.SAVE:
        pytest.skip(f"this Pillow cannot write {image_format}")
    data = encode(small_photo("koala", 64), image_format)
    assert error_code(data) == "unsupported_image_type"


@pytest.mark.parametrize("magic", MAGICS, ids=lambda magic: str(magic[:4]))
def test_a_few_bytes_that_look_like_the_start_of_an_image_are_none(magic: bytes) -> None:
    for length in range(1, len(magic) + 1):
        assert error_code(magic[:length]) == "unsupported_image_type"


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_no_supported_image(seed: int) -> None:
    assert error_code(random.Random(seed).randbytes(3000)) == "unsupported_image_type"


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_file_with_one_wrong_byte_gives_a_picture_or_a_step_error(image_format: str) -> None:
    rng = random.Random(image_format)
    data = encode(small_photo("koala", 48), image_format)
    for _ in range(300):
        mutated = bytearray(data)
        mutated[rng.randrange(len(data))] = rng.randrange(256)
        decode_or_refuse(bytes(mutated))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_header_with_one_wrong_byte_gives_a_picture_or_a_step_error(image_format: str) -> None:
    rng = random.Random(image_format)
    data = encode(small_photo("koala", 48), image_format)
    start = len(data) - 200 if image_format == "TIFF" else 0
    for _ in range(300):
        mutated = bytearray(data)
        mutated[start + rng.randrange(200)] = rng.randrange(256)
        decode_or_refuse(bytes(mutated))
