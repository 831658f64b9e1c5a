"""The documents of jobs that made pictures."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.api.documents import image_url, made_name, result, step_headers
from dispatcher.jobs import Job, Output
from dispatcher.runs import ChunkRun, StageRun
from tests.dispatcher.api.contract import validate
from tests.dispatcher.records import completed, make_job

REPLICA = "http://127.0.0.1:5000"
LABELS: dict[str, Any] = {
    "inference_time": 0.25,
    "predictions": ["koala"],
    "scores": [0.5],
    "model": "resnet18",
}


def output(piece: int | None = None, **data: Any) -> Output:
    return Output("d" * 64, "image/webp", width=40, height=30, data=data, piece=piece)


def run(step_id: str = "0", step_type: str = "blur", **changes: Any) -> StageRun:
    known: dict[str, Any] = {"duration_s": 0.125, "replica": REPLICA, "attempts": 1}
    return StageRun(step_id, step_type, **(known | changes))


def document_of(job: Job) -> dict[str, Any]:
    """The document of a job, which fits its schema and is JSON."""
    document = result(job, position=None, drain_rate=0.0)
    read: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    validate({"$ref": "#/components/schemas/Result"}, read)
    return read


def made(*outputs: Output, stages: tuple[StageRun, ...] = (run(),), **changes: Any) -> Job:
    return completed(make_job(**changes), result=None, outputs=outputs, stages=stages)


def test_a_job_that_made_one_picture_tells_where_it_is() -> None:
    assert document_of(made(output()))["result"] == {
        "filename": "koala.png",
        "width": 40,
        "height": 30,
        "content_type": "image/webp",
        "url": "/result/job-1/image",
        "download_url": "/result/job-1/image?download=true",
    }


def test_a_job_that_split_its_picture_tells_every_piece() -> None:
    told = document_of(made(output(0), output(1)))["result"]
    assert told["filename"] == "koala.png"
    assert [piece["filename"] for piece in told["outputs"]] == ["koala-00.webp", "koala-01.webp"]
    assert [piece["url"] for piece in told["outputs"]] == [
        "/result/job-1/image/0",
        "/result/job-1/image/1",
    ]
    assert told["outputs"][1]["download_url"] == "/result/job-1/image/1?download=true"
    assert {piece["content_type"] for piece in told["outputs"]} == {"image/webp"}


def test_a_split_into_one_piece_is_told_as_a_split() -> None:
    assert len(document_of(made(output(0)))["result"]["outputs"]) == 1


def test_a_picture_that_was_labelled_is_told_with_its_labels() -> None:
    told = document_of(made(output(**LABELS)))["result"]
    assert told["filename"] == "koala.png"
    assert {name: told[name] for name in LABELS} == LABELS
    assert told["url"] == "/result/job-1/image"


def test_every_piece_that_was_labelled_is_told_with_its_own_labels() -> None:
    told = document_of(made(output(0, predictions=["koala"]), output(1, predictions=["drum"])))
    labels = [piece["predictions"] for piece in told["result"]["outputs"]]
    assert labels == [["koala"], ["drum"]]


def test_what_a_step_measured_is_told_with_the_picture() -> None:
    timings = [{"threads": 1, "kernel_s": 0.5}]
    assert document_of(made(output(timings=timings)))["result"]["timings"] == timings


def test_a_hit_tells_its_own_file_name_and_its_own_address() -> None:
    job = make_job("hit", filename="other.jpg").served_from_cache(None, (output(),), "r1")
    told = document_of(job)["result"]
    assert (told["filename"], told["url"]) == ("other.jpg", "/result/hit/image")


def test_a_follower_tells_its_own_addresses() -> None:
    follower = make_job("follower", filename="b.png").settled_like(made(output(0), output(1)))
    pieces = document_of(follower)["result"]["outputs"]
    assert [piece["filename"] for piece in pieces] == ["b-00.webp", "b-01.webp"]
    assert pieces[0]["url"] == "/result/follower/image/0"


# Steps


def test_a_step_that_was_cut_into_chunks_tells_each_of_them() -> None:
    chunks = (
        ChunkRun(index=0, rows=16, duration_s=0.5, replica=REPLICA, attempts=1),
        ChunkRun(index=1, rows=20, duration_s=0.25, replica="http://127.0.0.1:5001", attempts=2),
    )
    (step,) = document_of(made(output(), stages=(run(chunks=chunks),)))["steps"]
    assert step["tiles"] == [
        {"tile": 0, "rows": 16, "time": 0.5, "replica": REPLICA, "attempts": 1},
        {"tile": 1, "rows": 20, "time": 0.25, "replica": "http://127.0.0.1:5001", "attempts": 2},
    ]


def test_a_step_tells_when_it_began_after_the_job_was_accepted() -> None:
    job = made(output())
    chunk = ChunkRun(0, 16, 0.5, REPLICA, attempts=1, began_at=job.queued_at + 2.25)
    began = run(chunks=(chunk,), began_at=job.queued_at + 2.0)
    (step,) = document_of(replace(job, stages=(began,)))["steps"]
    assert (step["start"], step["tiles"][0]["start"]) == (2.0, 2.25)
    # One that had its result from an earlier job did not wait for it.
    (step,) = document_of(replace(job, stages=(run(began_at=job.queued_at - 1.0),)))["steps"]
    assert "start" not in step


def test_a_step_that_was_not_run_again_says_so_and_names_no_replica() -> None:
    known = run(duration_s=0.0, replica="", attempts=0, from_cache=True)
    steps = document_of(made(output(), stages=(known, run("1"))))["steps"]
    assert steps[0] == {
        "id": "0",
        "type": "blur",
        "time": 0.0,
        "replica": None,
        "from_cache": True,
    }
    assert steps[1].keys() == {"id", "type", "time", "replica"}


def test_the_time_of_every_step_is_told_in_a_header_of_its_own() -> None:
    job = made(output(), stages=(run("resize"), run("1", duration_s=1e-7), run("b-2")))
    assert step_headers(job) == [
        (b"x-step-resize-time", b"0.125000"),
        (b"x-step-1-time", b"0.000000"),
        (b"x-step-b-2-time", b"0.125000"),
    ]
    assert step_headers(make_job()) == []


# Names and addresses


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("koala.png", "koala.webp"),
        ("koala", "koala.webp"),
        ("koala.tar.gz", "koala.tar.webp"),
        (".png", ".png.webp"),
        ("", "image.webp"),
        ("koala.", "koala.webp"),
    ],
)
def test_a_picture_bears_the_name_of_its_file_and_the_ending_of_its_format(
    filename: str, name: str
) -> None:
    assert made_name(filename, output()) == name


@pytest.mark.parametrize(
    ("piece", "name"), [(0, "a-00.webp"), (7, "a-07.webp"), (123, "a-123.webp")]
)
def test_a_piece_bears_its_number(piece: int, name: str) -> None:
    assert made_name("a.png", output(piece)) == name


def test_the_address_of_a_piece_ends_with_its_number() -> None:
    assert image_url(make_job(), output()) == "/result/job-1/image"
    assert image_url(make_job(), output(0)) == "/result/job-1/image/0"
