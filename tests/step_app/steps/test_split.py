import numpy as np
import pytest

from step_app.errors import InvalidParamsError
from step_app.steps.operation import Pixels
from step_app.steps.split import cuts, load_split
from tests.step_app.steps.chunks import SETTINGS, noise, params_of

SPLIT = load_split(params_of("split"), SETTINGS)


def joined(pieces: list[Pixels], cols: int) -> Pixels:
    rows = [pieces[start : start + cols] for start in range(0, len(pieces), cols)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 2), (1, 5), (7, 3), (32, 32)])
def test_pieces_put_together_in_reading_order_are_the_picture(
    rows: int, cols: int, channels: int
) -> None:
    picture = noise(61, 83, channels=channels)

    pieces = list(SPLIT.apply(picture, params_of("split", rows=rows, cols=cols)).pictures)

    assert len(pieces) == rows * cols
    assert np.array_equal(joined(pieces, cols), picture)


def test_pieces_differ_by_a_pixel_at_most() -> None:
    pieces = SPLIT.apply(noise(61, 83), params_of("split", rows=7, cols=5)).pictures

    assert {len(piece) for piece in pieces} == {8, 9}
    assert {piece.shape[1] for piece in pieces} == {16, 17}


def test_pieces_are_contiguous_copies() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)

    pieces = SPLIT.apply(picture, params_of("split")).pictures
    picture[:] = 255

    assert all(piece.flags.c_contiguous and not piece.any() for piece in pieces)


def test_a_picture_can_be_split_into_its_pixels() -> None:
    pieces = SPLIT.apply(noise(3, 2), params_of("split", rows=3, cols=2)).pictures

    assert [piece.shape for piece in pieces] == [(1, 1, 3)] * 6


@pytest.mark.parametrize(
    ("rows", "cols", "complaint"),
    [
        (4, 1, "rows: the picture has only 3 rows"),
        (1, 3, "cols: the picture has only 2 columns"),
    ],
)
def test_finer_than_the_picture_is_refused(rows: int, cols: int, complaint: str) -> None:
    with pytest.raises(InvalidParamsError) as refused:
        SPLIT.apply(noise(3, 2), params_of("split", rows=rows, cols=cols))

    assert refused.value.detail == complaint


def test_cuts_cover_everything_once() -> None:
    assert cuts(10, 4) == [(0, 2), (2, 5), (5, 7), (7, 10)]


def test_it_cannot_be_cut_into_tiles() -> None:
    with pytest.raises(InvalidParamsError, match="tiles"):
        SPLIT.require_halo(params_of("split"))
