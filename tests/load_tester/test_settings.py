import pytest

from load_tester.errors import AddressError
from load_tester.settings import (
    RunSettings,
    TargetKind,
    TargetSettings,
    check_url,
    default_workers,
)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "https://example.org/conveyor", "http://[::1]:80"]
)
def test_a_plain_address_is_kept_without_its_last_slash(url: str) -> None:
    assert check_url(url + "/") == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("127.0.0.1:8080", "not an http"),
        ("ftp://host", "not an http"),
        ("http://", "not an http"),
        ("http://user:secret@host", "user name or password"),
        ("http://host/?x=1", "a query"),
        ("http://host/#x", "a query"),
        ("http://ho st", "blanks"),
        ("http://host:99999", "not a URL"),
        ("http://[::1", "not a URL"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(url: str, message: str) -> None:
    with pytest.raises(AddressError, match=message):
        check_url(url)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(AddressError) as caught:
        check_url("http://user:secret@host")
    assert "secret" not in str(caught.value)


def test_the_defaults_are_those_of_the_reference() -> None:
    target, run = TargetSettings(), RunSettings()
    assert target.urls == ("http://127.0.0.1:8080",)
    assert target.kind is TargetKind.DISPATCHER
    assert (target.use_cache, target.multipart) == (True, False)
    assert run.images.name == "images"
    assert (run.max_workers, run.timeout_s, run.seed) == (50, 60.0, 0)


def test_uploads_to_a_replica_which_last_as_long_as_their_images_have_no_bound() -> None:
    assert default_workers(TargetKind.DISPATCHER) == 50
    assert default_workers(TargetKind.REPLICA) is None


def test_a_key_is_not_repeated() -> None:
    assert "secret" not in repr(TargetSettings(api_key="secret"))
