import ipaddress

import pytest

from dispatcher.delivery.addresses import is_allowed, is_allowed_port

PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001:82a::200e")
INSIDE = (
    *("127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("100.64.0.1", "100.127.255.255", "::1", "fc00::1", "fd12:3456::1"),
)
NEVER = (
    *("0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "224.0.0.1", "239.1.2.3"),
    *("240.0.0.1", "255.255.255.255", "::", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1"),
    *("2002:7f00:1::", "3fff::1", "5f00::1", "fe80::1", "febf::1", "fec0::1", "ff02::1"),
    "fd00:ec2::254",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_called(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address), allow_private=False)
    assert is_allowed(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize("address", INSIDE)
def test_an_inside_address_is_called_only_where_that_is_allowed(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address), allow_private=False)
    assert is_allowed(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_an_address_that_no_receiver_has_is_never_called(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address), allow_private=False)
    assert not is_allowed(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize("address", ["192.0.2.1", "198.51.100.1", "203.0.113.1"])
def test_an_address_of_the_documentation_is_not_public(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address), allow_private=False)


@pytest.mark.parametrize("port", [80, 443, 8080, 8443, 1024, 40_000, 65_535])
def test_a_port_of_a_web_server_is_called(port: int) -> None:
    assert is_allowed_port(port)


@pytest.mark.parametrize("port", [-1, 0, 22, 25, 81, 1023, 5672, 6379, 9200, 27017, 65_536])
def test_a_port_of_another_service_is_not_called(port: int) -> None:
    assert not is_allowed_port(port)
