"""Whether spans are exported, and where to: OpenTelemetry's own environment variables.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from collections.abc import Mapping
from typing import Final

TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
"""The whole URL, as it is."""
ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""The collector; each kind of telemetry has its own path there."""
SERVICE_NAME: Final = "OTEL_SERVICE_NAME"
STEP_SERVICE: Final = "conveyor-step"
"""What a replica is called unless told."""
OUTCOMES: Final = ("sent", "failed", "dropped")
"""What becomes of spans, for metrics: dropped ones found no room to wait in."""

_PATH: Final = "/v1/traces"


def traces_url(environment: Mapping[str, str], *, endpoint: str | None = None) -> str | None:
    """Return the URL that spans are sent to; None when they are sent nowhere.

    Args:
        environment: of the process.
        endpoint: a collector that counts for more than those of the environment.
    """
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if is_disabled or environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    if endpoint is None:
        if url := environment.get(TRACES_ENDPOINT, "").strip():
            return url
        endpoint = environment.get(ENDPOINT, "").strip()
    return endpoint.rstrip("/") + _PATH if endpoint else None
