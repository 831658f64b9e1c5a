"""JSON as clients may send it: read strictly, so that one text has one meaning.

What Python's parser takes beyond the standard, or takes and changes, is refused: a key that is
there twice, NaN and infinities, numbers too large for a float.
"""

import json
import math
from typing import Any


class NestedTooDeeplyError(ValueError):
    """A document with more levels than allowed."""


def load_json(text: str, *, max_depth: int) -> Any:
    """Parse a JSON document.

    Args:
        text: the document.
        max_depth: most levels of objects and lists, scalars being one more.

    Raises:
        NestedTooDeeplyError: it has more levels.
        ValueError: it is no JSON, or says something in two ways.
    """
    try:
        document = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_float=_parse_float,
            parse_constant=_no_constant,
        )
    except RecursionError as exc:
        raise NestedTooDeeplyError("nested too deeply") from exc
    if _is_deeper(document, max_depth):
        raise NestedTooDeeplyError("nested too deeply")
    return document


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate key")
    return document


def _parse_float(text: str) -> float:
    """Return a number; 3.0 becomes 3, which means the same and has to give the same result key."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return int(value) if value.is_integer() else value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _is_deeper(value: Any, max_depth: int) -> bool:
    """Say whether a document has more levels, without recursion and never looking further."""
    depth, level = 0, [value]
    while level and depth <= max_depth:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return depth > max_depth
