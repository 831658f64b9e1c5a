import ipaddress

import pytest

from dispatcher.pipelines.model import StepKey
from dispatcher.topology.kubernetes.endpoints import (
    MAX_REPLICAS,
    Found,
    find_replicas,
    group_by_step,
    is_allowed,
    parse_networks,
)
from dispatcher.topology.kubernetes.kinds import EndpointPort, EndpointSlice, Metadata
from tests.dispatcher.topology.kubernetes.config_maps import endpoint_of, slice_of

PODS = parse_networks("10.0.0.0/8, fd12::/16")
EVERYWHERE = parse_networks("0.0.0.0/0,::/0")


def found_in(*slices: EndpointSlice, service: str = "birds-step-0") -> Found:
    return find_replicas(slices, service=service, networks=PODS)


def test_ready_pods_are_found_one_by_one() -> None:
    found = found_in(slice_of(endpoint_of("10.0.0.2"), endpoint_of("10.0.0.1")))
    assert found == Found(urls=("http://10.0.0.1:5000", "http://10.0.0.2:5000"))


def test_a_pod_that_is_not_ready_gets_no_image() -> None:
    starting = endpoint_of("10.0.0.1", ready=False)
    unknown = endpoint_of("10.0.0.2", ready=None)
    assert found_in(slice_of(starting, unknown)).urls == ("http://10.0.0.2:5000",)


def test_the_slices_of_one_service_are_put_together() -> None:
    slices = [slice_of(endpoint_of(f"10.0.0.{n}"), name=f"slice-{n}") for n in (1, 2)]
    assert len(found_in(*slices).urls) == 2


def test_a_pod_with_addresses_of_two_families_is_one_replica() -> None:
    four = slice_of(endpoint_of("10.0.0.1", pod="p"), name="a")
    six = slice_of(endpoint_of("fd12::1", pod="p"), name="b", address_type="IPv6")
    assert found_in(six, four).urls == ("http://10.0.0.1:5000",)
    assert found_in(six).urls == ("http://[fd12::1]:5000",)


def test_another_service_of_the_step_counts_only_when_the_record_names_none() -> None:
    other = slice_of(endpoint_of("10.0.0.9"), service="elsewhere")
    assert found_in(other).urls == ()
    assert found_in(other, service="").urls == ("http://10.0.0.9:5000",)


@pytest.mark.parametrize(
    ("ports", "port"),
    [
        ([EndpointPort(name="metrics", port=9000), EndpointPort(name="http", port=5000)], 5000),
        ([EndpointPort(name=None, port=5001, protocol="TCP")], 5001),
        ([EndpointPort(name="a", port=5000), EndpointPort(name="b", port=5001)], None),
        ([EndpointPort(name="http", port=5000, protocol="UDP")], None),
        ([EndpointPort(name="http", port=None)], None),
        ([], None),
    ],
)
def test_the_port_is_the_one_called_http_or_the_only_one(
    ports: list[EndpointPort], port: int | None
) -> None:
    urls = found_in(slice_of(endpoint_of("10.0.0.1"), ports=ports)).urls
    assert urls == (() if port is None else (f"http://10.0.0.1:{port}",))


def test_a_low_port_is_no_replica() -> None:
    found = found_in(slice_of(endpoint_of("10.0.0.1"), ports=[EndpointPort(port=22)]))
    assert found == Found(refused=("10.0.0.1:22",))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "169.254.169.254", "127.0.0.1", "::ffff:169.254.169.254", "example.org", ""],
)
def test_an_address_outside_the_cluster_is_refused_and_the_others_stay(address: str) -> None:
    found = found_in(slice_of(endpoint_of(address), endpoint_of("10.0.0.1")))
    assert found == Found(urls=("http://10.0.0.1:5000",), refused=(f"{address}:5000",))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "fe80::1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "127.0.0.1",
        "127.1.2.3",
        "::1",
        "::ffff:127.0.0.1",
    ],
)
def test_some_addresses_are_never_allowed_however_wide_the_networks(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address), EVERYWHERE)


@pytest.mark.parametrize("address", ["10.2.3.4", "::ffff:10.2.3.4", "2001:db8::1"])
def test_what_the_networks_hold_is_allowed(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address), EVERYWHERE)


def test_loopback_is_allowed_only_where_it_is_named_itself() -> None:
    here = ipaddress.ip_address("127.66.0.1")
    assert is_allowed(here, parse_networks("127.66.0.0/16"))
    assert not is_allowed(here, parse_networks("127.67.0.0/16"))


@pytest.mark.parametrize("text", ["", " , ", "10.0.0.0/33", "10.0.0.1/8"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|host bits"):
        parse_networks(text)


def test_slices_belong_to_the_step_that_their_labels_name() -> None:
    first, second = slice_of(name="a"), slice_of(name="b", step_id="1")
    stranger = EndpointSlice(metadata=Metadata(name="kubernetes"))
    grouped = group_by_step([first, second, stranger])
    assert grouped == {StepKey("birds", "0"): [first], StepKey("birds", "1"): [second]}


def test_a_slice_without_pods_is_a_step_without_replicas() -> None:
    empty = EndpointSlice(metadata=slice_of().metadata, endpoints=None, ports=None)
    assert found_in(empty) == Found()


def test_a_flood_of_addresses_is_cut_off() -> None:
    many = [endpoint_of(f"10.0.{n // 250}.{n % 250}") for n in range(MAX_REPLICAS + 50)]
    assert len(found_in(slice_of(*many)).urls) == MAX_REPLICAS
