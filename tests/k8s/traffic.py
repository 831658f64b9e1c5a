"""Says which connections NetworkPolicies allow, as a network plugin that enforces them would.

Follows the Kubernetes documentation, "Network Policies": a pod that a policy selects for a
direction lets pass only what some policy of that direction allows; one that none selects, all. A
connection needs both ends to allow it.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.k8s.manifests import Document, selects


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection: a pod, or an address outside."""

    namespace: str = ""
    """Empty for what is no pod."""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Named ports of a pod."""

    @property
    def all_namespace_labels(self) -> Mapping[str, str]:
        """Labels of its namespace, with the one that every namespace has."""
        return {**self.namespace_labels, "kubernetes.io/metadata.name": self.namespace}


def is_allowed(
    policies: Sequence[Document], source: End, target: End, port: int, protocol: str = "TCP"
) -> bool:
    """Say whether a connection comes about."""
    return _passes(policies, "Egress", source, target, (target, port, protocol)) and _passes(
        policies, "Ingress", target, source, (target, port, protocol)
    )


def _passes(
    policies: Iterable[Document],
    direction: str,
    own: End,
    other: End,
    aim: tuple[End, int, str],
) -> bool:
    if not own.namespace:
        return True
    selecting = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == own.namespace
        and direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], own.labels)
    ]
    peers, rules = ("to", "egress") if direction == "Egress" else ("from", "ingress")
    return not selecting or any(
        _has_peer(rule.get(peers), own, other) and _has_port(rule.get("ports"), aim)
        for spec in selecting
        for rule in spec.get(rules, ())
    )


def _has_peer(peers: Sequence[Document] | None, own: End, other: End) -> bool:
    return peers is None or any(_is_peer(peer, own, other) for peer in peers)


def _is_peer(peer: Document, own: End, other: End) -> bool:
    if "ipBlock" in peer:
        return bool(other.address) and _is_in_block(peer["ipBlock"], other.address)
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        is_there = selects(peer["namespaceSelector"], other.all_namespace_labels)
    else:
        is_there = other.namespace == own.namespace
    return is_there and selects(peer.get("podSelector"), other.labels)


def _is_in_block(block: Mapping[str, Any], address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return ip in ipaddress.ip_network(block["cidr"]) and not any(
        ip in ipaddress.ip_network(hole) for hole in block.get("except", ())
    )


def _has_port(ports: Sequence[Document] | None, aim: tuple[End, int, str]) -> bool:
    target, number, protocol = aim
    if ports is None:
        return True
    for port in ports:
        first = port["port"]
        first = target.ports.get(first, 0) if isinstance(first, str) else first
        if port["protocol"] == protocol and first <= number <= port.get("endPort", first):
            return True
    return False
