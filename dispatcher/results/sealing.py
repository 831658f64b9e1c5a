"""Values in Redis that say whose they are, so that another's answer is never taken for one's own.

::

    rank (1 byte) | checksum (16 hexadecimal digits) | looked at (10 digits) | JSON

A cancelled command can leave its answer to the next caller of a connection (CVE-2023-28858), and
a failover can lose what was written last. So the checksum covers the name of the key as well, and
the value says when it was last compared with the record that counts.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

QUEUED: Final = b"0"
PROCESSING: Final = b"1"
ENDED: Final = b"2"
PLAIN: Final = b"-"
"""Of values that have no state."""

_DIGEST_BYTES: Final = 8
_CHECKSUM_ENDS: Final = 1 + 2 * _DIGEST_BYTES
_HEAD_ENDS: Final = _CHECKSUM_ENDS + 10


class SealBrokenError(Exception):
    """A value is not what was kept under its key."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a value says."""

    rank: bytes
    looked_at: int
    """When it was last known to agree with the record that counts, Unix seconds."""
    document: bytes


def seal(key: str, document: bytes, *, looked_at: float, rank: bytes = PLAIN) -> bytes:
    """Return the value to keep under a key.

    Args:
        key: the whole name of the key.
        document: JSON.
        looked_at: Unix seconds.
        rank: how far the job is, which scripts compare; ``PLAIN`` for anything else.
    """
    body = b"%010d" % int(looked_at) + document
    return rank + _checksum(key, rank, body) + body


def unseal(key: str, value: bytes) -> Sealed:
    """Return what a value says.

    Args:
        key: the whole name of the key that it was read from.
        value: as it was read.

    Raises:
        SealBrokenError: it was not kept under this key, or not like this.
    """
    rank, body = value[:1], value[_CHECKSUM_ENDS:]
    if len(value) < _HEAD_ENDS or value[1:_CHECKSUM_ENDS] != _checksum(key, rank, body):
        raise SealBrokenError(key)
    return Sealed(rank, int(value[_CHECKSUM_ENDS:_HEAD_ENDS]), value[_HEAD_ENDS:])


def _checksum(key: str, rank: bytes, body: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    digest.update(key.encode() + b"\0" + rank)
    digest.update(body)
    return digest.hexdigest().encode()
