import json
import random
import struct
from typing import Any

import pytest

from step_app.contract.frames import ContractError
from step_app.contract.pictures import (
    EXTENSIONS,
    MEDIA_TYPES,
    RAW_MEDIA_TYPE,
    Picture,
    PictureReply,
    decode_pictures,
    delivered_as,
    encode_pictures,
)

KOALA = Picture("image/png", 3, 2, b"\x89PNG koala", {"timings": [{"kernel_s": 0.5}]})
LEFT = Picture(RAW_MEDIA_TYPE, 1, 2, b"P5\n1 2\n255\nab")
RIGHT = Picture(RAW_MEDIA_TYPE, 2, 2, b"")
WHOLE = PictureReply([KOALA], timings_s=[0.25])
PIECES = PictureReply([LEFT, RIGHT], timings_s=[0.0, 0.0, 0.3], reused=2)


def framed(reply: PictureReply) -> bytes:
    return b"".join(encode_pictures(reply))


def frame(header: object, payload: bytes = b"") -> bytes:
    encoded = json.dumps(header).encode()
    return struct.pack(">4sI", b"CVB1", len(encoded)) + encoded + payload


def header(*, item: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the header of one picture; a field of it that is to be ``...`` is left out."""
    entry = {"media_type": "image/png", "width": 1, "height": 1, "size": 0, "data": {}}
    entry |= item or {}
    items = [{k: v for k, v in entry.items() if v is not ...}]
    return {"timings_s": [0.1], "reused": 0, "items": items, **changes}


@pytest.mark.parametrize("reply", [WHOLE, PIECES], ids=["one picture", "pieces, partly reused"])
def test_a_result_comes_back_as_it_was_sent(reply: PictureReply) -> None:
    assert decode_pictures(framed(reply)) == reply


@pytest.mark.parametrize("seed", range(10))
def test_random_results_come_back_as_they_were_sent(seed: int) -> None:
    rng = random.Random(seed)

    pictures = [
        Picture(
            rng.choice(sorted(EXTENSIONS)),
            rng.randrange(1, 20_000),
            rng.randrange(1, 20_000),
            rng.randbytes(rng.randrange(500)),
            rng.choice([{}, {"x": [None, "\u732b"]}]),
        )
        for _ in range(rng.randrange(1, 5))
    ]
    timings_s = [rng.random() for _ in range(rng.randrange(4))]
    reply = PictureReply(pictures, timings_s, reused=rng.randrange(max(1, len(timings_s))))
    assert decode_pictures(framed(reply)) == reply


@pytest.mark.parametrize("missing", ["media_type", "width", "height", "size", "data"])
def test_a_picture_without_one_of_its_fields_is_refused(missing: str) -> None:
    with pytest.raises(ContractError):
        decode_pictures(frame(header(item={missing: ...})))


@pytest.mark.parametrize("missing", ["timings_s", "reused", "items"])
def test_a_result_without_one_of_its_fields_is_refused(missing: str) -> None:
    with pytest.raises(ContractError):
        decode_pictures(frame({k: v for k, v in header().items() if k != missing}))


@pytest.mark.parametrize(
    "reused", [-1, 3, None, "x", [], [1], {}, float("inf"), float("-inf"), float("nan"), 10**400]
)
def test_a_number_of_reused_operations_that_cannot_be_is_refused(reused: Any) -> None:
    with pytest.raises(ContractError):
        decode_pictures(frame(header(timings_s=[0.1, 0.2], reused=reused)))


def test_a_result_of_no_operation_reuses_none() -> None:
    assert decode_pictures(frame(header(timings_s=[]))).reused == 0
    with pytest.raises(ContractError):
        decode_pictures(frame(header(timings_s=[], reused=1)))


@pytest.mark.parametrize(
    "item",
    [
        {"width": None},
        {"height": "tall"},
        {"width": "1e9"},
        {"width": float("inf")},
        {"data": 3},
    ],
    ids=str,
)
def test_fields_that_are_not_what_they_should_be_are_refused(item: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        decode_pictures(frame(header(item=item)))


@pytest.mark.parametrize("timings_s", [None, 3, [None], ["soon"], [[1]], {"a": 1}])
def test_times_that_are_no_numbers_are_refused(timings_s: Any) -> None:
    with pytest.raises(ContractError):
        decode_pictures(frame(header(timings_s=timings_s)))


def test_a_result_without_pictures_is_none() -> None:
    with pytest.raises(ContractError):
        decode_pictures(framed(PictureReply([], timings_s=[])))
    with pytest.raises(ContractError):
        decode_pictures(framed(PictureReply([], timings_s=[0.0, 0.1], reused=1)))


def test_a_result_cut_at_any_byte_is_refused() -> None:
    whole = framed(PIECES)
    for length in range(len(whole)):
        with pytest.raises(ContractError):
            decode_pictures(whole[:length])


@pytest.mark.parametrize("seed", range(10))
def test_mutated_results_raise_contract_errors_only(seed: int) -> None:
    rng = random.Random(seed)
    whole = framed(PIECES)
    for _ in range(300):
        mutated = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        try:
            assert decode_pictures(bytes(mutated)).pictures
        except ContractError:
            continue


@pytest.mark.parametrize("media_type", MEDIA_TYPES.values())
def test_a_picture_is_delivered_in_the_format_of_its_input(media_type: str) -> None:
    assert delivered_as(media_type) == media_type


@pytest.mark.parametrize("media_type", ["image/gif", RAW_MEDIA_TYPE, ""])
def test_what_comes_in_no_such_format_is_delivered_as_png(media_type: str) -> None:
    assert delivered_as(media_type) == "image/png"


def test_every_format_has_an_extension_of_its_own() -> None:
    assert len(set(EXTENSIONS.values())) == len(EXTENSIONS) == len(MEDIA_TYPES) + 1
    assert all(EXTENSIONS[media_type] == name for name, media_type in MEDIA_TYPES.items())
