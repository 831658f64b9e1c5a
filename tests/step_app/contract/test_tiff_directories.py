"""The directories of a TIFF: counted, never followed in a circle, and plausible."""

import random

import pytest

from step_app.contract.limits import MAX_FRAMES
from step_app.contract.structure_errors import (
    CorruptStructureError,
    StructureError,
    TooManyFramesInFileError,
)
from step_app.contract.tiff_directories import check_tiff
from tests.dispatcher.images import tiff as tiff_header_only
from tests.hostile.animations import tiff, tiff_entries
from tests.step_app.pictures import encode, small_photo


def test_documents_as_encoders_write_them_are_in_order() -> None:
    pages = [small_photo(name, 64) for name in ("koala", "red_panda", "espresso")]
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    check_tiff(data)


def test_a_tiff_has_up_to_sixty_directories() -> None:
    check_tiff(tiff(tiff_entries(), pictures=MAX_FRAMES))
    with pytest.raises(TooManyFramesInFileError):
        check_tiff(tiff(tiff_entries(), pictures=MAX_FRAMES + 1))


def test_directories_never_go_round_in_a_circle() -> None:
    for pictures in (1, 2, 5):
        with pytest.raises(CorruptStructureError, match="circle"):
            check_tiff(tiff(tiff_entries(), pictures=pictures, next_at=8))


def test_a_directory_that_is_not_in_the_file_ends_the_chain() -> None:
    check_tiff(tiff(tiff_entries(), next_at=2**32 - 1))


@pytest.mark.parametrize("strip_bytes", [2**32 - 1, 10_000])
def test_a_strip_is_no_longer_than_the_file(strip_bytes: int) -> None:
    with pytest.raises(CorruptStructureError, match="longer"):
        check_tiff(tiff(tiff_entries(strip_bytes=strip_bytes)))


@pytest.mark.parametrize(("width", "height"), [(0, 16), (16, 0)])
def test_a_tile_has_a_size(width: int, height: int) -> None:
    check_tiff(tiff(tiff_entries(tile_width=16, tile_height=16)))
    with pytest.raises(CorruptStructureError, match="size"):
        check_tiff(tiff(tiff_entries(tile_width=width, tile_height=height)))


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_may_run_either_way(order: str) -> None:
    check_tiff(tiff_header_only(20, 10, order=order))


def test_only_refusals_escape_from_damaged_files() -> None:
    whole = encode(small_photo("koala", 16), "TIFF")
    for seed in range(3000):
        dice = random.Random(seed)
        data = bytearray(whole[: dice.randint(4, len(whole))])
        for _ in range(dice.randint(0, 6)):
            data[dice.randrange(len(data))] = dice.choice([0, 1, 8, 0xFF, dice.randrange(256)])
        try:
            check_tiff(bytes(data))
        except StructureError:
            continue
