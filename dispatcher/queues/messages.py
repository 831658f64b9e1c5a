"""A job as a message: JSON with a number that says how it is to be read."""

from typing import Final

import msgspec

from dispatcher.jobs import Job

SCHEMA: Final = 1
"""Raised when an older dispatcher could misunderstand what a newer one has written. A field that
it can do without is no reason: it passes over fields that it does not know."""


class UnreadableMessageError(Exception):
    """A message that is no job, or one that a newer dispatcher has written."""


class _Envelope(msgspec.Struct, frozen=True):
    schema: int
    job: msgspec.Raw


class _Outgoing(msgspec.Struct, frozen=True):
    schema: int
    job: Job


_encoder = msgspec.json.Encoder()
_envelopes = msgspec.json.Decoder(_Envelope)
_jobs = msgspec.json.Decoder(Job)


def encode_job(job: Job) -> bytes:
    """Return a job as a message."""
    return _encoder.encode(_Outgoing(SCHEMA, job))


def decode_job(body: bytes) -> Job:
    """Return the job of a message.

    Raises:
        UnreadableMessageError: it is none that this version understands.
    """
    try:
        envelope = _envelopes.decode(body)
        if envelope.schema != SCHEMA:
            raise UnreadableMessageError(f"It has schema {envelope.schema}, not {SCHEMA}.")
        return _jobs.decode(envelope.job)
    except msgspec.MsgspecError as exc:
        raise UnreadableMessageError(f"It is no job: {exc}") from exc
