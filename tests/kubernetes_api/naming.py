"""What names, labels and amounts may look like, and what the server says when they do not."""

import re
from typing import Any, Final

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_KEY: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([numkKMGTPE]i?|[eE][-+]?[0-9]+)?")
_SCALES: Final = {
    "": 1.0,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
    "Ei": 2.0**60,
}
_MAX_LABEL: Final = 63
_MAX_SUBDOMAIN: Final = 253


def is_label(text: str) -> bool:
    """Say whether this is a DNS label (RFC 1123)."""
    return len(text) <= _MAX_LABEL and _LABEL.fullmatch(text) is not None


def is_service_name(text: str) -> bool:
    """Say whether this is a DNS label that starts with a letter (RFC 1035)."""
    return len(text) <= _MAX_LABEL and _LABEL_1035.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Say whether this is a DNS name (RFC 1123)."""
    return len(text) <= _MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Say whether a label may have this value."""
    return len(text) <= _MAX_LABEL and _VALUE.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """Say whether a label or an annotation may be called so."""
    prefix, _, name = text.rpartition("/")
    is_prefix = "/" not in text or is_subdomain(prefix)
    return is_prefix and len(name) <= _MAX_LABEL and _KEY.fullmatch(name) is not None


def amount(quantity: Any) -> float:
    """Return a quantity such as ``250m`` or ``1Gi`` as a number.

    Raises:
        ValueError: it is none.
    """
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise ValueError(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, suffix = found[1], found[2] or ""
    if suffix in _SCALES:
        return float(number) * _SCALES[suffix]
    if not re.fullmatch(r"[eE][-+]?[0-9]+", suffix):
        raise ValueError(f"{suffix} is no unit")
    return float(number + suffix)
