"""Changes as clients send them: merge patch, strategic merge patch, JSON patch."""

import copy
from typing import Any, Final

from tests.kubernetes_api.kinds import Document
from tests.kubernetes_api.refusals import Refusal, bad_request

_MERGE_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "port",
    "ownerReferences": "uid",
}
"""By what a strategic merge finds the items of a list; other lists are replaced."""


def patched(document: Document, content_type: str, patch: Any) -> Document:
    """Return an object with a patch on it.

    Raises:
        Refusal: the patch is of no known sort, or does not fit.
    """
    kind = content_type.split(";", maxsplit=1)[0].strip()
    if kind == "application/merge-patch+json":
        return _as_document(_merged(document, patch, is_strategic=False))
    if kind == "application/strategic-merge-patch+json":
        return _as_document(_merged(document, patch, is_strategic=True))
    if kind == "application/json-patch+json":
        return _edited(document, patch)
    raise Refusal(
        415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {kind}"
    )


def _as_document(value: Any) -> Document:
    if not isinstance(value, dict):
        raise bad_request("the patch makes no object")
    return value


def _merged(target: Any, patch: Any, *, is_strategic: bool) -> Any:
    """RFC 7386; lists of known keys item by item when strategic."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    is_whole = is_strategic and patch.get("$patch") == "replace"
    result = dict(target) if isinstance(target, dict) and not is_whole else {}
    for key, value in patch.items():
        if is_strategic and key == "$patch":
            continue
        if value is None:
            result.pop(key, None)
        elif is_strategic and key in _MERGE_KEYS and isinstance(value, list):
            result[key] = _merged_list(result.get(key) or [], value, _MERGE_KEYS[key])
        else:
            result[key] = _merged(result.get(key), value, is_strategic=is_strategic)
    return result


def _merged_list(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    result = list(target)
    for item in patch:
        places = [place for place, other in enumerate(result) if other.get(key) == item.get(key)]
        if item.get("$patch") == "delete":
            result = [other for place, other in enumerate(result) if place not in places]
        elif places:
            result[places[0]] = _merged(result[places[0]], item, is_strategic=True)
        else:
            result.append(copy.deepcopy(item))
    return result


def _edited(document: Document, operations: Any) -> Document:
    """RFC 6902, without ``move`` and ``copy``."""
    result = copy.deepcopy(document)
    for operation in operations:
        try:
            _edit(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as exc:
            raise Refusal(
                422, "Invalid", f"the server rejected our request due to an error: {operation}"
            ) from exc
    return result


def _edit(document: Document, operation: dict[str, Any]) -> None:
    *parents, last = [
        part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
    ]
    place: Any = document
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = last
    if isinstance(place, list):
        key = len(place) if last == "-" else int(last)
    verb = operation["op"]
    if verb == "add" and isinstance(place, list):
        place.insert(key, operation["value"])
    elif verb == "test":
        if place[key] != operation["value"]:
            raise ValueError("another value")
    elif verb == "remove":
        del place[key]
    elif verb in ("add", "replace"):
        if verb == "replace":
            place[key]  # it must be there
        place[key] = operation["value"]
    else:
        raise ValueError(verb)
