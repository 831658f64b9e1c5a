"""Signs webhooks as Standard Webhooks asks, so that a receiver knows who calls."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dispatcher.errors import StartupError

_PREFIX: Final = "whsec_"
_MIN_SECRET_BYTES: Final = 24
_MAX_SECRET_BYTES: Final = 64
_MADE_SECRET_BYTES: Final = 32
_MAX_SECRETS: Final = 2
_MODE: Final = 0o600


class Signer:
    """Signs with each of its secrets: two while one replaces the other."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)

    def headers(self, message_id: str, *, timestamp: int, body: bytes) -> Mapping[str, str]:
        """Return the three headers of a webhook.

        Args:
            message_id: the same for every try of one webhook; has no full stop.
            timestamp: of this try, Unix seconds.
            body: as it is sent.
        """
        signed = f"{message_id}.{timestamp}.".encode() + body
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(_signature(key, signed) for key in self._secrets),
        }


def load_signer(file: Path | None, *, data_dir: Path) -> Signer:
    """Return the signer of this service.

    Args:
        file: of one secret, or two, a line each, as ``whsec_`` and base64 of 24 to 64 bytes.
        data_dir: where a secret is made, once, when no file is named.

    Raises:
        StartupError: the file cannot be read, or holds something else.
    """
    path = file or data_dir / "webhook-secret"
    try:
        if file is None and not path.exists():
            _make(path)
        lines = path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as exc:
        raise StartupError(f"cannot read the webhook secret {path}: {exc}") from exc
    if not 1 <= len(lines) <= _MAX_SECRETS:
        raise StartupError(f"{path} must hold one or two webhook secrets, a line each")
    return Signer([_decode(line, path) for line in lines])


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _decode(line: str, path: Path) -> bytes:
    """Return the bytes of a secret; what it is never gets into a message."""
    try:
        key = base64.b64decode(line.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not line.startswith(_PREFIX) or not _MIN_SECRET_BYTES <= len(key) <= _MAX_SECRET_BYTES:
        raise StartupError(
            f"{path} must hold webhook secrets of the form whsec_<base64 of "
            f"{_MIN_SECRET_BYTES} to {_MAX_SECRET_BYTES} bytes>"
        )
    return key


def _make(path: Path) -> None:
    """Write a new secret that nobody else can read: whole, or not at all."""
    secret = base64.b64encode(secrets.token_bytes(_MADE_SECRET_BYTES)).decode()
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w") as file:
        file.write(f"{_PREFIX}{secret}\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
