"""Images a second through the API, as a share of the bare loop; both taken in turns."""

import math
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.bare_loop import bare_throughput
from benchmarks.client import throughput
from benchmarks.photos import load_photos
from benchmarks.report import Row, at_least
from benchmarks.service import running_service

TURNS = 3


def measure(data_dir: Path) -> list[Row]:
    """Return the shares of the default model and of ResNet18 in f32."""
    default = {"model": "efficientnet_lite0", "runtime": "auto", "precision": "auto"}
    resnet = {
        "model": "resnet18",
        "weights": "random",
        "runtime": "torch",
        "precision": "f32",
    }
    return [
        *_compare("default model", default, 0.70, images=2048, data_dir=data_dir),
        *_compare("ResNet18 f32 (torch)", resnet, 0.85, images=256, data_dir=data_dir),
    ]


def _compare(
    name: str, params: dict[str, str], target: float, *, images: int, data_dir: Path
) -> list[Row]:
    photos = load_photos()
    bodies = [photo.data for photo in photos]
    rounds = math.ceil(images / len(photos))
    flags = ["--replicas", "2", "--cache-size", "0"]
    for key, value in params.items():
        flags += [f"--{key}", value]
    bare, served = [], []
    for _ in range(TURNS):
        bare.append(
            bare_throughput(bodies, params=params, cache_dir=data_dir / "models", rounds=rounds)
        )
        with running_service(flags, data_dir=data_dir) as service:
            served.append(uvloop.run(throughput(service.url, photos, rounds=rounds)))
    shares = [mine / ceiling for mine, ceiling in zip(served, bare, strict=True)]
    spread = f"{min(shares):.2f} to {max(shares):.2f}"
    return [
        Row(f"{name}: bare loop, 2 processes", f"{median(bare):.0f} img/s"),
        Row(f"{name}: submit and poll, 2 replicas", f"{median(served):.0f} img/s"),
        at_least(f"{name}: share (turns {spread})", median(shares), target),
    ]
