"""The grayscale step as a kind of work: with `--pipeline` a step of it, else an operation."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from load_tester.errors import UsageError
from load_tester.settings import TargetKind, TargetSettings

STEP = "grayscale"
Params = Mapping[str, int | list[int]]
# What the step's params may be.
MAX_THREADS = 32
MAX_PASSES = 10


def add_passes_argument(parser: argparse.ArgumentParser) -> None:
    """Add the flag that makes the work of the grayscale kernel heavier."""
    parser.add_argument(
        "--passes", type=int, metavar="N", help=f"runs of the {STEP} kernel, 1 to {MAX_PASSES}"
    )


def add_work_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that make grayscale the work of a run."""
    add_passes_argument(parser)
    parser.add_argument(
        "--threads", metavar="LIST", help=f"OpenMP threads of the {STEP} kernel, each timed"
    )


def read_work(given: argparse.Namespace, settings: TargetSettings) -> TargetSettings:
    """Return the settings with the grayscale work that the flags ask for, if they ask for any.

    Raises UsageError naming the bad flag.
    """
    params: dict[str, int | list[int]] = {}
    if given.passes is not None:
        params["passes"] = check_range(given.passes, "--passes", most=MAX_PASSES)
    if given.threads is not None:
        threads = list(read_numbers(given.threads, "--threads", most=MAX_THREADS))
        params["threads"] = threads[0] if len(threads) == 1 else threads
    return ask_for_grayscale(settings, params) if params else settings


def ask_for_grayscale(settings: TargetSettings, params: Params) -> TargetSettings:
    """Return the settings with this work asked for, each time anew instead of from a cache.

    Raises UsageError where there is no such work.
    """
    if settings.kind is not TargetKind.DISPATCHER:
        raise UsageError(f"params of {STEP} can be sent to a dispatcher only")
    settings = replace(settings, use_cache=False)
    merged = merge_params(settings.params, params)
    if settings.pipeline is not None:
        return replace(settings, params=json.dumps(merged))
    # The form of an operation takes the image as it is.
    return replace(
        settings, operations=json.dumps([[STEP, merged[STEP]]]), params=None, multipart=False
    )


def merge_params(given: str | None, params: Params) -> dict[str, Any]:
    """Return the step params that were given as JSON, those of grayscale replaced one by one.

    Raises UsageError when what was given is no JSON object of objects.
    """
    try:
        merged: dict[str, Any] = {**json.loads(given or "{}")}
        merged[STEP] = {**merged.get(STEP, {}), **params}
    except (ValueError, TypeError, RecursionError) as exc:
        raise UsageError(f"--params is not a JSON object of step params: {given!r}") from exc
    return merged


def check_range(value: int, flag: str, *, most: int) -> int:
    """Return the value; raises UsageError unless it is from 1 to `most`."""
    if not 1 <= value <= most:
        raise UsageError(f"{flag} must be from 1 to {most}")
    return value


def read_numbers(text: str, flag: str, *, most: int) -> tuple[int, ...]:
    """Return the numbers of a list such as `1,2,4`, each once, in its order.

    Raises UsageError naming the first that is no whole number from 1 to `most`.
    """
    numbers = []
    for entry in text.split(","):
        word = entry.strip()
        if not (word.isascii() and word.isdecimal()):
            raise UsageError(f"{flag} takes whole numbers such as 1,2,4; not {word!r}")
        # Longer ones are too large whatever they say.
        numbers.append(check_range(int(word[:9]), flag, most=most))
    return tuple(dict.fromkeys(numbers))
