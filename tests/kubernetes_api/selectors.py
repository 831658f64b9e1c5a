"""Which objects a list or watch asks for: label and field selectors."""

import re
from collections.abc import Callable
from typing import Final

from tests.kubernetes_api.kinds import Document, labels_of
from tests.kubernetes_api.refusals import bad_request

Chooser = Callable[[Document], bool]
_SET: Final = re.compile(r"([^\s,!=]+)\s+(in|notin)\s+\(([^)]*)\)")
_FIELDS: Final = re.compile(
    r"metadata\.(name|namespace)|involvedObject\.\w+|status\.phase|spec\.nodeName|type|reason"
)


def chooser(label_selector: str, field_selector: str) -> Chooser:
    """Return what says whether an object was asked for."""
    tests = [*_label_tests(label_selector), *_field_tests(field_selector)]
    return lambda document: all(test(document) for test in tests)


def matches_labels(document: Document, wanted: dict[str, str]) -> bool:
    """Say whether an object has all of these labels."""
    return wanted.items() <= labels_of(document).items()


def _label_tests(selector: str) -> list[Chooser]:
    tests: list[Chooser] = []
    for key, operator, values in _SET.findall(selector):
        chosen = {value.strip() for value in values.split(",")}
        tests.append(_in_set(key, chosen, is_wanted=operator == "in"))
    for term in filter(None, (part.strip() for part in _SET.sub("", selector).split(","))):
        tests.append(_label_test(term))
    return tests


def _in_set(key: str, chosen: set[str], *, is_wanted: bool) -> Chooser:
    return lambda document: (labels_of(document).get(key) in chosen) == is_wanted


def _label_test(term: str) -> Chooser:
    if "!=" in term:
        key, value = term.split("!=", 1)
        return _in_set(key.strip(), {value.strip()}, is_wanted=False)
    if "=" in term:
        key, value = re.split("==?", term, maxsplit=1)
        return _in_set(key.strip(), {value.strip()}, is_wanted=True)
    if term.startswith("!"):
        return lambda document: term[1:] not in labels_of(document)
    return lambda document: term in labels_of(document)


def _field_tests(selector: str) -> list[Chooser]:
    return [_field_test(term.strip()) for term in selector.split(",") if term.strip()]


def _field_test(term: str) -> Chooser:
    is_wanted = "!=" not in term
    key, value = re.split("!=|==?", term, maxsplit=1)
    if not _FIELDS.fullmatch(key):
        raise bad_request(f"field label not supported: {key}")
    path = key.split(".")

    def test(document: Document) -> bool:
        found: object = document
        for part in path:
            found = found.get(part, "") if isinstance(found, dict) else ""
        return (str(found) == value) == is_wanted

    return test
