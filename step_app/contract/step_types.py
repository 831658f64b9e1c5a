"""The step types: what each takes and gives, as JSON schema with defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from step_app.contract.limits import MAX_SIDE
from step_app.contract.tiles import MAX_TILES

OutputKind = Literal["image", "images", "json"]
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StepType:
    """What a step of one type takes and gives."""

    name: str
    output: OutputKind
    properties: Mapping[str, Schema]
    """JSON schema of each param, its default included; one without a default must be given."""
    fixed: frozenset[str] = frozenset()
    """Params that a running replica cannot change: they choose what it has loaded."""
    narrowed: Mapping[str, Schema] = field(default_factory=dict)
    """Stricter schemas for params of a single request, where a pipeline may say more."""
    shorthand: str | None = None
    """The param that an operation sets by a bare value: ``["resize", "200x300"]``."""
    is_operation: bool = True
    """Whether it is cheap enough to be run by the pool that serves all such types."""

    @property
    def params(self) -> Schema:
        """Return the JSON schema of the params of a pipeline's step."""
        return _object_schema(self.properties)

    @property
    def request_params(self) -> Schema:
        """Return the JSON schema of the params of one request."""
        return _object_schema({**self.properties, **self.narrowed})

    @property
    def has_tiles(self) -> bool:
        """Say whether a picture can be cut into chunks for it."""
        return "tiles" in self.properties


def _object_schema(properties: Mapping[str, Schema]) -> Schema:
    required = [name for name, schema in properties.items() if "default" not in schema]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        "required": required,
    }


_SIDE: Final = "(?:20000|1[0-9]{4}|[1-9][0-9]{0,3})"
_END: Final = r"$(?!\n)"
"""The end: a ``$`` alone stands before a last newline, too, in Python but not in JavaScript."""
_PERCENT: Final = r"(?:[1-9][0-9]{0,2}(?:\.[0-9]{1,3})?|0?\.[0-9]{0,2}[1-9])%"
assert MAX_SIDE == 20_000  # noqa: PLR2004 - _SIDE spells it out

_OUTPUT: Final[Schema] = {
    "enum": ["jpg", "png", "webp", None],
    "default": None,
    "description": "Format of the picture; the input's when it is null.",
}
_TILES: Final[Schema] = {
    "type": "integer",
    "minimum": 1,
    "maximum": MAX_TILES,
    "default": 1,
    "description": "Chunks of rows that replicas compute at once; the result is the same.",
}
_KSIZE: Final[Schema] = {"type": "integer", "enum": list(range(1, 32, 2)), "default": 5}
_THREADS: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 32}


CLASSIFIER: Final = StepType(
    name="classifier",
    output="json",
    properties={
        "model": {"type": "string", "default": "efficientnet_lite0"},
        "weights": {"type": ["string", "null"], "default": None},
        "top_k": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5},
        "precision": {"enum": ["auto", "f32", "bf16"], "default": "auto"},
        "runtime": {"enum": ["auto", "torch", "openvino"], "default": "auto"},
    },
    fixed=frozenset({"model", "weights", "precision", "runtime"}),
    shorthand="top_k",
    is_operation=False,
)
UPSCALING: Final = StepType(
    name="upscaling",
    output="image",
    properties={
        "scale": {"type": "integer", "minimum": 1, "maximum": 8, "default": 2},
        "method": {
            "type": "string",
            "pattern": rf"^(lanczos|bicubic|.+\.(onnx|xml)){_END}",
            "default": "lanczos",
            "description": "lanczos, bicubic, or the file of a super-resolution model.",
            "examples": ["lanczos", "bicubic"],
        },
        "output": _OUTPUT,
    },
    narrowed={"method": {"enum": ["lanczos", "bicubic"], "default": "lanczos"}},
    shorthand="scale",
)
DEBLUR: Final = StepType(
    name="deblur",
    output="image",
    properties={
        "method": {
            "enum": ["richardson_lucy", "wiener", "unsharp"],
            "default": "richardson_lucy",
        },
        "sigma": {
            "type": "number",
            "minimum": 0.3,
            "maximum": 10,
            "default": 2.0,
            "description": "Standard deviation of the blur to undo, in pixels.",
        },
        "iterations": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "tiles": _TILES,
        "output": _OUTPUT,
    },
    shorthand="method",
)
GRAYSCALE: Final = StepType(
    name="grayscale",
    output="image",
    properties={
        "threads": {
            "anyOf": [
                _THREADS,
                {"type": "array", "items": _THREADS, "minItems": 1, "maxItems": 16},
            ],
            "default": 1,
            "description": "OpenMP threads; a list times the picture with each.",
            "examples": [1, [1, 2, 4]],
        },
        "passes": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "repeats": {"type": "integer", "minimum": 1, "maximum": 100, "default": 1},
        "output": _OUTPUT,
    },
    shorthand="threads",
)
SOBEL: Final = StepType(
    name="sobel",
    output="image",
    properties={
        "ksize": {"enum": [1, 3, 5, 7], "default": 3},
        "tiles": _TILES,
        "output": _OUTPUT,
    },
    shorthand="ksize",
)
BLUR: Final = StepType(
    name="blur",
    output="image",
    properties={
        "method": {
            "enum": ["gaussian", "updownsampling", "bilateral", "median"],
            "default": "gaussian",
        },
        "ksize": _KSIZE,
        "tiles": _TILES,
        "output": _OUTPUT,
    },
    shorthand="method",
)
RESIZE: Final = StepType(
    name="resize",
    output="image",
    properties={
        "size": {
            "type": ["string", "integer"],
            "minimum": 1,
            "maximum": MAX_SIDE,
            "pattern": rf"^(?:{_SIDE}x{_SIDE}|{_SIDE}x?|x{_SIDE}|{_PERCENT}){_END}",
            "description": "Width x height, a percentage, or one side: 200 or 200x, x300.",
            "examples": ["200x300", "50%", "200", "x300"],
        },
        "interpolation": {
            "enum": ["auto", "nearest", "linear", "area", "cubic", "lanczos"],
            "default": "auto",
            "description": "auto: area for a smaller picture, cubic for a larger one.",
        },
        "output": _OUTPUT,
    },
    shorthand="size",
)
SPLIT: Final = StepType(
    name="split",
    output="images",
    properties={
        "rows": {"type": "integer", "minimum": 1, "maximum": 32, "default": 2},
        "cols": {"type": "integer", "minimum": 1, "maximum": 32, "default": 2},
        "output": _OUTPUT,
    },
)
OPERATIONS: Final = StepType(
    name="operations",
    output="images",
    properties={
        "operations": {
            "type": "array",
            "maxItems": 32,
            "default": [],
            "items": {
                "type": "array",
                "prefixItems": [{"type": "string"}, {"type": "object"}],
                "minItems": 2,
                "maxItems": 2,
            },
            "description": "Step types and their params, run one after the other.",
        },
        "output": _OUTPUT,
    },
    is_operation=False,
)

STEP_TYPES: Final[Mapping[str, StepType]] = {
    step_type.name: step_type
    for step_type in (
        CLASSIFIER, UPSCALING, DEBLUR, GRAYSCALE, SOBEL, BLUR, RESIZE, SPLIT, OPERATIONS
    )
}  # fmt: skip
"""All step types by name; ``operations`` is the pool that runs the cheap ones in one process."""
