"""A photo as large as a camera's, made of many small ones so that it is as hard to code."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from benchmarks.photos import Photo

WIDTH, HEIGHT = 6000, 4000
_TILE = (750, 500)


def large_photo(photos: Sequence[Photo]) -> bytes:
    """Return a JPEG of 24 megapixels, about 6 MB."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT))
    places = [(x, y) for y in range(0, HEIGHT, _TILE[1]) for x in range(0, WIDTH, _TILE[0])]
    for number, place in enumerate(places):
        with Image.open(BytesIO(photos[number % len(photos)].data)) as photo:
            canvas.paste(photo.convert("RGB").resize(_TILE, Image.Resampling.BICUBIC), place)
    buffer = BytesIO()
    canvas.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
