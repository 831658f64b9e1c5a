"""What answers are compared with: labels, golden answers, JSON schemas, read from files.

A file of golden answers is a JSON object that has for each image file either its best label or
the SHA-256 of its picture: `{"drum.jpg": {"label": "drum"}, "cat.png": {"sha256": "9f86..."}}`.
A folder of golden pictures has for each image file one of the same name, or of the same name but
for its ending. Images in folders below are named by their paths, or by their last parts where no
other image has the same.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath

from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from referencing import Registry

from load_tester.errors import OutputError, UsageError
from load_tester.images import (
    CONTENT_TYPES,
    known_as,
    list_names,
    match_images,
    name_of,
    read_labels,
)
from load_tester.settings import TargetSettings
from load_tester.targets.checks import (
    Check,
    Checks,
    GoldenCheck,
    GoldenRecorder,
    LabelCheck,
    SchemaCheck,
)

_FINGERPRINTS = frozenset({"label", "sha256"})


def create_checks(settings: TargetSettings, images: Path) -> Checks:
    """Return the checks that the settings ask for, with what they need read from their files.

    Raises UsageError naming what cannot be read, or is no check, or where nothing can be kept.
    """
    checks = [_create_check(text, images) for text in settings.checks]
    if settings.write_golden is None:
        return Checks(checks)
    _check_writable(settings.write_golden)
    recorder = GoldenRecorder()
    keep = partial(_write_golden, settings.write_golden, recorder.golden)
    return Checks([*checks, recorder], at_end=keep)


def _check_writable(golden: Path) -> None:
    """Raise OutputError where the golden answers could not be written when the run is over."""
    if golden.is_dir():
        raise OutputError(f"golden answers are written to a file, and {golden} is a folder")
    if not golden.parent.is_dir() or not os.access(golden.parent, os.W_OK):
        raise OutputError(f"cannot write to the folder {golden.parent}")


def _create_check(text: str, images: Path) -> Check:
    kind, _, place = text.partition(":")
    if text == "labels":
        return LabelCheck(_read_known_labels(images))
    if kind == "golden" and place:
        return GoldenCheck(read_golden(Path(place), images=images))
    if kind == "schema" and place:
        return _read_schema(Path(place))
    raise UsageError(
        f"not a check: {text!r}; there are labels, golden:FILE, golden:FOLDER and schema:FILE"
    )


def _read_known_labels(images: Path) -> Mapping[str, str]:
    labels = read_labels(images)
    if not labels:
        raise UsageError(f"--check labels needs a table labels.tsv with the images in {images}")
    return labels


def read_golden(path: Path, *, images: Path) -> Mapping[str, Mapping[str, str]]:
    """Return what is expected for each image file; raises UsageError when it cannot be read."""
    try:
        if path.is_dir():
            return _read_golden_pictures(path, images)
        golden = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        cause = getattr(exc, "strerror", None) or exc
        raise UsageError(f"cannot read the golden answers {path}: {cause}") from exc
    if not isinstance(golden, dict) or not all(map(_is_fingerprint, golden.values())):
        raise UsageError(f"{path} does not hold a label or sha256 for each image file")
    # A golden file may know images that are not sent this time, and by names of their own.
    return match_images(golden, list_names(images))


def _is_fingerprint(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and value.keys() <= _FINGERPRINTS
        and all(isinstance(told, str) for told in value.values())
    )


def _read_golden_pictures(folder: Path, images: Path) -> Mapping[str, Mapping[str, str]]:
    """Return the digest of the picture in the folder for each image file that has one."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    pictures = {name_of(path, folder): path for path in files}
    by_stem = {_stem(name): path for name, path in pictures.items() if _is_picture(path)}
    found: dict[str, Mapping[str, str]] = {}
    for image, names in known_as(list_names(images)).items():
        meant = (pictures.get(name) or by_stem.get(_stem(name)) for name in names)
        picture = next(filter(None, meant), None)
        if picture is not None:
            found[image] = {"sha256": sha256(picture.read_bytes()).hexdigest()}
    if not found:
        raise UsageError(f"no picture in {folder} has the name of an image in {images}")
    return found


def _stem(name: str) -> str:
    """Return a path without its ending."""
    return str(PurePosixPath(name).with_suffix(""))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in CONTENT_TYPES


def _read_schema(path: Path) -> SchemaCheck:
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        validator = validator_for(schema)
        validator.check_schema(schema)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as exc:
        cause = getattr(exc, "strerror", None) or exc
        raise UsageError(f"cannot read the JSON schema {path}: {cause}") from exc
    except SchemaError as exc:
        raise UsageError(f"{path} is not a JSON schema: {exc.message}") from exc
    # An empty registry, so that no schema makes it fetch another from the network.
    return SchemaCheck(validator(schema, registry=Registry()))


def _write_golden(path: Path, golden: Mapping[str, Mapping[str, str]]) -> None:
    """Write the answers that were kept, whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    text = json.dumps(dict(sorted(golden.items())), indent=1, ensure_ascii=False)
    try:
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as exc:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise OutputError(f"cannot write the golden answers {path}: {exc.strerror}") from exc
