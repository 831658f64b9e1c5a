import json
import random
import struct
from typing import Any

import pytest

from step_app.contract.frames import (
    JSON_MEDIA_TYPE,
    BatchItem,
    BatchReply,
    ContractError,
    ItemReply,
    decode_batch,
    decode_reply,
    encode_batch,
    encode_reply,
)
from step_app.contract.tiles import Tile

ITEMS = [
    BatchItem(id="a", filename="koala.jpg", image=b"\xff\xd8 one", params={"top_k": 3}),
    BatchItem(id="b", filename="", image=b"", output="image/png", tile=Tile(2, 7)),
    BatchItem(id="c", filename='r\u00e9s "\u732b".png\n', image=bytes(range(256)) * 40),
    BatchItem(id="d", filename="d", image=b"d", lineage="3a7b#1", as_is=True),
]
REPLY = BatchReply(
    revision="r1",
    items=[
        ItemReply("a", 200, JSON_MEDIA_TYPE, b'{"predictions":[]}', 0.25),
        ItemReply("b", 422, "application/problem+json", b"{}", 0.0),
    ],
)

ASKED_FOR: dict[str, Any] = {"output": "", "tile": None, "lineage": "", "as_is": False}
"""What an image on its way says of the result that is wanted, when it wants nothing special."""
SIZES_THAT_ARE_NONE = ["-1", "1e400", "-1e400", "NaN", "null", '"x"', "[]", "{}", "9" * 30]
HEADERS_THAT_ARE_NONE = [
    "",
    "nothing",
    "null",
    "[]",
    "3",
    '"items"',
    "{}",
    '{"items": null}',
    '{"items": 3}',
    '{"items": [null]}',
    '{"items": [[]]}',
    '{"items": ["size"]}',
    '{"items": [{}]}',
    "\ufeff{}",
    '{"items": ' + "[" * 100_000,
    '{"items": [{"size": ' + "9" * 5000 + "}]}",
]


def frame(header: str | bytes, payload: bytes = b"", *, magic: bytes = b"CVB1") -> bytes:
    encoded = header.encode() if isinstance(header, str) else header
    return struct.pack(">4sI", magic, len(encoded)) + encoded + payload


def item_header(**changes: Any) -> str:
    entry = {"id": "a", "filename": "f", "size": 0, "params": {}, **ASKED_FOR, **changes}
    return json.dumps({"items": [{k: v for k, v in entry.items() if v is not ...}]})


def reply_header(revision: Any = "r", **changes: Any) -> str:
    entry = {"id": "a", "status": 200, "content_type": "t", "size": 0, "duration_s": 0, **changes}
    header = {
        "revision": revision,
        "items": [{k: v for k, v in entry.items() if v is not ...}],
    }
    return json.dumps({k: v for k, v in header.items() if v is not ...})


def read_any(data: bytes) -> None:
    """Read a frame both ways; nothing but a ContractError may come out."""
    for read in (decode_batch, lambda f: decode_reply(f, expected_ids=["a", "b"])):
        try:
            read(data)
        except ContractError:
            continue


def test_a_batch_comes_back_as_it_was_sent() -> None:
    assert decode_batch(b"".join(encode_batch(ITEMS))) == ITEMS


def test_an_empty_batch_is_a_batch() -> None:
    assert decode_batch(b"".join(encode_batch([]))) == []


def test_images_are_sent_as_they_are_without_being_copied() -> None:
    chunks = encode_batch(ITEMS)
    assert all(chunk is item.image for chunk, item in zip(chunks[1:], ITEMS, strict=True))


def test_a_reply_comes_back_as_it_was_sent() -> None:
    assert decode_reply(encode_reply(REPLY), expected_ids=["a", "b"]) == REPLY


@pytest.mark.parametrize("seed", range(20))
def test_random_batches_come_back_as_they_were_sent(seed: int) -> None:
    rng = random.Random(seed)
    items = [
        BatchItem(
            id=str(number),
            filename="".join(chr(rng.randrange(1, 0xD800)) for _ in range(rng.randrange(20))),
            image=rng.randbytes(rng.randrange(2000)),
            params={"top_k": rng.randrange(1000), "nested": [None, {"x": rng.random()}]},
            tile=rng.choice([None, Tile(rng.randrange(64), 64)]),
            lineage=rng.choice(["", rng.randbytes(32).hex(), "\u732b\n#|"]),
            as_is=rng.random() < 0.5,
        )
        for number in range(rng.randrange(1, 12))
    ]
    assert decode_batch(b"".join(encode_batch(items))) == items


@pytest.mark.parametrize("ids", [["b", "a"], ["a"], ["a", "b", "c"], [], ["a", "x"]])
def test_a_reply_to_other_items_is_refused(ids: list[str]) -> None:
    with pytest.raises(ContractError, match="other items"):
        decode_reply(encode_reply(REPLY), expected_ids=ids)


@pytest.mark.parametrize("size", SIZES_THAT_ARE_NONE)
def test_a_size_that_is_no_size_is_refused(size: str) -> None:
    text = item_header(size="SIZE").replace('"SIZE"', size)
    with pytest.raises(ContractError):
        decode_batch(frame(text))
    with pytest.raises(ContractError):
        decode_reply(frame(reply_header(size="SIZE").replace('"SIZE"', size)), expected_ids=["a"])


@pytest.mark.parametrize("header", HEADERS_THAT_ARE_NONE, ids=lambda text: text[:25])
def test_a_header_of_another_shape_is_refused(header: str) -> None:
    with pytest.raises(ContractError):
        decode_batch(frame(header))
    with pytest.raises(ContractError):
        decode_reply(frame(header), expected_ids=[])


@pytest.mark.parametrize("missing", ["id", "filename", "params", "size", *ASKED_FOR])
def test_a_batch_item_without_one_of_its_fields_is_refused(missing: str) -> None:
    with pytest.raises(ContractError):
        decode_batch(frame(item_header(**{missing: ...})))


@pytest.mark.parametrize("params", [None, 3, "ab", [1], [[[], 1]], [[1, 2, 3]]])
def test_params_that_are_no_mapping_are_refused(params: Any) -> None:
    with pytest.raises(ContractError):
        decode_batch(frame(item_header(params=params)))


@pytest.mark.parametrize("tile", [0, "x", [], [1], [1, 2, 3], ["a", 2], [1, None], {"a": 1}])
def test_a_tile_that_is_no_pair_of_numbers_is_refused(tile: Any) -> None:
    with pytest.raises(ContractError):
        decode_batch(frame(item_header(tile=tile)))


@pytest.mark.parametrize("lineage", [None, 3, True, [], ["a"], {}])
def test_a_lineage_that_is_no_text_names_no_image(lineage: Any) -> None:
    with pytest.raises(ContractError):
        decode_batch(frame(item_header(lineage=lineage)))


@pytest.mark.parametrize("missing", ["id", "status", "content_type", "size", "duration_s"])
def test_a_reply_item_without_one_of_its_fields_is_refused(missing: str) -> None:
    with pytest.raises(ContractError):
        decode_reply(frame(reply_header(**{missing: ...})), expected_ids=["a"])


def test_a_reply_without_its_revision_is_refused() -> None:
    with pytest.raises(ContractError):
        decode_reply(frame(reply_header(revision=...)), expected_ids=["a"])


@pytest.mark.parametrize(
    "changes",
    [
        {"status": float("inf")},
        {"status": float("nan")},
        {"status": None},
        {"status": "ok"},
        {"duration_s": 10**400},
        {"duration_s": None},
        {"duration_s": "soon"},
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_reply_fields_that_are_no_numbers_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        decode_reply(frame(reply_header(**changes)), expected_ids=["a"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"CVB1",
        b"CVB1\0\0\0",
        frame("{}", magic=b"CVB2"),
        struct.pack(">4sI", b"CVB1", 2**32 - 1),
        struct.pack(">4sI", b"CVB1", 100) + b"{}",
        b"CVB1" + struct.pack(">I", 5 * 1024 * 1024) + b" " * (5 * 1024 * 1024),
        frame(b'{"items": [], "x": "\xff\xfe"}'),
        frame(item_header(size=5), b"four"),
        frame(item_header(size=5), b"sixsix"),
        frame(item_header(), b"surplus"),
    ],
    ids=lambda data: str(data[:16]),
)
def test_a_frame_cut_or_padded_anywhere_is_refused(data: bytes) -> None:
    with pytest.raises(ContractError):
        decode_batch(data)
    with pytest.raises(ContractError):
        decode_reply(data, expected_ids=["a"])


def test_a_batch_cut_at_any_byte_is_refused() -> None:
    whole = b"".join(encode_batch(ITEMS[:2]))
    for length in range(len(whole)):
        with pytest.raises(ContractError):
            decode_batch(whole[:length])


@pytest.mark.parametrize("seed", range(10))
def test_mutated_frames_raise_contract_errors_only(seed: int) -> None:
    rng = random.Random(seed)
    frames = [b"".join(encode_batch(ITEMS[:2])), encode_reply(REPLY)]
    for _ in range(300):
        mutated = bytearray(rng.choice(frames))
        for _ in range(rng.randrange(1, 6)):
            position = rng.randrange(len(mutated))
            match rng.randrange(3):
                case 0:
                    mutated[position] = rng.randrange(256)
                case 1:
                    del mutated[position : position + rng.randrange(8)]
                case _:
                    mutated[position:position] = rng.randbytes(rng.randrange(8))
        read_any(bytes(mutated))


@pytest.mark.parametrize("seed", range(10))
def test_headers_with_random_values_raise_contract_errors_only(seed: int) -> None:
    rng = random.Random(seed)
    values: list[Any] = [
        None, True, -1, 0, 1.5, float("inf"), float("nan"), 10**400, "", "7", "x", [], {}, [[]],
    ]  # fmt: skip
    for _ in range(300):
        names = ("id", "filename", "size", "params", "status", "content_type", "duration_s")
        entry = {name: rng.choice(values) for name in rng.sample(names, rng.randrange(8))}
        entry |= {name: rng.choice(values) for name in ASKED_FOR}
        read_any(frame(json.dumps({"items": [entry], "revision": rng.choice(values)})))
        read_any(frame(json.dumps({"items": rng.choice(values), "revision": "r"})))
