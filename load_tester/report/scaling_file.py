"""Reads what a thread-scaling run left behind, to show it in the report of another run."""

from pathlib import Path
from typing import Final

import msgspec

from load_tester.errors import RawFileError
from load_tester.figures.scaling import Conversion, Scaling, measure_scaling

KIND: Final = "thread scaling"


class _Asked(msgspec.Struct):
    server_cores: int | None


class _File(msgspec.Struct):
    """As much of the file as is needed: the figures are computed again from the conversions."""

    kind: str
    asked: _Asked
    conversions: tuple[Conversion, ...]


def read_scaling(path: Path) -> Scaling:
    """Return the scaling that the JSON file of a thread-scaling run tells of.

    Raises RawFileError when it cannot be read or is something else.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as exc:
        raise RawFileError(f"cannot read {path}: {exc.strerror}") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise RawFileError(f"{path} is not the JSON of a thread-scaling run: {exc}") from exc
    if found.kind != KIND:
        raise RawFileError(f"{path} tells of {found.kind!r}, not of {KIND}")
    try:
        return measure_scaling(found.conversions, cores=found.asked.server_cores)
    except ValueError as exc:
        raise RawFileError(f"{path}: {exc}") from exc
