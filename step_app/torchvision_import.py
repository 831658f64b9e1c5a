"""Import torchvision beside a torch that was built for another device.

torchvision's wheel brings compiled operators for CUDA. Beside a CPU build of torch its library
does not load, and then its import fails, because it refers to operators whose schemas nobody
declared. Declaring the schemas is enough: the image models used here never call them. Where
the library does load this module changes nothing, because a schema may be declared only once.
"""

import importlib
import sys
from types import ModuleType
from typing import Final

import torch

_SCHEMAS: Final = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def import_torchvision() -> ModuleType:
    """Return the package torchvision, imported."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as exc:
        if "torchvision::" not in str(exc):
            raise
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half-imported leftovers
    for schema in _SCHEMAS:
        torch.library.define(f"torchvision::{schema.split('(')[0]}", schema[schema.index("(") :])
    return importlib.import_module("torchvision")
