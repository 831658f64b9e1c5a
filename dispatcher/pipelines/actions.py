"""What ``POST /process`` is told to do: operations in the client's own order, checked at once.

After reference system (b)::

    {"operations": [["resize", "200x300"], ["split", true], ["blur", "median"]], "output": "png"}

Of the client's own text nothing comes back in an error, only where it stands and what is allowed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from jsonschema import Draft202012Validator

from dispatcher.errors import InvalidParamsError
from dispatcher.jobs import OperationSpec
from dispatcher.pipelines.strict_json import NestedTooDeeplyError, load_json
from step_app.contract.limits import MAX_PIECES
from step_app.contract.step_types import CLASSIFIER, STEP_TYPES, Schema, StepType

MAX_ACTIONS: Final = 8
MAX_OPERATIONS: Final = 32
_MAX_DEPTH: Final = 20
_KEYS: Final = ("operations", "output")
_OUTPUTS: Final[Mapping[str, str]] = {"jpg": "jpg", "jpeg": "jpg", "png": "png", "webp": "webp"}
_TYPES: Final[Mapping[str, StepType]] = {
    name: step_type
    for name, step_type in sorted(STEP_TYPES.items())
    if step_type.is_operation or step_type is CLASSIFIER
}
_VALIDATORS: Final[Mapping[str, Mapping[str, Draft202012Validator]]] = {
    name: {
        param: Draft202012Validator(schema)
        for param, schema in step_type.request_params["properties"].items()
    }
    for name, step_type in _TYPES.items()
}


@dataclass(frozen=True, slots=True)
class Actions:
    """One chain of operations, to be applied to every file of a request."""

    operations: tuple[OperationSpec, ...]
    """Complete and valid params each; a classifier has only what the client gave."""

    @property
    def pictures(self) -> int:
        """Return how many pictures are made of one file; 0 when it is only classified."""
        if all(STEP_TYPES[operation.type].output == "json" for operation in self.operations):
            return 0
        return math.prod(_pieces(operation) for operation in self.operations)


def parse_actions(text: str, *, where: str = "actions") -> tuple[Actions, ...]:
    """Parse one JSON object of actions, or a list of up to eight.

    Args:
        text: as the client sent it.
        where: how errors call it.

    Raises:
        InvalidParamsError: the detail names the field and what is allowed there.
    """
    try:
        document = load_json(text, max_depth=_MAX_DEPTH)
    except NestedTooDeeplyError as exc:
        raise InvalidParamsError(f"{where} is nested too deeply.") from exc
    except ValueError as exc:
        raise InvalidParamsError(f"{where} is not valid JSON.") from exc
    if not isinstance(document, list):
        return (_actions(document, where),)
    if not 1 <= len(document) <= MAX_ACTIONS:
        _refuse(where, f"a list has 1 to {MAX_ACTIONS} objects")
    return tuple(_actions(entry, f"{where}[{n}]") for n, entry in enumerate(document))


def _actions(document: object, where: str) -> Actions:
    if not isinstance(document, dict):
        _refuse(where, 'must be an object like {"operations": [["resize", "200x300"]]}')
    if not document.keys() <= set(_KEYS):
        _refuse(where, f"has an unknown key; known: {', '.join(_KEYS)}")
    entries = document.get("operations")
    where_operations = f"{where}.operations"
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_OPERATIONS:
        _refuse(where_operations, f"must be a list of 1 to {MAX_OPERATIONS} operations")
    operations = [_operation(e, f"{where_operations}[{n}]") for n, e in enumerate(entries)]
    _check_chain(operations, where_operations)
    return Actions(tuple(_with_output(operations, document.get("output"), f"{where}.output")))


def _operation(entry: object, where: str) -> OperationSpec:
    name, value = _name_and_value(entry, where)
    step_type = _TYPES.get(name) if isinstance(name, str) else None
    if step_type is None:
        _refuse(where, f"unknown operation; known: {', '.join(_TYPES)}")
    where = f"{where} ({step_type.name})"
    params = _given_params(step_type, value, where)
    _check_names(step_type, params, where)
    if step_type.is_operation:
        # Complete, so that saying a default and leaving it out give the same result key.
        params = {**_defaults(step_type), **params}
    _check_values(step_type, params, where)
    return OperationSpec(type=step_type.name, params=params)


def _name_and_value(entry: object, where: str) -> tuple[object, object]:
    if isinstance(entry, list) and 1 <= len(entry) <= 2:  # noqa: PLR2004 - type and value
        return entry[0], entry[1] if len(entry) > 1 else None
    if isinstance(entry, dict) and "type" in entry and entry.keys() <= {"type", "params"}:
        return entry["type"], entry.get("params")
    return _refuse(where, 'must be [type], [type, value] or {"type": type, "params": {}}')


def _given_params(step_type: StepType, value: object, where: str) -> dict[str, Any]:
    if value is None or value is True:
        return {}
    if value is False:
        _refuse(where, "leave the operation out instead of switching it off")
    if isinstance(value, dict):
        return value
    if step_type.shorthand is None:
        _refuse(where, f"takes true, or an object of {_known_params(step_type)}")
    return {step_type.shorthand: value}


def _check_names(step_type: StepType, params: Mapping[str, Any], where: str) -> None:
    schema = step_type.request_params
    if step_type.fixed & params.keys():
        _refuse(where, f"{', '.join(sorted(step_type.fixed & params.keys()))} is fixed")
    if params.keys() - schema["properties"].keys():
        _refuse(where, f"unknown param; known: {_known_params(step_type)}")
    for name in schema["required"]:
        if name not in params:
            _refuse(where, f"{name} is missing; {_requirement(schema['properties'][name])}")


def _check_values(step_type: StepType, params: Mapping[str, Any], where: str) -> None:
    validators = _VALIDATORS[step_type.name]
    for name, schema in step_type.request_params["properties"].items():
        if name in params and not validators[name].is_valid(params[name]):
            _refuse(where, f"{name} must be {_requirement(schema)}")


def _check_chain(operations: list[OperationSpec], where: str) -> None:
    pieces = 1
    for number, operation in enumerate(operations):
        here = f"{where}[{number}] ({operation.type})"
        if STEP_TYPES[operation.type].output == "json" and number < len(operations) - 1:
            _refuse(here, "gives no picture, so it can only be the last operation")
        pieces *= _pieces(operation)
        if pieces > MAX_PIECES:
            _refuse(here, f"makes {pieces} pieces of a picture; at most {MAX_PIECES} are made")


def _with_output(
    operations: list[OperationSpec], output: object, where: str
) -> list[OperationSpec]:
    """Return the operations with the last one that makes a picture delivering this format."""
    if output is None:
        return operations
    if not isinstance(output, str) or output not in _OUTPUTS:
        _refuse(where, f"must be one of {', '.join(_OUTPUTS)}")
    makers = [n for n, o in enumerate(operations) if STEP_TYPES[o.type].output != "json"]
    if not makers:
        _refuse(where, "no operation makes a picture")
    last = operations[makers[-1]]
    if last.params.get("output") is None:
        params = {**last.params, "output": _OUTPUTS[output]}
        operations[makers[-1]] = replace(last, params=params)
    return operations


def _pieces(operation: OperationSpec) -> int:
    if STEP_TYPES[operation.type].output != "images":
        return 1
    return int(operation.params["rows"]) * int(operation.params["cols"])


def _defaults(step_type: StepType) -> dict[str, Any]:
    properties = step_type.request_params["properties"]
    return {name: s["default"] for name, s in properties.items() if "default" in s}


def _known_params(step_type: StepType) -> str:
    names = step_type.request_params["properties"]
    return ", ".join(name for name in names if name not in step_type.fixed)


def _requirement(schema: Schema) -> str:
    """Say in words what a schema of a param allows."""
    if "enum" in schema:
        return "one of " + ", ".join("null" if v is None else str(v) for v in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_requirement(option) for option in schema["anyOf"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(_requirement_of_kind(kind, schema) for kind in kinds)


def _requirement_of_kind(kind: str, schema: Schema) -> str:
    if kind == "array":
        bounds = f"{schema.get('minItems', 0)} to {schema.get('maxItems', 'any number')}"
        return f"a list of {bounds} entries, each {_requirement(schema['items'])}"
    if kind == "string":
        return f"text like {', '.join(map(str, schema.get('examples', ('a name',))))}"
    if kind == "null":
        return "null"
    name = "a whole number" if kind == "integer" else "a number"
    return f"{name} from {schema.get('minimum')} to {schema.get('maximum')}"


def _refuse(where: str, reason: str) -> NoReturn:
    raise InvalidParamsError(f"{where}: {reason}.")
