"""Which addresses and ports a webhook may go to: never into this network, unless that is allowed.

Judged by the registries of special-purpose addresses (RFC 6890) and the rules of OWASP's sheet on
server-side request forgery. An address that only wraps another one (IPv4 in IPv6, NAT64, 6to4,
Teredo) is refused, whatever it wraps: no receiver needs it, and each is a way around the rest.
"""

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEVER: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "169.254.0.0/16",  # link-local; clouds answer with credentials there
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "100.100.100.200/32",  # a cloud's metadata
        "168.63.129.16/32",  # a cloud's platform service, which looks public
        "::/128",
        "::ffff:0:0/96",  # IPv4 mapped
        "::/96",  # IPv4 compatible; ::1 is let through below
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",  # discarded
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, deprecated
        "ff00::/8",  # multicast
        "fd00:ec2::254/128",  # a cloud's metadata
    )
)
_LOOPBACK_V6: Final = ipaddress.IPv6Address("::1")

_WEB_PORTS: Final = frozenset({80, 443})
_FREE_PORTS: Final = range(1024, 0x10000)
_SERVICE_PORTS: Final = frozenset(
    {
        *(1433, 1521, 3306, 5432, 5984, 6379, 6380, 7000, 7001, 8086, 8123, 8529, 9042, 9200),
        *(9300, 11211, 16379, 26379, 26257, 27017, 27018, 27019, 28015, 50000),  # databases
        *(1883, 4222, 5222, 5671, 5672, 6650, 9092, 9093, 15672, 25672, 61613, 61616),  # brokers
        *(2049, 3260, 3389, 5900, 5985, 5986, 6000, 10000),  # files and screens
        *(2181, 2375, 2376, 2379, 2380, 4001, 6443, 8500, 8600, 10250, 10255, 10256),  # clusters
    }
)
"""Of services that trust whoever reaches them; none of them is a web server."""


def is_allowed(address: Address, *, allow_private: bool) -> bool:
    """Say whether a webhook may go to an address.

    Args:
        address: of the receiver.
        allow_private: whether private and loopback addresses are allowed. Link-local ones, where
            clouds give out credentials, and those that are no single host never are.
    """
    if address == _LOOPBACK_V6:
        return allow_private
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    return allow_private or address.is_global


def is_allowed_port(port: int) -> bool:
    """Say whether a webhook may go to a port."""
    return port in _WEB_PORTS or (port in _FREE_PORTS and port not in _SERVICE_PORTS)
