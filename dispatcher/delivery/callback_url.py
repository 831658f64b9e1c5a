"""Reads the address of a webhook's receiver, strictly: what two parsers may read differently
is refused.

Only ASCII of RFC 3986 is taken, and no user, fragment, backslash or encoded control character. A
host is a name of several labels, an IPv4 address of four decimal numbers, or an IPv6 address; a
name that ends in a number is none of them, though many resolvers take it for an address.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from dispatcher.delivery.addresses import Address, is_allowed, is_allowed_port
from dispatcher.errors import InvalidCallbackUrlError

MAX_URL_LENGTH: Final = 2048
_MAX_NAME_LENGTH: Final = 253
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_CHARACTER: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})"
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z]+)://"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9.\-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    rf"(?P<target>(?:/{_CHARACTER}*)?(?:\?(?:{_CHARACTER}|\?)*)?)"
)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?")
_LOOKS_NUMERIC: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ENCODED_CONTROL: Final = re.compile(r"%(?:[01][0-9A-Fa-f]|7[fF])")
_INSIDE: Final = frozenset(
    {"alt", "cluster", "corp", "default", "home", "internal", "intranet", "invalid", "lan"}
    | {"local", "localdomain", "localhost", "onion", "private", "svc", "test"}
)
"""Last labels that the public name system does not have (RFC 6761, 6762, 9476), and those that
stand for a Kubernetes namespace or service there."""
_HOME_ARPA: Final = ".home.arpa"


@dataclass(frozen=True, slots=True)
class CallbackPolicy:
    """What the operator allows."""

    allow_http: bool = False
    allow_private: bool = False
    has_secret: bool = True
    """Whether all who may send a webhook would sign it with the same secret."""


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """Where a webhook goes to."""

    scheme: str
    host: str
    """A name in lower case, or an address without brackets."""
    address: Address | None
    """When the host is one."""
    port: int
    target: str
    """Path and query, as they are sent."""

    @property
    def receiver(self) -> str:
        """Who receives: what is limited together and may be logged, unlike the path."""
        return f"{self.host}:{self.port}"


def read_callback_url(text: str, policy: CallbackPolicy) -> CallbackUrl:
    """Return the parts of a webhook's address.

    Nothing is resolved here: what a name leads to counts at the moment of the call.

    Raises:
        InvalidCallbackUrlError: it cannot be called, or must not.
    """
    if not policy.has_secret:
        raise InvalidCallbackUrlError("Nothing is called: dispatchers have no secret in common.")
    match = _URL.fullmatch(text) if len(text) <= MAX_URL_LENGTH else None
    if match is None:
        raise InvalidCallbackUrlError("It is no plain http(s) URL of 2048 characters at most.")
    scheme = match["scheme"].lower()
    if scheme not in (("https", "http") if policy.allow_http else ("https",)):
        raise InvalidCallbackUrlError("Only https is called.")
    if _ENCODED_CONTROL.search(match["target"]):
        raise InvalidCallbackUrlError("Its path has a control character.")
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if not is_allowed_port(port):
        raise InvalidCallbackUrlError("Its port is not called.")
    address = _read_address(match)
    if address is not None and not is_allowed(address, allow_private=policy.allow_private):
        raise InvalidCallbackUrlError("Its address is not called.")
    host = str(address) if address is not None else match["name"].lower()
    if address is None and not _is_name(host, allow_private=policy.allow_private):
        raise InvalidCallbackUrlError("Its host is not called.")
    return CallbackUrl(scheme, host, address, port, match["target"] or "/")


def _read_address(match: re.Match[str]) -> Address | None:
    """Return the address that the host is; None when it is a name.

    Raises:
        InvalidCallbackUrlError: it looks like an address and is none.
    """
    try:
        if match["v6"]:
            return ipaddress.IPv6Address(match["v6"])
        last = match["name"].lower().rpartition(".")[2]
        return ipaddress.IPv4Address(match["name"]) if _LOOKS_NUMERIC.fullmatch(last) else None
    except ValueError as exc:
        raise InvalidCallbackUrlError("Its host is no proper address.") from exc


def _is_name(host: str, *, allow_private: bool) -> bool:
    """Say whether a host is a name that may be called; inside ones only where that is allowed."""
    labels = host.split(".")
    if len(host) > _MAX_NAME_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    is_inside = len(labels) == 1 or labels[-1] in _INSIDE or host.endswith(_HOME_ARPA)
    return allow_private or not is_inside
