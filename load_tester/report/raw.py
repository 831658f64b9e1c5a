"""The raw file: everything that is known of one run, from which every report can be made again.

JSON Lines in UTF-8. The first line is `{"run": …}`, with the format's version and how many lines
follow; each further line is one `{"image": …}`, `{"generator": …}` or `{"service": …}`, with the
fields of the record of that name. Times are seconds since the run began.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from load_tester.errors import OutputError, RawFileError
from load_tester.record import ImageRecord
from load_tester.report.whole import write_whole
from load_tester.run import Asked, Ceiling, GeneratorSample, Picture, Run, ServiceSample

FORMAT_VERSION: Final = 2
RAW_FILE: Final = "raw.jsonl"
TRUNCATED_NOTE: Final = "raw file"
"""The entry of the environment that says so when the end of the raw file was missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Head:
    """The first line."""

    version: int
    lines: int
    asked: Asked
    started_at: str
    planned: tuple[int, ...]
    uploads: int
    interrupted: bool
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ceiling: Ceiling | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class _Version(msgspec.Struct):
    """As much of the first line as every version has."""

    version: int


class _AnyHead(msgspec.Struct):
    """A first line of whatever version."""

    run: _Version


class _HeadLine(msgspec.Struct):
    run: _Head


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Any line but the first; exactly one field is set."""

    image: ImageRecord | None = None
    generator: GeneratorSample | None = None
    service: ServiceSample | None = None


def write_raw(run: Run, path: Path) -> None:
    """Write the run to a file, whole or not at all; raises OutputError when the disk says no."""
    try:
        write_whole(path, (_encode(line) + b"\n" for line in _list_lines(run)))
    except OSError as exc:
        raise OutputError(f"cannot write {path}: {exc.strerror}") from exc


def find_raw(path: Path) -> Path:
    """Return the raw file that is meant by its own path or by its folder's."""
    return path / RAW_FILE if path.is_dir() else path


def read_raw(path: Path) -> Run:
    """Return the run that a raw file holds.

    A file whose end is missing is read up to its last whole line: the run is then marked as
    interrupted, and its environment says what is missing.

    Raises RawFileError when the file cannot be read, is no raw file, is one of another version,
    or is damaged anywhere but at its end.
    """
    try:
        with path.open("rb") as file:
            head = _read_head(path, file.readline())
            return _read_rest(path, file, head)
    except OSError as exc:
        raise RawFileError(f"cannot read the raw file {path}: {exc.strerror}") from exc


def _list_lines(run: Run) -> Iterator[_HeadLine | _Line]:
    yield _HeadLine(
        _Head(
            version=FORMAT_VERSION,
            lines=len(run.records) + len(run.generator) + len(run.service),
            asked=run.asked,
            started_at=run.started_at,
            planned=run.planned,
            uploads=run.uploads,
            interrupted=run.interrupted,
            pictures=run.pictures,
            labels=run.labels,
            ceiling=run.ceiling,
            environment=run.environment,
        )
    )
    for record in sorted(run.records, key=lambda record: (record.index, record.attempt)):
        yield _Line(image=record)
    for sample in run.generator:
        yield _Line(generator=sample)
    for served in run.service:
        yield _Line(service=served)


def _encode(line: _HeadLine | _Line) -> bytes:
    try:
        return msgspec.json.encode(line)
    except UnicodeEncodeError:  # half a character, which a service can send in JSON
        return msgspec.json.encode(_mend(msgspec.to_builtins(line)))


def _mend(value: object) -> object:
    """Return the same with every half character written out as its number."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    return [_mend(item) for item in value] if isinstance(value, list | tuple) else value


def _read_head(path: Path, line: bytes) -> _Head:
    try:
        version = msgspec.json.decode(line, type=_AnyHead).run.version
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise RawFileError(f"{path} is not a raw file of the load tester") from exc
    if version != FORMAT_VERSION:
        raise RawFileError(
            f"{path} is of version {version}; this load tester reads {FORMAT_VERSION} only"
        )
    try:
        return msgspec.json.decode(line, type=_HeadLine).run
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise RawFileError(f"{path} is damaged in line 1: {exc}") from exc


def _read_rest(path: Path, lines: Iterator[bytes], head: _Head) -> Run:
    images: list[ImageRecord] = []
    generator: list[GeneratorSample] = []
    service: list[ServiceSample] = []
    decode = msgspec.json.Decoder(_Line).decode
    for number, text in enumerate(lines, start=2):
        if not text.endswith(b"\n"):
            break  # what follows it never reached the disk
        try:
            line = decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise RawFileError(f"{path} is damaged in line {number}: {exc}") from exc
        if line.image is not None:
            images.append(line.image)
        elif line.generator is not None:
            generator.append(line.generator)
        elif line.service is not None:
            service.append(line.service)
        else:
            raise RawFileError(f"{path} is damaged in line {number}: it says nothing")
    read = len(images) + len(generator) + len(service)
    if read > head.lines:
        raise RawFileError(f"{path} has {read} lines after its first, which says {head.lines}")
    return Run(
        asked=head.asked,
        started_at=head.started_at,
        planned=head.planned,
        records=tuple(images),
        uploads=head.uploads,
        interrupted=head.interrupted or read < head.lines,
        pictures=head.pictures,
        labels=head.labels,
        ceiling=head.ceiling,
        generator=tuple(generator),
        service=tuple(service),
        environment=_note_missing(head, read),
    )


def _note_missing(head: _Head, read: int) -> Mapping[str, str]:
    """Return the environment, which says so when fewer lines were read than were written."""
    if read == head.lines:
        return head.environment
    note = f"its end is missing: {read} of {head.lines} lines were read"
    return {**head.environment, TRUNCATED_NOTE: note}
