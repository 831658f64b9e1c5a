"""What the world may reach of the service, and with how many connections."""

import ipaddress
import resource

from dispatcher.api.guards.patience import Limits
from dispatcher.errors import StartupError
from dispatcher.settings import Settings


def check_exposure(settings: Settings) -> None:
    """Return when nobody can reach the service by mistake.

    Raises:
        StartupError: other machines could use it without a key, and nobody has said that they may.
    """
    if settings.api_keys_file is None and not settings.allow_anonymous:
        try:
            is_loopback = ipaddress.ip_address(settings.host).is_loopback
        except ValueError:
            is_loopback = settings.host == "localhost"
        if not is_loopback:
            raise StartupError(
                f"on {settings.host} other machines could use the service without a key: name a "
                "file with --api-keys-file (./setup.sh keys add --help makes one), or "
                "let everybody in with --allow-anonymous"
            )


def connection_limits(settings: Settings) -> Limits:
    """Return what one connection may use; all of them together leave files for everything else."""
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return Limits(
        header_timeout_s=settings.header_timeout_s,
        body_timeout_s=settings.body_timeout_s,
        max_connections=min(Limits().max_connections, most_files * 3 // 4),
        reads_body_on_demand=settings.api_keys_file is not None,
    )
