"""What identifies an upload, and under which key its result may be shared."""

import hashlib

from dispatcher.pipelines.model import Pipeline
from dispatcher.pipelines.overrides import Overrides


def result_key(
    digest: str, pipeline: Pipeline, overrides: Overrides, *, tenant: str = ""
) -> str | None:
    """Return the result key: the digest and everything else that decides the result.

    Args:
        digest: SHA-256 of the image's raw bytes, in full.
        pipeline: whose stage types, params and model revisions are part of the key.
        overrides: this job's params by step id.
        tenant: whose job it is; one never sees what another has computed.

    Returns:
        64 hexadecimal digits, or None while a model revision is unknown.
    """
    identity = pipeline.identity_with(overrides)
    if identity is None:
        return None
    return hashlib.sha256(f"{tenant}\n{digest}\n{identity}".encode()).hexdigest()


def coalescing_key(
    digest: str, pipeline: Pipeline, overrides: Overrides, *, tenant: str = ""
) -> str:
    """Return what makes two jobs in flight the same work, even before a revision is known."""
    changes = sorted((step, sorted(params.items())) for step, params in overrides.items())
    return f"{tenant}|{digest}|{pipeline.work}|{changes!r}"
