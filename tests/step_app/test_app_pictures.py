"""The HTTP face of replicas that give pictures, in this process."""

import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from step_app.codec import decode_upright_pixels
from step_app.contract.frames import BatchItem, ItemReply
from step_app.contract.limits import MAX_IMAGE_BYTES
from step_app.contract.pictures import (
    PICTURES_MEDIA_TYPE,
    RAW_MEDIA_TYPE,
    Picture,
    PictureReply,
    decode_pictures,
)
from step_app.contract.tiles import Tile
from step_app.encoding import encode_picture
from step_app.replica import Replica
from step_app.settings import Settings, StepConfig
from step_app.steps.operation import Pixels
from tests.step_app.chaining import koala
from tests.step_app.in_process import form, problem, send_batch, serving
from tests.step_app.pictures import rotated_by_exif, small_photo
from tests.step_app.replying import bytes_of

of_one_loop = pytest.mark.asyncio(loop_scope="module")
BLUR = {"method": "median", "ksize": 5}


def replica(step_type: str, params: Mapping[str, Any] | None = None) -> Replica:
    return Replica(StepConfig("p", "4", step_type, params or {}), Settings(step_threads=2))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def blur() -> AsyncIterator[httpx.AsyncClient]:
    """Talks to a replica that blurs."""
    async with serving(replica("blur", BLUR)) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operations() -> AsyncIterator[httpx.AsyncClient]:
    """Talks to a replica that runs whatever chain a request brings."""
    async with serving(replica("operations")) as client:
        yield client


def pixels_of(answer: httpx.Response, media_type: str = "image/png") -> Pixels:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == media_type
    return decode_upright_pixels(answer.content)


def result(reply: ItemReply) -> PictureReply:
    assert (reply.status, reply.content_type) == (200, PICTURES_MEDIA_TYPE), reply.body
    return decode_pictures(bytes_of(reply))


def only_picture(reply: ItemReply) -> Picture:
    (picture,) = result(reply).pictures
    return picture


def code(reply: ItemReply) -> tuple[int, str]:
    return reply.status, json.loads(bytes_of(reply))["code"]


@of_one_loop
async def test_a_replica_says_which_operation_it_is(blur: httpx.AsyncClient) -> None:
    answer = (await blur.get("/readyz")).json()
    assert (answer["type"], answer["step_id"], answer["model"]) == ("blur", "4", "blur")
    assert answer["revision"].startswith("blur-")


@of_one_loop
async def test_a_step_that_gives_pictures_predicts_nothing(blur: httpx.AsyncClient) -> None:
    answer = await blur.post("/predict", files={"image": ("k.png", koala())})
    assert problem(answer) == (400, "invalid_request")
    assert "/process" in answer.json()["detail"]


@of_one_loop
async def test_a_picture_is_processed_from_a_form_and_from_a_raw_body_alike(
    blur: httpx.AsyncClient,
) -> None:
    from_form = await blur.post("/process", files={"image": ("k.png", koala(), "text/html")})
    raw = await blur.post("/process", content=koala(), headers={"Content-Type": "image/png"})
    assert pixels_of(raw).shape == decode_upright_pixels(koala()).shape
    assert not np.array_equal(pixels_of(raw), decode_upright_pixels(koala()))
    assert np.array_equal(pixels_of(from_form), pixels_of(raw))
    for answer in (from_form, raw):
        assert 0 < float(answer.headers["X-Step-4-Time"]) < 10


@of_one_loop
@pytest.mark.parametrize(
    ("image_format", "media_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("GIF", "image/png"),
    ],
)
async def test_the_answer_has_the_format_of_the_picture_sent(
    blur: httpx.AsyncClient, image_format: str, media_type: str
) -> None:
    answer = await blur.post("/process", content=koala(64, image_format))
    assert pixels_of(answer, media_type).shape == (64, 48, 3)


@of_one_loop
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_the_answer_is_upright(blur: httpx.AsyncClient, orientation: int) -> None:
    image = rotated_by_exif(small_photo("koala", 64), orientation, "PNG")
    answer = await blur.post("/process", content=image)
    upright = await blur.post("/process", content=koala())
    assert answer.content == upright.content


@of_one_loop
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (422, "empty_file")),
        (b"hello", (415, "unsupported_image_type")),
        (koala()[:500], (422, "image_corrupt")),
        (bytes(MAX_IMAGE_BYTES + 1), (413, "payload_too_large")),
    ],
    ids=["empty", "text", "cut", "too long"],
)
async def test_a_body_that_is_no_picture_gets_its_problem(
    blur: httpx.AsyncClient, body: bytes, expected: tuple[int, str]
) -> None:
    assert problem(await blur.post("/process", content=body)) == expected


@of_one_loop
async def test_the_problem_of_a_picture_names_the_step(blur: httpx.AsyncClient) -> None:
    answer = await blur.post("/process", content=b"hello")
    assert answer.json()["detail"] == "step 4 (blur): This is no supported image."


@of_one_loop
async def test_a_form_without_a_picture_gets_its_problem(blur: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await blur.post("/process", content=form(('name="image"', b"x")), headers=headers)
    assert problem(answer) == (422, "missing_field")


@of_one_loop
async def test_the_pictures_of_a_batch_are_answered_each_alone_and_in_order(
    blur: httpx.AsyncClient,
) -> None:
    replies = await send_batch(
        blur,
        BatchItem("z", "1.png", koala()),
        BatchItem("y", "2.png", koala()[:500]),
        BatchItem("x", "3.png", koala(), {"ksize": 1}),
        BatchItem("w", "4.png", koala(), {"ksize": 4}),
        BatchItem("v", "5.jpg", koala(32, "JPEG")),
    )
    assert [reply.status for reply in replies] == [200, 422, 200, 422, 200]
    assert (code(replies[1]), code(replies[3])) == (
        (422, "image_corrupt"),
        (422, "invalid_params"),
    )
    untouched = only_picture(replies[2])
    assert np.array_equal(decode_upright_pixels(untouched.body), decode_upright_pixels(koala()))
    assert only_picture(replies[0]).body != untouched.body
    assert only_picture(replies[4]).media_type == "image/jpeg"
    assert (only_picture(replies[4]).width, only_picture(replies[4]).height) == (24, 32)
    assert all(reply.duration_s > 0 for reply in replies)
    assert [len(result(reply).timings_s) for reply in replies[::2]] == [1, 1, 1]


@of_one_loop
async def test_each_picture_of_a_batch_comes_in_the_format_wanted(blur: httpx.AsyncClient) -> None:
    wanted = ["image/jpeg", "image/webp", RAW_MEDIA_TYPE, ""]
    replies = await send_batch(
        blur, *(BatchItem(str(n), "", koala(), output=output) for n, output in enumerate(wanted))
    )
    assert [only_picture(reply).media_type for reply in replies] == [*wanted[:3], "image/png"]


@of_one_loop
async def test_chunks_of_a_batch_join_to_the_whole(blur: httpx.AsyncClient) -> None:
    image = koala(96)
    chunks = [
        BatchItem(str(n), "", image, tile=Tile(n, 4), output=RAW_MEDIA_TYPE) for n in range(4)
    ]
    whole, *parts = await send_batch(
        blur, BatchItem("w", "", image, output=RAW_MEDIA_TYPE), *chunks
    )
    rows = [decode_upright_pixels(only_picture(part).body) for part in parts]
    assert np.array_equal(np.concatenate(rows), decode_upright_pixels(only_picture(whole).body))


@of_one_loop
async def test_a_chunk_that_cannot_be_fails_alone(
    blur: httpx.AsyncClient, operations: httpx.AsyncClient
) -> None:
    good, out_of_range = await send_batch(
        blur,
        BatchItem("a", "", koala(), tile=Tile(1, 2)),
        BatchItem("b", "", koala(), tile=Tile(2, 2)),
    )
    assert only_picture(good).height == 32
    assert code(out_of_range) == (422, "invalid_params")
    resize = {"operations": [["resize", {"size": "50%"}]]}
    (uncuttable,) = await send_batch(
        operations, BatchItem("a", "", koala(), resize, tile=Tile(0, 2))
    )
    assert code(uncuttable) == (422, "invalid_params")


@of_one_loop
async def test_what_chains_on_one_image_have_in_common_is_computed_once(
    operations: httpx.AsyncClient,
) -> None:
    def item(name: str, image: bytes, last: str, lineage: str = "shared") -> BatchItem:
        chain = [["resize", {"size": "8x6"}], ["split", {"cols": 2}], [last, {}]]
        return BatchItem(name, "", image, {"operations": chain}, "image/png", lineage=lineage)

    replies = await send_batch(
        operations,
        item("a", koala(), "sobel"),
        item("b", koala(), "blur"),
        item("c", koala(), "blur", lineage=""),
    )
    replies += await send_batch(operations, item("d", koala()[:500], "blur"))
    results = [result(reply) for reply in replies]
    assert [made.reused for made in results] == [0, 2, 0, 2]
    assert [[s > 0 for s in made.timings_s] for made in results[1:3]] == [
        [False, False, True],
        [True] * 3,
    ]
    assert results[1].pictures == results[2].pictures == results[3].pictures
    assert [(picture.width, picture.height) for picture in results[3].pictures] == [(4, 3)] * 4


@of_one_loop
async def test_no_operation_changes_what_is_kept_for_others(operations: httpx.AsyncClient) -> None:
    beginning = [["resize", {"size": "40x30"}], ["split", {"cols": 1}]]
    names = ["upscaling", "deblur", "grayscale", "sobel", "blur", "split"] * 2
    items = [
        BatchItem(f"{name}-{number}{lineage}", "", koala(), {"operations": chain}, lineage=lineage)
        for number, name in enumerate(names)
        for chain in ([*beginning, [name, {}]],)
        for lineage in ("unchanged", "")
    ]
    results = [result(reply) for reply in await send_batch(operations, *items)]
    assert [made.reused for made in results] == [0, 0, *[2, 0] * (len(names) - 1)]
    for shared, alone in zip(results[::2], results[1::2], strict=True):
        assert [picture.body for picture in shared.pictures] == [p.body for p in alone.pictures]


@of_one_loop
async def test_a_picture_wanted_as_it_is_is_only_encoded_anew(blur: httpx.AsyncClient) -> None:
    raw = encode_picture(decode_upright_pixels(koala()), RAW_MEDIA_TYPE).body
    (reply,) = await send_batch(blur, BatchItem("a", "", raw, output="image/bmp", as_is=True))
    picture = only_picture(reply)
    assert picture.media_type == "image/bmp"
    assert np.array_equal(decode_upright_pixels(picture.body), decode_upright_pixels(koala()))


async def test_a_picture_that_is_split_is_answered_with_a_zip_of_its_pieces() -> None:
    async with serving(replica("split", {"rows": 2, "cols": 3})) as client:
        answer = await client.post("/process", content=koala())
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [f"piece-{n:02}.png" for n in range(6)]
        pieces = [decode_upright_pixels(archive.read(name)) for name in archive.namelist()]
    joined = np.concatenate([np.concatenate(pieces[row : row + 3], axis=1) for row in (0, 3)])
    assert np.array_equal(joined, decode_upright_pixels(koala()))


async def test_a_format_that_the_pipeline_names_beats_that_of_the_picture_sent() -> None:
    async with serving(replica("blur", {"output": "webp"})) as client:
        answer = await client.post("/process", content=koala())
    assert pixels_of(answer, "image/webp").shape == (64, 48, 3)


async def test_a_picture_that_would_become_too_large_is_refused() -> None:
    async with serving(replica("resize", {"size": "20000x20000"})) as client:
        assert problem(await client.post("/process", content=koala())) == (422, "image_too_large")
