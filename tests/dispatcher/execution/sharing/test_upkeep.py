"""By what names dispatchers tell replicas apart."""

import socket

import pytest

from dispatcher.execution.sharing.upkeep import name_of


@pytest.mark.parametrize(
    "url", ["http://10.1.2.3:5000", "http://step-0:5000", "http://[fd00::1]:80"]
)
def test_a_replica_in_a_network_is_the_same_for_all(url: str) -> None:
    assert name_of(url) == url


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:5000", "http://127.8.9.1:5000", "http://localhost:1", "http://[::1]:1"],
)
def test_a_loopback_address_is_another_on_each_machine(url: str) -> None:
    assert name_of(url) == f"{socket.gethostname()} {url}"
