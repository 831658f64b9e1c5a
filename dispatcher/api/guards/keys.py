"""API keys: a file of their hashes, read again whenever it changes.

A key is ``cvy_live_`` and 256 random bits. So much chance cannot be guessed, so one round of
SHA-256 keeps a stolen file from being of use; slow hashes are for what people invent. The prefix
lets scanners find keys that were published by mistake.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from dispatcher.errors import StartupError

KEY_PREFIX: Final = "cvy_live_"
MAX_KEY_BYTES: Final = 256
"""No key is longer; what is, is not even hashed."""
_KEY_RANDOM_BYTES: Final = 32
_INDEX_BYTES: Final = 8
_REREAD_S: Final = 1.0
"""How old a look at the file may be, in seconds: a revoked key works no longer than that."""
_log = logging.getLogger(__name__)


class Scope(StrEnum):
    """What a key allows; none includes another."""

    SUBMIT = "submit"  # send images, cancel and repeat jobs
    READ = "read"  # fetch results, pictures, figures
    ADMIN = "admin"  # make, change and delete pipelines


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as it is kept: never the key itself."""

    id: str
    """Names it in commands; no secret."""
    owner: str
    """Whose jobs it sees: several keys of one owner see the same."""
    digest: bytes
    """SHA-256 of the key."""
    scopes: frozenset[Scope]
    rate_per_s: float | None = None
    """Submissions a second; None takes the setting, 0 means no limit."""
    created_at: str = ""
    """ISO 8601, UTC."""


class KeysInvalidError(Exception):
    """The text is no file of keys; the message never holds any of it."""


def new_key() -> str:
    """Return a key that nobody has."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_RANDOM_BYTES)


def digest_of(key: bytes) -> bytes:
    """Return what is kept of a key."""
    return hashlib.sha256(key).digest()


def parse_keys(text: str) -> list[ApiKey]:
    """Return the keys of a file.

    Raises:
        KeysInvalidError: it is no such file.
    """
    try:
        document = json.loads(text)
        keys = [_parse_key(entry) for entry in document["keys"]]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise KeysInvalidError("the file does not hold keys as written by the command") from exc
    if len({key.id for key in keys}) < len(keys) or not all(key.owner for key in keys):
        raise KeysInvalidError("every key needs an id of its own and an owner")
    return keys


def format_keys(keys: Sequence[ApiKey]) -> str:
    """Return keys as the text of a file."""
    return json.dumps({"keys": [_key_document(key) for key in keys]}, indent=2) + "\n"


class KeyRing:
    """The keys of a file, as it was within the last second.

    A file that cannot be read, or does not parse, leaves the last good keys in force: they are
    still what somebody decided once, and the log tells of it.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked_at = -_REREAD_S
        self._stamp: tuple[int, int, int] | None = None
        self._keys: Mapping[bytes, Sequence[ApiKey]] = {}
        self._owners: frozenset[str] = frozenset()

    def open(self) -> None:
        """Read the file for the first time.

        Raises:
            StartupError: it cannot be read, holds no keys, or others may read it.
        """
        try:
            self._read(self._stamp_now())
        except (OSError, KeysInvalidError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else exc
            raise StartupError(
                f"cannot read the API keys in {self._path}: {why}; "
                "make one: ./setup.sh keys add --help"
            ) from exc
        if not _is_private(self._path.stat()):
            raise StartupError(f"others can read or write {self._path}; make its mode 0600")

    def find(self, key: bytes) -> ApiKey | None:
        """Return what is kept of a key; None when it is none of ours."""
        now = self._clock()
        if now - self._looked_at >= _REREAD_S:
            self._looked_at = now
            self._look_again()
        digest = digest_of(key)
        for known in self._keys.get(digest[:_INDEX_BYTES], ()):
            if hmac.compare_digest(known.digest, digest):
                return known
        return None

    def owners(self) -> frozenset[str]:
        """Return the names of all who have a key."""
        return self._owners

    def _look_again(self) -> None:
        try:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._read(stamp)
        except (OSError, KeysInvalidError) as exc:
            _log.error("API keys not read again, the last ones stay in force: %s", exc)

    def _stamp_now(self) -> tuple[int, int, int]:
        status = os.stat(self._path)  # noqa: PTH116 - called every second, and Path.stat is slower
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self, stamp: tuple[int, int, int]) -> None:
        keys: dict[bytes, list[ApiKey]] = {}
        parsed = parse_keys(self._path.read_text())
        for key in parsed:
            keys.setdefault(key.digest[:_INDEX_BYTES], []).append(key)
        self._keys, self._stamp = keys, stamp
        self._owners = frozenset(key.owner for key in parsed)


def _is_private(status: os.stat_result) -> bool:
    """Say whether nobody else can read or write a file.

    A Secret that a cluster mounts is root's, and its pod reads it as the only one of a group.
    """
    is_own = status.st_uid == os.geteuid()
    return not status.st_mode & (0o077 if is_own else 0o037)


def _parse_key(entry: Mapping[str, Any]) -> ApiKey:
    digest = bytes.fromhex(entry["sha256"])
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError
    rate = entry.get("rate_per_s")
    return ApiKey(
        id=str(entry["id"]),
        owner=str(entry["name"]),
        digest=digest,
        scopes=frozenset(Scope(scope) for scope in entry["scopes"]),
        rate_per_s=None if rate is None else float(rate),
        created_at=str(entry.get("created_at", "")),
    )


def _key_document(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.owner,
        "sha256": key.digest.hex(),
        "scopes": sorted(key.scopes),
        "rate_per_s": key.rate_per_s,
        "created_at": key.created_at,
    }
