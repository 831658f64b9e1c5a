"""Load a classifier network: from the model cache when it is known there, else afresh."""

import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from step_app.calibration import REFERENCE, calibration_photos, candidates, fastest_with_same_labels
from step_app.errors import ConfigurationError
from step_app.model_cache import CachedModel, ModelCache
from step_app.runtime import (
    OpenVinoRuntime,
    Runtime,
    RuntimeChoice,
    TorchRuntime,
    convert_to_openvino,
    processor_has_bf16,
)
from step_app.weights import ModelCard, WeightsSource, build_network


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network ready to be executed."""

    runtime: Runtime
    choice: RuntimeChoice
    card: ModelCard
    weights_digest: str


@dataclass(frozen=True, slots=True)
class RuntimeRequest:
    """How a network shall be executed."""

    runtime: str
    """``auto``, ``torch`` or ``openvino``."""
    precision: str
    """``auto``, ``f32`` or ``bf16``."""
    threads: int
    """How many threads one batch may use."""


def load_model(
    source: WeightsSource, request: RuntimeRequest, *, cache_dir: Path | None
) -> LoadedModel:
    """Load a network with the runtime and precision asked for; ``auto`` measures.

    Args:
        source: which weights.
        request: how to execute it.
        cache_dir: where the work of a first load is kept; None keeps nothing.

    Raises:
        ConfigurationError: the weights do not fit the model.
    """
    if cache_dir is None:
        return _load_afresh(source, request)[0]
    cached = _make_or_get(ModelCache(cache_dir), source, request)
    opened: Runtime
    if cached.model_path is not None:
        opened = OpenVinoRuntime(
            cached.model_path, precision=cached.choice.precision, threads=request.threads
        )
    else:
        network, _ = build_network(source)
        opened = TorchRuntime(
            network, cached.card, precision=cached.choice.precision, threads=request.threads
        )
    return LoadedModel(opened, cached.choice, cached.card, source.digest)


def _make_or_get(cache: ModelCache, source: WeightsSource, request: RuntimeRequest) -> CachedModel:
    """Return the entry of the cache; made first, in a process of its own, when it is not there.

    Conversion and measuring load torch and several copies of the model; the memory of all that
    goes back with the process.
    """
    key = _cache_key(source, request)
    with cache.lock(key):
        cached = cache.get(key)
        if cached is None:
            _run_apart(partial(_fill_cache, cache, key, source, request))
            cached = cache.get(key)
        if cached is None:
            raise ConfigurationError(f"the model {source.model} could not be converted")
        return cached


def _run_apart(work: Callable[[], None]) -> None:
    """Run something in a process that ends with it, or with this one."""
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report_outcome, args=(work, sender), daemon=True)
    process.start()
    sender.close()
    try:
        failure = receiver.recv()
    except EOFError:
        failure = None  # it died; what it should have made is not there
    process.join()
    if failure is not None:
        raise failure


def _report_outcome(work: Callable[[], None], sender: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work()
    except ConfigurationError as exc:
        sender.send(exc)
    else:
        sender.send(None)


def _end_with_parent() -> None:
    """Wait for the replica to end, however it does: nobody wants the work any more then."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _fill_cache(
    cache: ModelCache, key: str, source: WeightsSource, request: RuntimeRequest
) -> None:
    loaded, model = _load_afresh(source, request)
    cache.put(key, loaded.choice, loaded.card, model)


def _load_afresh(source: WeightsSource, request: RuntimeRequest) -> tuple[LoadedModel, Any | None]:
    """Build, convert and choose; also return the OpenVINO model where that was chosen."""
    import torch  # noqa: PLC0415 - a start from the model cache needs no torch

    network, card = build_network(source)
    choices = candidates(
        runtime=request.runtime,
        precision=request.precision,
        has_bf16=processor_has_bf16(),
        has_gpu=torch.cuda.is_available(),
    )
    needs_openvino = any(choice.runtime == "openvino" for choice in choices)
    model = convert_to_openvino(network, card) if needs_openvino else None

    def open_runtime(choice: RuntimeChoice) -> Runtime:
        if choice.runtime == "openvino":
            return OpenVinoRuntime(model, precision=choice.precision, threads=request.threads)
        return TorchRuntime(network, card, precision=choice.precision, threads=request.threads)

    choice = choices[0]
    if len(choices) > 1:
        choice = fastest_with_same_labels(
            {candidate: open_runtime(candidate) for candidate in choices},
            reference=open_runtime(REFERENCE),
            pixels=calibration_photos(resize=card.resize, crop=card.crop),
        )
    loaded = LoadedModel(open_runtime(choice), choice, card, source.digest)
    return loaded, model if choice.runtime == "openvino" else None


def _cache_key(source: WeightsSource, request: RuntimeRequest) -> str:
    parts = [
        source.model,
        source.digest,
        request.runtime,
        request.precision,
        request.threads,
        version("torch"),
        version("openvino"),
        processor_has_bf16(),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
