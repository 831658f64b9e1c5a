"""What kept the generator from its work, as far as its samples tell. Pure."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from enum import StrEnum

from load_tester.record import ImageRecord
from load_tester.run import GeneratorSample

BUSY_CPU = 0.8
STOLEN = 0.02
# A generator that is alone on its core is seldom ready to run without running.
STARVED = 0.05
STARVED_PART = 0.25
CROWDED = 0.5
FULL_MACHINE = 0.9
STALLED_S = 0.05
SAMPLE_S = 0.5
LITTLE_MEMORY_BYTES = 64 * 2**20


class Resource(StrEnum):
    """What a generator can run out of, as the messages call it."""

    OWN_CPU = "own CPU"
    STOLEN_CPU = "stolen CPU"
    OTHERS = "other processes"
    EVENT_LOOP = "the event loop"
    WORKERS = "--max-workers"
    MEMORY = "memory"
    FILES = "file descriptors"
    PORTS = "local ports"
    CEILING = "the generator's ceiling"


EVIDENCE = {
    Resource.OWN_CPU: "it used more than 80 % of a core",
    Resource.STOLEN_CPU: "the host of this machine took its cores away",
    Resource.OTHERS: "other processes had the cores",
    Resource.EVENT_LOOP: "the process stood still, or something held its event loop",
    Resource.MEMORY: "the machine had hardly any memory left",
}


def is_starved(sample: GeneratorSample) -> bool:
    """Tell whether the load tester stood in line for a core for a good part of what it needed."""
    wanted = sample.cpu + sample.starved
    return sample.starved >= STARVED and sample.starved >= STARVED_PART * wanted


def is_short_of_memory(sample: GeneratorSample) -> bool:
    """Tell whether the machine had hardly any memory left."""
    return sample.free_bytes is not None and sample.free_bytes < LITTLE_MEMORY_BYTES


def find_cause(samples: Sequence[GeneratorSample]) -> Resource:
    """Return the likeliest cause of lateness in these samples: the first that shows in any."""
    for resource, is_shown in (
        (Resource.MEMORY, is_short_of_memory),
        (Resource.STOLEN_CPU, lambda sample: sample.stolen >= STOLEN),
        (Resource.EVENT_LOOP, _stood_still),
        (Resource.OTHERS, _is_crowded_out),
        (Resource.OWN_CPU, lambda sample: sample.cpu >= BUSY_CPU),
    ):
        if any(map(is_shown, samples)):
            return resource
    return Resource.EVENT_LOOP


def samples_around(
    samples: Sequence[GeneratorSample], records: Sequence[ImageRecord]
) -> list[GeneratorSample]:
    """Return the samples, which are in order, whose time touches the wait of any of the records."""
    ends_s = [sample.at_s for sample in samples]
    touched: set[int] = set()
    for record in records:
        first = bisect_left(ends_s, record.sched_s)
        last = bisect_left(ends_s, record.sent_s or record.sched_s)
        touched.update(range(first, min(last + 1, len(samples))))
    return [samples[place] for place in sorted(touched)]


def longest_busy_s(samples: Sequence[GeneratorSample]) -> float:
    """Return the longest time without a break in which its own CPU was above 80 % of a core."""
    longest_s = busy_s = 0.0
    for begin_s, sample in _with_begin(samples):
        busy_s = busy_s + sample.at_s - begin_s if sample.cpu > BUSY_CPU else 0.0
        longest_s = max(longest_s, busy_s)
    return longest_s


def _stood_still(sample: GeneratorSample) -> bool:
    """Tell whether it stood still without standing in line for a core, as a stopped process does.

    A sample lasts half a second, or as long as everything stood still.
    """
    length_s = max(SAMPLE_S, sample.loop_lag_s)
    in_line_s = sample.starved * length_s
    is_stalled = sample.loop_lag_s > STALLED_S and in_line_s < sample.loop_lag_s / 2
    return is_stalled and sample.cpu < BUSY_CPU and sample.starved > 0


def _is_crowded_out(sample: GeneratorSample) -> bool:
    """Others had the cores: seen from the load tester, or else from the whole machine."""
    others = sample.machine_cpu - sample.cpu / sample.cores
    crowded = sample.waited >= CROWDED or sample.machine_cpu >= FULL_MACHINE
    return is_starved(sample) or (crowded and others * sample.cores >= CROWDED)


def _with_begin(samples: Sequence[GeneratorSample]) -> Iterator[tuple[float, GeneratorSample]]:
    """Yield each sample with the moment at which its time began, in seconds."""
    begin_s = 0.0
    for sample in samples:
        yield begin_s, sample
        begin_s = sample.at_s
