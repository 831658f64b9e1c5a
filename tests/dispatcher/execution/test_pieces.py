import re

from dispatcher.execution.pieces import Piece, descend, nth_of
from step_app.contract.pictures import Picture

SENT = Piece(b"sent", "image/jpeg", width=8, height=6, lineage="image")


def test_a_piece_is_the_picture_that_was_made() -> None:
    picture = Picture("image/png", 4, 3, b"pixels", {"note": 1})
    piece = Piece.made(picture, "lineage", of=SENT)
    assert (piece.image, piece.media_type) == (b"pixels", "image/png")
    assert (piece.width, piece.height) == (4, 3)
    assert (piece.lineage, piece.data) == ("lineage", {"note": 1})


def test_what_was_said_of_a_picture_is_said_of_what_is_made_of_it() -> None:
    first = Piece.made(Picture("image/png", 4, 3, b"a", {"note": 1, "first": 1}), None, of=SENT)
    second = Piece.made(Picture("image/png", 4, 3, b"b", {"note": 2}), None, of=first)
    assert second.data == {"note": 2, "first": 1}
    assert first.data == {"note": 1, "first": 1}


def test_a_lineage_is_64_hexadecimal_digits_however_long_the_chain() -> None:
    lineage: str | None = "d" * 64
    for number in range(50):
        lineage = descend(lineage, f"stage {number}")
        assert lineage is not None
        assert re.fullmatch("[0-9a-f]{64}", lineage)


def test_a_lineage_tells_image_and_every_stage_in_its_order() -> None:
    chains = [("a", "b"), ("b", "a"), ("a", "a"), ("ab", ""), ("", "ab"), ("a\nb", "")]
    lineages = {
        descend(descend(image, first), second)
        for image in ("image", "other")
        for first, second in chains
    }
    assert len(lineages) == 2 * len(chains)
    assert descend(descend("image", "a"), "b") in lineages


def test_what_follows_an_unknown_stage_is_unknown() -> None:
    assert descend(None, "stage") is None
    assert descend("image", None) is None
    assert descend(descend("image", None), "stage") is None


def test_the_pieces_of_a_split_have_lineages_of_their_own() -> None:
    assert len({nth_of("split", number, 4) for number in range(4)}) == 4
    assert nth_of(None, 3, 4) is None


def test_the_only_picture_of_a_stage_has_the_lineage_of_the_stage() -> None:
    assert nth_of("stage", 0, 1) == "stage"
