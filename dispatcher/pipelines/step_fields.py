"""The fields of a step that a client asks for, each checked by itself.

Every function takes what stands in the client's document and where it stands, and returns it in
the form that a record keeps, or raises ``InvalidPipelineError`` with what would be allowed. Of the
client's own text at most forty plain characters come back in an error.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from dispatcher.errors import InvalidPipelineError
from step_app.contract.step_types import STEP_TYPES, StepType

MAX_REPLICAS: Final = 64
MAX_GPUS: Final = 16
MAX_PARAMS_BYTES: Final = 2048
"""Of one step's params as JSON: all steps together travel in one environment variable."""
VOLUMES: Final = ("cuda", "lib", "jetson-inference")
"""Folders of a host that reference system (a) mounts into its pods."""
POSTED_TYPES: Final = tuple(sorted(STEP_TYPES.keys() - {"operations"}))
"""Step types that a client may ask for; ``operations`` is the built-in pool."""
STEP_ID_PATTERN: Final = "[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?"
NAME_PATTERN: Final = "[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?"
"""A DNS label (RFC 1123), shorter than that allows, because names are made of it."""
QUANTITY_PATTERN: Final = r"[0-9]{1,12}(\.[0-9]{1,6})?(m|k|[MGTPE]|[KMGTPE]i)?"
"""Kubernetes' resource.Quantity without sign and exponent."""

_RESERVED_NAMES: Final = ("default", "operations")
_ID_PREFIX: Final = "pipeline-"
_SHOWN: Final = 40
_UNPLAIN: Final = re.compile(r"[^ -~]")
_KINDS: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "a list",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    type(None): "null",
}
"""What JSON calls the kinds of values."""
_TOLD: Final = ("type", "minimum", "maximum", "enum", "examples", "maxItems")
"""Parts of a schema that tell a client what is allowed."""


def shown(value: object) -> str:
    """Return what a client wrote fit to be shown: plain text of forty characters, or its kind."""
    if not isinstance(value, str):
        return _KINDS.get(type(value), "something else")
    return f"'{_UNPLAIN.sub('?', value[:_SHOWN])}'"


def read_mapping(value: object, *, allowed: Collection[str], where: str) -> Mapping[str, Any]:
    """Return a JSON object that has no other keys than these."""
    if not isinstance(value, dict):
        raise InvalidPipelineError(f"{where}: must be an object, not {shown(value)}.")
    for key in value:
        if key not in allowed:
            known = ", ".join(sorted(allowed))
            raise InvalidPipelineError(f"{where}: unknown key {shown(key)}; known: {known}.")
    return value


def read_integer(value: object, *, low: int, high: int, where: str) -> int:
    """Return a whole number within inclusive bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidPipelineError(f"{where}: must be a whole number from {low} to {high}.")
    return value


def read_step_id(value: object, *, where: str) -> str:
    """Return the id of a step as text; numbers are taken, too."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18
    text = str(value) if is_number else value
    if not isinstance(text, str) or not re.fullmatch(STEP_ID_PATTERN, text):
        raise InvalidPipelineError(
            f"{where}: must be a whole number, or 1 to 20 of a-z, 0-9 and inner hyphens."
        )
    return text


def read_name(value: object) -> str | None:
    """Return the name of a pipeline; None when it has none."""
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value):
        raise InvalidPipelineError("name: must be 1 to 40 of a-z, 0-9 and inner hyphens.")
    if value in _RESERVED_NAMES or value.startswith(_ID_PREFIX):
        taken = ", ".join(_RESERVED_NAMES)
        raise InvalidPipelineError(f"name: {taken} and {_ID_PREFIX}… are not free.")
    return value


def read_type(value: object, *, where: str) -> str:
    """Return the type of a step."""
    if value not in POSTED_TYPES:
        known = ", ".join(POSTED_TYPES)
        raise InvalidPipelineError(f"{where}: cannot be {shown(value)}; types: {known}.")
    return str(value)


def read_params(value: object, *, step_type: str, where: str) -> Mapping[str, Any]:
    """Return the params of a step, as they were sent and valid by its type's schema."""
    if value is None:
        value = {}
    schema = STEP_TYPES[step_type]
    params = read_mapping(value, allowed=schema.params["properties"], where=f"{where}: params")
    _check_length(params, where=where)
    error = best_match(Draft202012Validator(schema.params).iter_errors(params))
    if error is not None:
        raise InvalidPipelineError(f"{where}: {_misfit(error, schema)}.")
    return params


def read_volumes(value: object, *, where: str) -> tuple[str, ...]:
    """Return the folders of the host that a step's pod shall see."""
    is_list = isinstance(value, list) and all(item in VOLUMES for item in value)
    if not isinstance(value, list) or not is_list or len(set(value)) < len(value):
        known = ", ".join(VOLUMES)
        raise InvalidPipelineError(f"{where}: must be a list of some of {known}, each once.")
    return tuple(value)


def read_resources(value: object, *, where: str) -> Mapping[str, Mapping[str, str]]:
    """Return what a step's pod requests and is limited to, each as a Kubernetes quantity."""
    resources = read_mapping(value, allowed=("requests", "limits"), where=where)
    return {
        kind: {
            name: _quantity(amount, where=f"{where}.{kind}.{name}")
            for name, amount in read_mapping(
                amounts, allowed=("cpu", "memory"), where=f"{where}.{kind}"
            ).items()
        }
        for kind, amounts in resources.items()
    }


def _quantity(value: object, *, where: str) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = str(value) if is_number else value
    if not isinstance(text, str) or not re.fullmatch(QUANTITY_PATTERN, text):
        raise InvalidPipelineError(f"{where}: must be a quantity like 500m, 2 or 512Mi.")
    return text


def _check_length(params: Mapping[str, Any], *, where: str) -> None:
    try:
        size_bytes = len(json.dumps(params, ensure_ascii=False).encode())
    except UnicodeEncodeError as exc:
        raise InvalidPipelineError(f"{where}: params: a text is no valid Unicode.") from exc
    # Escaped text is longer; both forms are used.
    if max(size_bytes, len(json.dumps(params))) > MAX_PARAMS_BYTES:
        raise InvalidPipelineError(f"{where}: params: at most {MAX_PARAMS_BYTES} bytes of JSON.")


def _misfit(error: ValidationError, step_type: StepType) -> str:
    """Say which param does not fit and what would; never what was sent."""
    if error.validator == "required":
        given = error.instance if isinstance(error.instance, dict) else {}
        missing = ", ".join(sorted(set(step_type.params["required"]) - set(given)))
        return f"params.{missing} is missing"
    where = ".".join(["params", *(str(part) for part in error.absolute_path)])
    parts = error.schema if isinstance(error.schema, Mapping) else {}
    allowed = {key: parts[key] for key in _TOLD if key in parts}
    if "description" in parts and not allowed.keys() & {"enum", "minimum"}:
        return f"{where} does not fit: {str(parts['description']).rstrip('.')}"
    return f"{where} does not fit; it must be {json.dumps(allowed)}"
