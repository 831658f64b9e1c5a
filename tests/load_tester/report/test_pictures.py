import io

from PIL import Image

from load_tester.report.pictures import SCALE, WIDTH_PX, render_png

SPEC = {
    "data": {"values": [{"at": 0, "value": 1}, {"at": 1, "value": 3}]},
    "width": "container",
    "height": 100,
    "mark": "line",
    "encoding": {
        "x": {"field": "at", "type": "quantitative"},
        "y": {"field": "value", "type": "quantitative"},
        "color": {"datum": "Sent", "scale": {"domain": ["Target", "Sent"], "range": "volume"}},
    },
}


def test_a_picture_is_as_wide_as_a_page_and_on_white() -> None:
    with Image.open(io.BytesIO(render_png(SPEC))) as picture:
        assert picture.width >= WIDTH_PX * SCALE
        assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_the_same_spec_gives_the_same_bytes() -> None:
    assert render_png(SPEC) == render_png(SPEC)


def test_a_title_with_half_a_character_and_escapes_is_drawn() -> None:
    assert render_png({**SPEC, "title": "\ud800\x1b[2J"}).startswith(b"\x89PNG")


def test_a_name_of_the_theme_becomes_its_colour() -> None:
    with Image.open(io.BytesIO(render_png(SPEC))) as picture:
        colours = {colour for _, colour in picture.getcolors(maxcolors=100_000) or ()}
    assert (0x00, 0x72, 0xB2) in colours  # the second colour of `volume`
    assert "width" in SPEC and SPEC["width"] == "container"  # the spec itself is left as it was
