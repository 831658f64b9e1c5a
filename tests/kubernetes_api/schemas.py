"""Every field of an object against Kubernetes' own published schema; unknown fields are refused."""

import functools
import json
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from tests.kubernetes_api.kinds import Document, Kind
from tests.kubernetes_api.refusals import Refusal

KUBERNETES_VERSION: Final = "1.36.0"
_FOLDER: Final = f"kubernetes-json-schema/v{KUBERNETES_VERSION}-local-strict"


def check_schema(kind: Kind, document: Document) -> None:
    """Check names and types of all fields.

    The schemas are those of the package kubernetes-validate, kept between calls: reading them
    takes a tenth of a second each time.

    Raises:
        Refusal: a field is unknown or of another type.
    """
    error = best_match(_validator(kind).iter_errors(document))
    if error is not None:
        path = ".".join(str(part) for part in error.absolute_path) or "the object"
        raise Refusal(
            400,
            "BadRequest",
            f"{kind.name} in version {kind.version!r} cannot be handled as a {kind.name}: "
            f"strict decoding error: {path}: {error.message}",
        )


@functools.cache
def _validator(kind: Kind) -> Draft202012Validator:
    group = kind.group.split(".", maxsplit=1)[0]
    version = f"{group}-{kind.version}" if group else kind.version
    registry: Registry[Any] = _definitions() @ Registry()
    return Draft202012Validator(_read(f"{kind.name.lower()}-{version}.json"), registry=registry)


@functools.cache
def _definitions() -> "Resource[Any]":
    return Resource.from_contents(_read("_definitions.json"))


def _read(name: str) -> Document:
    document: Document = json.loads(
        files("kubernetes_validate").joinpath(_FOLDER, name).read_text()
    )
    return document
