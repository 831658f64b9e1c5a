import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from load_tester.generator import sampler
from load_tester.generator.sampler import Meters, Sampler, measure, read_meters
from load_tester.pacing import now_s
from load_tester.run import GeneratorSample

ZERO = Meters(
    at_s=100.0, own_s=5.0, busy_s=50.0, stolen_s=1.0, total_s=200.0, waited_s=2.0, starved_s=0.5
)


def sample_of(**changes: float) -> GeneratorSample:
    """Two seconds on two cores, with those changes to the meters at their end."""
    after = replace(ZERO, at_s=102.0, total_s=204.0, **changes)
    return measure(ZERO, after, loop_lag_s=0.0, rss_bytes=1, in_flight=2, cores=2, free_bytes=3)


def test_own_cpu_is_a_part_of_one_core_and_the_machines_of_all() -> None:
    sample = sample_of(own_s=6.0, busy_s=53.0)
    assert (sample.cpu, sample.machine_cpu) == (0.5, 0.75)


def test_what_was_taken_away_and_what_waited_are_parts_of_the_time() -> None:
    sample = sample_of(stolen_s=2.0, waited_s=3.0, starved_s=0.7)
    assert sample.stolen == 0.25
    assert sample.waited == 0.5
    assert sample.starved == pytest.approx(0.1)


def test_no_part_leaves_zero_to_one() -> None:
    sample = sample_of(stolen_s=0.0, waited_s=9.0)
    assert (sample.stolen, sample.waited) == (0.0, 1.0)


def test_a_system_that_does_not_tell_has_no_pressure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sampler, "PRESSURE_FILE", tmp_path / "none")
    monkeypatch.setattr(sampler, "SCHEDULING_FILE", tmp_path / "none")
    meters = read_meters()
    assert (meters.waited_s, meters.starved_s) == (0.0, 0.0)


def test_the_files_of_the_kernel_are_read_in_their_own_units(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pressure, scheduling = tmp_path / "cpu", tmp_path / "schedstat"
    pressure.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull total=7\n")
    scheduling.write_text("9000000000 2500000000 3\n")
    monkeypatch.setattr(sampler, "PRESSURE_FILE", pressure)
    monkeypatch.setattr(sampler, "SCHEDULING_FILE", scheduling)
    meters = read_meters()
    assert (meters.waited_s, meters.starved_s) == (1.5, 2.5)


async def test_samples_come_by_themselves_and_a_last_one_at_the_end() -> None:
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    def in_flight() -> int:
        loop.call_soon_threadsafe(seen.set)
        return 7

    async with Sampler(in_flight=in_flight, every_s=0.01) as watching:
        start_s = now_s()
        await seen.wait()
    samples = watching.collect(start_s)
    assert len(samples) >= 2
    assert [sample.at_s for sample in samples] == sorted(sample.at_s for sample in samples)
    assert samples[-1].in_flight == 7
    assert samples[-1].rss_bytes > 2**20
    assert samples[-1].free_bytes
    assert samples[-1].cores >= 1


async def test_what_was_before_the_run_is_left_out() -> None:
    async with Sampler(in_flight=lambda: 0, every_s=60) as watching:
        pass
    assert watching.collect(now_s()) == ()
    assert len(watching.collect(0.0)) == 1


async def test_an_event_loop_that_stands_still_is_seen() -> None:
    async with Sampler(in_flight=lambda: 0, every_s=60) as watching:
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - this is the stall
    (sample,) = watching.collect(0.0)
    assert sample.loop_lag_s > 0.2


async def test_a_loop_that_stands_still_right_now_is_seen_too() -> None:
    async with Sampler(in_flight=lambda: 0, every_s=0.02) as watching:
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - this is the stall
        during = watching.collect(0.0)
    assert max(sample.loop_lag_s for sample in during) > 0.1
