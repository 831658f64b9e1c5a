"""Forms of several files: what is read of good ones, and that nothing stays of bad ones."""

import asyncio
import hashlib
import itertools
import json
import random

import pytest

from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.errors import IncompleteBodyError, InvalidParamsError, RequestError
from dispatcher.intake.batch_form import read_batch_form
from dispatcher.intake.sniffing import ImageKind
from dispatcher.pipelines.actions import parse_actions
from tests.dispatcher.forms import BOUNDARY, CONTENT_TYPE, Body, Part, form, in_pieces, text
from tests.dispatcher.images import EVERY_KIND, png
from tests.dispatcher.intake.batch_reading import ACTIONS, BLUR, file, read

HEADERS = {b"content-type": CONTENT_TYPE}


class CountingBlobStore(MemoryBlobStore):
    """Knows when each image was put."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    async def put(self, digest: str, data: bytes, *, is_new_work: bool = True) -> None:
        await asyncio.sleep(0)
        self.sizes.append(len(data))
        await super().put(digest, data, is_new_work=is_new_work)


# What is read


async def test_files_are_read_in_their_order_and_kept() -> None:
    parts = [file(number) for number in range(5)]
    done = await read(form(ACTIONS, *parts))
    assert [entry.filename for entry in done.form.files] == [part.filename for part in parts]
    for entry, part in zip(done.form.files, parts, strict=True):
        assert entry.digest == hashlib.sha256(part.data).hexdigest()
        assert entry.kind == ImageKind("image/png", 8, 8)
        assert await done.blobs.get(entry.digest) == part.data
    assert done.form.actions == parse_actions(json.dumps(BLUR))
    assert done.form.use_cache is True


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 8, 63, 64, 100_000])
async def test_how_the_body_is_cut_makes_no_difference(piece_bytes: int) -> None:
    tricky = b"\r\n--front\r\n--frontie\r\n\r\n--\r" + f"--{BOUNDARY}".encode() + b"\r\n--"
    parts = [
        Part(name="files", filename="a.png", data=png(tail=tricky * 5)),
        ACTIONS,
        Part(name="files", filename="b.png", data=tricky),
        text("cache", "false"),
        Part(name="files", filename="c.png", data=b""),
    ]
    whole = await read(form(*parts))
    done = await read(form(*parts), piece_bytes=piece_bytes)
    assert done.form == whole.form
    first = done.form.files[0]
    assert await done.blobs.get(first.digest) == parts[0].data


@pytest.mark.parametrize("media_type", EVERY_KIND)
async def test_every_format_is_told_by_its_content(media_type: str) -> None:
    part = Part(
        name="files", filename="x", data=EVERY_KIND[media_type], headers=["Content-Type: x"]
    )
    (entry,) = (await read(form(ACTIONS, part))).form.files
    assert entry.kind is not None
    assert entry.kind.media_type == media_type


async def test_array_fields_may_be_marked_by_brackets() -> None:
    actions = text("actions[]", json.dumps(BLUR))
    plain = await read(form(ACTIONS, file(1), file(2)))
    marked = await read(form(actions, file(1, name="files[]"), file(2, name="files[]")))
    assert marked.form == plain.form


async def test_actions_may_be_a_file_of_json() -> None:
    as_file = Part(
        name="actions",
        filename="actions.json",
        data=json.dumps(BLUR).encode(),
        headers=["Content-Type: application/json"],
    )
    assert (await read(form(as_file, file()))).form == (await read(form(ACTIONS, file()))).form


async def test_every_actions_field_adds_to_the_others() -> None:
    sobel, resize = {"operations": [["sobel"]]}, {"operations": [["resize", "50%"]]}
    done = await read(form(ACTIONS, file(), text("actions", json.dumps([sobel, resize]))))
    assert done.form.actions == parse_actions(json.dumps([BLUR, sobel, resize]))


@pytest.mark.parametrize(("value", "use_cache"), [("true", True), ("false", False)])
async def test_the_cache_can_be_passed_over(value: str, use_cache: bool) -> None:
    assert (await read(form(ACTIONS, file(), text("cache", value)))).form.use_cache is use_cache


async def test_the_same_file_twice_is_two_files_and_two_holds() -> None:
    done = await read(form(ACTIONS, file(1), file(1)))
    first, second = done.form.files
    assert first == second
    await done.blobs.release(first.digest)
    assert await done.blobs.get(first.digest) == file(1).data
    await done.blobs.release(first.digest)
    assert done.blobs.total_bytes() == 0


async def test_a_file_field_in_which_nothing_was_chosen_is_no_file() -> None:
    done = await read(form(ACTIONS, Part(name="files", filename=""), file(1)))
    assert [entry.filename for entry in done.form.files] == ["1.png"]


# A file that is no image


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"plain text", "unsupported_image_type"),
        (png(0, 1), "image_corrupt"),
        (png(65_535, 65_535), "image_too_large"),
    ],
)
async def test_a_file_that_is_no_image_is_recorded_alone(data: bytes, code: str) -> None:
    bad = Part(name="files", filename="bad.png", data=data)
    done = await read(form(ACTIONS, file(1), bad, file(2)))
    first, middle, last = done.form.files
    assert middle.kind is None
    assert middle.error is not None
    assert (middle.error.code, middle.filename) == (code, "bad.png")
    assert first.error is last.error is None
    assert done.blobs.total_bytes() == len(file(1).data) + len(file(2).data)


async def test_a_form_lets_go_of_what_it_holds() -> None:
    bad = Part(name="files", filename="bad.png", data=b"text")
    done = await read(form(ACTIONS, file(1), bad, file(1), file(2)))
    await done.form.release(done.blobs)
    assert done.blobs.total_bytes() == 0


# One file at a time


async def test_each_file_is_put_away_before_the_next_arrives() -> None:
    blobs = CountingBlobStore()
    body = Body(*in_pieces(form(ACTIONS, *[file(number) for number in range(10)]), 50))
    put_after: list[int] = []

    async def receive() -> dict[str, object]:
        put_after.append(len(blobs.sizes))
        return dict(await body.receive())

    await read_batch_form(HEADERS, receive, blobs=blobs)
    assert len(blobs.sizes) == 10
    steps = {later - earlier for earlier, later in itertools.pairwise(put_after)}
    assert steps == {0, 1}


# Nothing stays of a request that fails


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
async def test_nothing_is_kept_when_the_client_goes_away(share: float) -> None:
    body = form(ACTIONS, *[file(number) for number in range(20)])
    pieces = in_pieces(body[: int(share * len(body))], 100)
    blobs = MemoryBlobStore()
    with pytest.raises(IncompleteBodyError):
        await read_batch_form(HEADERS, Body(*pieces, then_disconnect=True).receive, blobs=blobs)
    assert blobs.total_bytes() == 0


async def test_nothing_is_kept_when_the_request_is_cancelled() -> None:
    blobs = MemoryBlobStore()
    body = Body(form(ACTIONS, file(1), file(2))[:-20], b"", then_disconnect=True)
    is_waiting = asyncio.Event()

    async def receive() -> dict[str, object]:
        if body.received:
            is_waiting.set()
            await asyncio.Event().wait()
        return dict(await body.receive())

    reading = asyncio.create_task(read_batch_form(HEADERS, receive, blobs=blobs))
    await is_waiting.wait()
    assert blobs.total_bytes() > 0
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert blobs.total_bytes() == 0


async def test_what_others_hold_stays() -> None:
    blobs = MemoryBlobStore()
    digest = hashlib.sha256(file(1).data).hexdigest()
    await blobs.put(digest, file(1).data)
    bad = text("actions", "{")
    with pytest.raises(InvalidParamsError):
        await read_batch_form(HEADERS, Body(form(file(1), bad)).receive, blobs=blobs)
    assert await blobs.get(digest) == file(1).data


async def test_bad_actions_are_refused_before_the_files_that_follow_are_read() -> None:
    blobs = CountingBlobStore()
    body = Body(form(text("actions", "{}"), file(1))[:120], *[b"x" * 1000] * 50)
    with pytest.raises(InvalidParamsError):
        await read_batch_form(HEADERS, body.receive, blobs=blobs)
    assert body.received == 1
    assert blobs.sizes == []


# Fuzz


@pytest.mark.parametrize("seed", range(4))
async def test_only_refusals_escape_from_damaged_forms_and_nothing_is_kept_of_them(
    seed: int,
) -> None:
    dice = random.Random(seed)
    good = form(file(1), ACTIONS, text("cache", "false"), file(2))
    tokens = [b"\r\n", b"\n", b"\r", b"--", b"--frontier", b'"', b";", b"=", b"\x00", b"\xff", b"{"]
    refused = 0
    for _ in range(400):
        body = bytearray(good)
        for _ in range(dice.randint(1, 5)):
            start = dice.randrange(len(body))
            end = min(len(body), start + dice.choice([0, 0, 1, 2, 40]))
            body[start:end] = dice.choice([*tokens, b"", body[:40], dice.randbytes(3)])
        blobs = MemoryBlobStore()
        pieces = in_pieces(bytes(body), dice.choice([1, 5, 64, 10_000]))
        try:
            read_form = await read_batch_form(HEADERS, Body(*pieces).receive, blobs=blobs)
        except RequestError:
            refused += 1
        else:
            await read_form.release(blobs)
        assert blobs.total_bytes() == 0
    assert 0 < refused < 400
