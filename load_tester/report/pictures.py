"""Chart specs as PNG, rendered without a browser by the code that also draws them on the page."""

import io
import re
from collections.abc import Mapping
from typing import Any, Final

import vl_convert
from PIL import Image

from load_tester.report.theme import LIGHT, PICTURE_FONT, JsonObject, make_config

WIDTH_PX: Final = 860
SCALE: Final = 2
"""Pixels of the picture for each pixel of the spec."""
_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def render_png(spec: JsonObject) -> bytes:
    """Return a Vega-Lite spec as a PNG on a white ground; the same bytes for the same spec.

    A width of `container`, which only a page can have, becomes 860 px.
    """
    fixed = {**spec, "config": make_config(LIGHT, font=PICTURE_FONT), "padding": 16}
    if fixed.get("width") == "container":
        fixed["width"] = WIDTH_PX
    rendered = vl_convert.vegalite_to_png(_make_showable(fixed), scale=SCALE)
    return _shrink(rendered)


def _make_showable(value: Any) -> Any:
    """Return a piece of a spec whose texts the renderer can show: names of files may hold anything.

    It goes by way of XML, which most control characters and half characters must not be in.
    """
    if isinstance(value, str):
        return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Mapping):
        return {_make_showable(key): _make_showable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_make_showable(item) for item in value]
    return value


def _shrink(png: bytes) -> bytes:
    """Return the same picture in a tenth of the bytes: the renderer hardly compresses."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        shrunk = io.BytesIO()
        image.convert("RGB").save(shrunk, "PNG")
    return shrunk.getvalue()
