"""The metrics of grayscale; those of every step are tested with the runner."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from step_app.contract.frames import BatchItem
from step_app.contract.pictures import Picture, PictureReply
from step_app.contract.step_types import STEP_TYPES
from step_app.errors import ImageCorruptError, InvalidParamsError
from step_app.metrics import StepMetrics
from step_app.replica import Replica
from step_app.settings import Settings, StepConfig
from step_app.steps.base import JsonOutput, Outcome, PictureOutput, StepRequest
from tests.step_app.chaining import koala
from tests.step_app.in_process import send_batch, serving
from tests.step_app.running_pipeline import closed_port, running, step

NAMES = {
    "grayscale_queue_wait_seconds": "histogram",
    "grayscale_process_seconds": "histogram",
    "grayscale_startup_seconds": "gauge",
    "grayscale_failures_total": "counter",
    "grayscale_reconnect_attempts_total": "counter",
}
"""As Prometheus' text format writes them: it ends the name of every counter with ``_total``."""
GREY = ["grayscale", {}]
EDGES = ["sobel", {}]


def values(text: str) -> dict[str, float]:
    """Return what the metrics of grayscale say."""
    found = re.findall(r"^(grayscale_\w+) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def said(metrics: StepMetrics) -> dict[str, float]:
    return values(metrics.render().decode())


def made(*timings_of_pieces: Sequence[float]) -> PictureOutput:
    """Return pictures whose kernels took so long, one time for each number of threads."""
    data: list[dict[str, Any]] = [
        {"timings": [{"kernel_s": time_s} for time_s in times]} if times else {}
        for times in timings_of_pieces
    ]
    pictures = [Picture("image/png", 1, 1, b"", of_one) for of_one in data]
    return PictureOutput(PictureReply(pictures, timings_s=[0.1]))


def note(metrics: StepMetrics, outcome: Outcome, **request: Any) -> None:
    assert metrics.grayscale is not None
    metrics.grayscale.note(StepRequest(b"", **request), outcome, waited_s=0.25)


def chain(*operations: Sequence[Any]) -> Mapping[str, Any]:
    return {"operations": list(operations)}


@pytest.mark.parametrize("step_type", STEP_TYPES)
def test_only_replicas_that_turn_pictures_grey_have_metrics_of_it(step_type: str) -> None:
    text = StepMetrics(step_type).render().decode()
    types = dict(re.findall(r"^# TYPE (grayscale_\w+) (\w+)$", text, re.MULTILINE))
    types = {name: kind for name, kind in types.items() if not name.endswith("_created")}
    assert types == (NAMES if step_type in {"grayscale", "operations"} else {})


def test_a_converted_picture_is_counted_with_its_wait_and_with_each_time_of_its_kernel() -> None:
    metrics = StepMetrics("grayscale")
    note(metrics, made([0.5, 0.125]))
    note(metrics, made([0.25]))
    told = said(metrics)
    assert (
        told["grayscale_queue_wait_seconds_count"],
        told["grayscale_queue_wait_seconds_sum"],
    ) == (
        2,
        0.5,
    )
    assert (told["grayscale_process_seconds_count"], told["grayscale_process_seconds_sum"]) == (
        3,
        0.875,
    )
    assert told["grayscale_failures_total"] == 0


def test_pieces_of_one_conversion_count_it_once_and_conversions_of_pieces_each() -> None:
    metrics = StepMetrics("operations")
    note(metrics, made([0.5], [0.5], [0.5]))
    assert said(metrics)["grayscale_process_seconds_sum"] == 0.5
    note(metrics, made([0.25], [0.125]))
    assert said(metrics)["grayscale_process_seconds_sum"] == 0.875
    assert said(metrics)["grayscale_queue_wait_seconds_count"] == 2


async def test_a_conversion_that_other_chains_share_is_counted_once() -> None:
    async with serving(Replica(StepConfig("p", "0", "operations", {}), Settings())) as client:
        for number, operations in enumerate(([GREY, EDGES], [GREY, EDGES], [GREY, ["blur", {}]])):
            item = BatchItem(str(number), "", koala(), chain(*operations), lineage="koala")
            assert (await send_batch(client, item))[0].status == 200
        once = values((await client.get("/metrics")).text)
        again = BatchItem("n", "", koala(), chain(GREY, GREY, EDGES), lineage="koala")
        assert (await send_batch(client, again))[0].status == 200
        twice = values((await client.get("/metrics")).text)
    assert once["grayscale_process_seconds_count"] == 1
    assert once["grayscale_queue_wait_seconds_count"] == 1
    assert twice["grayscale_process_seconds_count"] == 2


def test_pictures_that_were_not_converted_are_not_counted() -> None:
    metrics = StepMetrics("operations")
    note(metrics, made([], []), params=chain(EDGES))
    note(metrics, made([]), as_is=True)
    note(metrics, JsonOutput({}))
    assert said(metrics)["grayscale_queue_wait_seconds_count"] == 0
    assert said(metrics)["grayscale_startup_seconds"] == 0


def test_a_failure_counts_where_the_picture_was_to_be_converted() -> None:
    metrics = StepMetrics("operations")
    for failed in (chain(GREY), chain(EDGES, GREY), chain(EDGES), chain(), {}):
        note(metrics, ImageCorruptError(), params=failed)
    note(metrics, ImageCorruptError(), params=chain(GREY), as_is=True)
    assert said(metrics)["grayscale_failures_total"] == 2
    alone = StepMetrics("grayscale")
    note(alone, ImageCorruptError())
    note(alone, InvalidParamsError(), params={"threads": 0})
    note(alone, ImageCorruptError(), as_is=True)
    assert said(alone)["grayscale_failures_total"] == 2


def test_a_configured_chain_counts_where_a_request_brings_none() -> None:
    metrics = StepMetrics("operations", chain(GREY))
    note(metrics, ImageCorruptError())
    note(metrics, ImageCorruptError(), params=chain(EDGES))
    assert said(metrics)["grayscale_failures_total"] == 1


@pytest.mark.parametrize("operations", [None, 3, "grayscale", {}, [None], [3], [[]], [{}], [["x"]]])
def test_params_that_are_no_chain_name_no_conversion(operations: Any) -> None:
    metrics = StepMetrics("operations")
    note(metrics, InvalidParamsError(), params={"operations": operations})
    assert said(metrics)["grayscale_failures_total"] == 0


def test_the_start_ends_with_the_first_converted_picture() -> None:
    metrics = StepMetrics("grayscale")
    note(metrics, ImageCorruptError())
    assert said(metrics)["grayscale_startup_seconds"] == 0
    note(metrics, made([0.5]))
    first = said(metrics)["grayscale_startup_seconds"]
    note(metrics, made([0.5]))
    assert 0 < first == said(metrics)["grayscale_startup_seconds"]


async def test_a_replica_measures_what_it_does() -> None:
    config = StepConfig("p", "0", "grayscale", {"threads": [1, 2]})
    async with serving(Replica(config, Settings(step_threads=2))) as client:
        before = values((await client.get("/metrics")).text)
        assert (await client.post("/process", content=koala())).status_code == 200
        assert (await client.post("/process", content=b"hello")).status_code == 415
        after = values((await client.get("/metrics")).text)
        plain = BatchItem("a", "", koala(), {"threads": 1})
        assert (await send_batch(client, plain))[0].status == 200
        finally_ = values((await client.get("/metrics")).text)
    assert before["grayscale_startup_seconds"] == before["grayscale_queue_wait_seconds_count"] == 0
    assert after["grayscale_queue_wait_seconds_count"] == 1
    assert after["grayscale_process_seconds_count"] == 2
    assert 0 < after["grayscale_process_seconds_sum"] < 5
    assert after["grayscale_startup_seconds"] > 0
    assert after["grayscale_failures_total"] == 1
    assert finally_["grayscale_process_seconds_count"] == 3
    assert finally_["grayscale_startup_seconds"] == after["grayscale_startup_seconds"]


def test_every_further_replica_that_is_tried_counts_as_a_reconnect(tmp_path: Path) -> None:
    with (
        running(tmp_path, step("grayscale"), absent=[step("sobel")]) as pipeline,
        closed_port() as one,
        closed_port() as other,
        closed_port() as third,
    ):
        pipeline.put_record("1", one)
        assert pipeline.process(koala()).status_code == 503
        assert "grayscale_reconnect_attempts_total 0.0" in pipeline.metrics("0")
        pipeline.put_record("1", one, other, third)
        assert pipeline.process(koala()).status_code == 503
        assert "grayscale_reconnect_attempts_total 2.0" in pipeline.metrics("0")


def test_a_replica_tells_of_itself_before_anything_was_computed() -> None:
    lines = StepMetrics("blur").render().decode().splitlines()
    assert 'step_process_seconds_count{type="blur"} 0.0' in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
