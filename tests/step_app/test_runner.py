import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain

import pytest

from step_app.errors import StepError
from step_app.metrics import StepMetrics
from step_app.runner import StepResult, StepRunner
from step_app.steps.base import JsonOutput, StepRequest
from tests.step_app.scripted_step import (
    POISON,
    REFUSED,
    SHORTENS,
    UNEXPECTED,
    UNREADABLE,
    ScriptedStep,
)

every_number_of_decode_threads = pytest.mark.parametrize("decode_threads", [0, 1, 3])


@asynccontextmanager
async def running(
    step: ScriptedStep,
    *,
    decode_threads: int,
    max_batch_size: int = 8,
    metrics: StepMetrics | None = None,
) -> AsyncIterator[StepRunner]:
    runner = StepRunner(
        step,
        step_type="scripted",
        max_batch_size=max_batch_size,
        decode_threads=decode_threads,
        metrics=metrics or StepMetrics(),
    )
    runner.start()
    async with asyncio.timeout(30):
        try:
            yield runner
        finally:
            step.gate.set()
            await runner.close()


async def until_computing(step: ScriptedStep) -> None:
    assert await asyncio.to_thread(step.computing.wait, 10)


async def until_prepared(step: ScriptedStep, count: int) -> None:
    async with asyncio.timeout(10):
        while len(step.prepared) < count:  # noqa: ASYNC110 - a thread does it and tells nobody
            await asyncio.sleep(0.001)


def said(result: StepResult) -> str:
    """Return what a result says: the echoed image, or the code of its error."""
    if isinstance(result.outcome, StepError):
        return result.outcome.code
    assert isinstance(result.outcome, JsonOutput)
    return str(result.outcome.data["echo"])


@every_number_of_decode_threads
async def test_every_image_gets_its_own_answer(decode_threads: int) -> None:
    names = [f"image {n}" for n in range(200)]
    async with running(ScriptedStep(), decode_threads=decode_threads) as runner:
        results = await asyncio.gather(*(runner.submit(StepRequest(n.encode())) for n in names))
    assert [said(result) for result in results] == names


@every_number_of_decode_threads
async def test_an_idle_step_starts_with_the_first_image_alone(decode_threads: int) -> None:
    step = ScriptedStep()
    async with running(step, decode_threads=decode_threads) as runner:
        for name in ("one", "two", "three"):
            assert said(await runner.submit(StepRequest(name.encode()))) == name
    assert step.batches == [[b"one"], [b"two"], [b"three"]]


@pytest.mark.parametrize("decode_threads", [0, 1])
async def test_what_came_while_the_step_was_busy_is_computed_together(decode_threads: int) -> None:
    step = ScriptedStep()
    step.gate.clear()
    async with running(step, decode_threads=decode_threads) as runner:
        futures = [runner.submit(StepRequest(b"first"))]
        await until_computing(step)
        futures += [runner.submit(StepRequest(f"{n}".encode())) for n in range(20)]
        if decode_threads:
            await until_prepared(step, 21)
        step.gate.set()
        await asyncio.gather(*futures)
    assert [len(batch) for batch in step.batches] == [1, 8, 8, 4]
    assert list(chain.from_iterable(step.batches))[1:] == [f"{n}".encode() for n in range(20)]


async def test_images_of_a_step_without_batches_are_taken_one_by_one_and_decoded_only_then() -> (
    None
):
    step = ScriptedStep(is_batched=False)
    step.gate.clear()
    async with running(step, decode_threads=3) as runner:
        futures = [runner.submit(StepRequest(f"{n}".encode())) for n in range(20)]
        await until_computing(step)
        assert step.prepared == [b"0"]
        step.gate.set()
        await asyncio.gather(*futures)
    assert step.batches == [[f"{n}".encode()] for n in range(20)]
    assert step.threads == {"model"}


async def test_images_of_a_step_with_batches_are_decoded_beside_the_model() -> None:
    step = ScriptedStep()
    async with running(step, decode_threads=1) as runner:
        await asyncio.gather(*(runner.submit(StepRequest(b"x")) for _ in range(20)))
    assert step.threads == {"decode-0"}


async def test_the_next_images_are_decoded_while_the_step_computes() -> None:
    step = ScriptedStep()
    step.gate.clear()
    async with running(step, decode_threads=1) as runner:
        futures = [runner.submit(StepRequest(b"first"))]
        await until_computing(step)
        futures += [runner.submit(StepRequest(b"second"))]
        await until_prepared(step, 2)
        assert len(step.batches) == 1
        step.gate.set()
        await asyncio.gather(*futures)


@every_number_of_decode_threads
async def test_no_batch_exceeds_the_maximum(decode_threads: int) -> None:
    step = ScriptedStep()
    async with running(step, decode_threads=decode_threads, max_batch_size=3) as runner:
        await asyncio.gather(*(runner.submit(StepRequest(b"x")) for _ in range(100)))
    assert max(len(batch) for batch in step.batches) <= 3
    assert sum(len(batch) for batch in step.batches) == 100


@every_number_of_decode_threads
@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (UNREADABLE, "image_corrupt"),
        (UNEXPECTED, "step_failed"),
        (REFUSED, "image_corrupt"),
        (POISON, "step_failed"),
        (SHORTENS, "step_failed"),
    ],
)
async def test_one_bad_image_fails_alone(bad: bytes, code: str, decode_threads: int) -> None:
    step = ScriptedStep()
    step.gate.clear()
    async with running(step, decode_threads=decode_threads) as runner:
        first = runner.submit(StepRequest(b"first"))
        await until_computing(step)
        futures = [runner.submit(StepRequest(image)) for image in (b"a", b"b", bad, b"c")]
        step.gate.set()
        results = await asyncio.gather(*futures)
        assert said(await first) == "first"
        assert said(await runner.submit(StepRequest(b"later"))) == "later"
    assert [said(result) for result in results] == ["a", "b", code, "c"]


async def test_a_broken_batch_is_run_again_one_by_one() -> None:
    step = ScriptedStep()
    step.gate.clear()
    async with running(step, decode_threads=0) as runner:
        futures = [runner.submit(StepRequest(b"first"))]
        await until_computing(step)
        futures += [runner.submit(StepRequest(image)) for image in (b"a", POISON, b"b")]
        step.gate.set()
        await asyncio.gather(*futures)
    assert step.batches[1:] == [[b"a", POISON, b"b"], [b"a"], [POISON], [b"b"]]


@every_number_of_decode_threads
async def test_a_cancelled_image_is_neither_decoded_nor_computed(decode_threads: int) -> None:
    step = ScriptedStep()
    step.gate.clear()
    async with running(step, decode_threads=decode_threads) as runner:
        first = runner.submit(StepRequest(b"first"))
        await until_computing(step)
        dropped = runner.submit(StepRequest(b"dropped"))
        dropped.cancel()
        kept = runner.submit(StepRequest(b"kept"))
        step.gate.set()
        assert said(await first) == "first"
        assert said(await kept) == "kept"
    assert all(b"dropped" not in batch for batch in step.batches)


async def test_an_image_cancelled_after_it_was_decoded_is_not_computed() -> None:
    step = ScriptedStep()
    step.gate.clear()
    async with running(step, decode_threads=1) as runner:
        first = runner.submit(StepRequest(b"first"))
        await until_computing(step)
        dropped = runner.submit(StepRequest(b"dropped"))
        await until_prepared(step, 2)
        dropped.cancel()
        step.gate.set()
        await first
    assert step.batches == [[b"first"]]


async def test_an_image_cancelled_while_it_is_computed_harms_nobody() -> None:
    step = ScriptedStep()
    step.gate.clear()
    async with running(step, decode_threads=0) as runner:
        dropped = runner.submit(StepRequest(b"dropped"))
        await until_computing(step)
        dropped.cancel()
        step.gate.set()
        assert said(await runner.submit(StepRequest(b"next"))) == "next"


@every_number_of_decode_threads
async def test_closing_finishes_what_was_submitted_and_ends_the_threads(
    decode_threads: int,
) -> None:
    before = threading.active_count()
    step = ScriptedStep()
    step.gate.clear()
    async with running(step, decode_threads=decode_threads) as runner:
        futures = [runner.submit(StepRequest(f"{n}".encode())) for n in range(50)]
    results = await asyncio.gather(*futures)
    assert [said(result) for result in results] == [f"{n}" for n in range(50)]
    own = {"model", *(f"decode-{n}" for n in range(decode_threads))}
    assert not own & {thread.name for thread in threading.enumerate()}
    assert threading.active_count() <= before + 1 + decode_threads  # the loop's own helpers


async def test_a_runner_without_work_closes_at_once() -> None:
    async with running(ScriptedStep(), decode_threads=2):
        pass


async def test_it_is_known_for_how_long_a_batch_has_been_computed() -> None:
    step = ScriptedStep()
    step.gate.clear()
    async with running(step, decode_threads=0) as runner:
        assert runner.busy_s() == 0
        future = runner.submit(StepRequest(b"slow"))
        await until_computing(step)
        earlier = runner.busy_s()
        assert 0 < earlier < runner.busy_s()
        step.gate.set()
        await future
        assert runner.busy_s() == 0


async def test_the_times_of_an_image_add_up() -> None:
    async with running(ScriptedStep(), decode_threads=1) as runner:
        good = await runner.submit(StepRequest(b"good"))
        bad = await runner.submit(StepRequest(UNREADABLE))
    assert 0 < good.inference_time_s < good.duration_s
    assert bad.inference_time_s == 0
    assert bad.duration_s > 0


async def test_metrics_say_what_happened() -> None:
    step = ScriptedStep()
    step.gate.clear()
    metrics = StepMetrics()
    async with running(step, decode_threads=0, metrics=metrics) as runner:
        futures = [runner.submit(StepRequest(b"first"))]
        await until_computing(step)
        futures += [runner.submit(StepRequest(image)) for image in (b"a", POISON, UNREADABLE)]
        step.gate.set()
        await asyncio.gather(*futures)
    lines = metrics.render().decode().splitlines()
    assert "step_batch_size_count 2.0" in lines
    assert "step_batch_size_sum 3.0" in lines
    assert "step_batch_wait_seconds_count 3.0" in lines
    assert 'step_process_seconds_count{type="scripted"} 2.0' in lines
    assert 'step_failures_total{code="step_failed"} 1.0' in lines
    assert 'step_failures_total{code="image_corrupt"} 1.0' in lines
