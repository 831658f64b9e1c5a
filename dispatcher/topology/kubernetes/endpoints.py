"""Where the ready replicas of a step answer: from EndpointSlices, and only inside the cluster.

Whoever can write these objects could send every image elsewhere. So an address counts only when
it is in one of the pods' networks, and those from which clouds hand out credentials never do.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.pipelines.model import StepKey
from dispatcher.topology.kubernetes.kinds import Endpoint, EndpointPort, EndpointSlice

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SERVICE_LABEL: Final = "kubernetes.io/service-name"
MAX_REPLICAS: Final = 1_000
"""Most replicas of one step that are used."""
_PORT_NAME: Final = "http"
_MIN_PORT: Final = 1024
"""Replicas run without the right to open a lower one."""
_MAX_PORT: Final = 65_535
_NEVER: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.100.100.200/32",  # metadata of one cloud
        "169.254.0.0/16",  # link-local: metadata of most clouds
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/128",
        "fd00:ec2::254/128",  # metadata over IPv6
        "fe80::/10",
        "ff00::/8",
    )
)


@dataclass(frozen=True, slots=True)
class Found:
    """The replicas of one step."""

    urls: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """Addresses that are not the cluster's, with their ports."""


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks in CIDR notation, separated by commas.

    Raises:
        ValueError: one is none, or there are none.
    """
    networks = tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    if not networks:
        raise ValueError("no network is named")
    return networks


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Say whether images may go to an address.

    Args:
        address: to be judged; an IPv4 address inside an IPv6 one counts as what it is.
        networks: where pods are. The loopback network is meant only when it is named itself.
    """
    plain = getattr(address, "ipv4_mapped", None) or address
    if any(_contains(network, plain) for network in _NEVER):
        return False
    return any(
        _contains(network, plain) and (network.is_loopback or not plain.is_loopback)
        for network in networks
    )


def group_by_step(slices: Iterable[EndpointSlice]) -> Mapping[StepKey, Sequence[EndpointSlice]]:
    """Return the slices of each step, as the labels of its Service say."""
    grouped: dict[StepKey, list[EndpointSlice]] = {}
    for found in slices:
        key = StepKey(found.metadata.label("pipeline_id"), found.metadata.label("step_id"))
        if key.pipeline_id and key.step_id:
            grouped.setdefault(key, []).append(found)
    return grouped


def find_replicas(
    slices: Iterable[EndpointSlice], *, service: str, networks: Sequence[Network]
) -> Found:
    """Return the ready replicas of one step; a pod with addresses of two families is one.

    Args:
        slices: of this step's Services.
        service: name of the only Service that counts; empty for all of the step's.
        networks: where pods are.
    """
    urls: dict[str, str] = {}
    refused = set()
    meant = [each for each in slices if service in ("", each.metadata.label(SERVICE_LABEL))]
    for found in sorted(meant, key=lambda each: (each.address_type, each.metadata.name)):
        port = _port_of(found.ports or ())
        for endpoint in found.endpoints or ():
            if port is None or not endpoint.is_ready or not endpoint.addresses:
                continue
            address = endpoint.addresses[0]
            if _is_pod(address, port, networks):
                urls.setdefault(_pod_of(endpoint), _url(address, port))
            else:
                refused.add(f"{address}:{port}")
    return Found(
        urls=tuple(sorted(set(urls.values()))[:MAX_REPLICAS]), refused=tuple(sorted(refused))
    )


def _port_of(ports: Sequence[EndpointPort]) -> int | None:
    """Return the port of a replica: the one that is called so, else the only one."""
    usable = [port for port in ports if port.port and port.protocol in (None, "TCP")]
    named = [port for port in usable if port.name == _PORT_NAME]
    if not named and len(usable) != 1:
        return None
    return (named or usable)[0].port


def _is_pod(address: str, port: int, networks: Sequence[Network]) -> bool:
    if not _MIN_PORT <= port <= _MAX_PORT:
        return False
    try:
        return is_allowed(ipaddress.ip_address(address), networks)
    except ValueError:  # a name: nobody can say where it leads
        return False


def _pod_of(endpoint: Endpoint) -> str:
    target = endpoint.target_ref
    return target.uid if target is not None and target.uid else endpoint.addresses[0]


def _url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _contains(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network
