from pathlib import Path

import pytest

from dispatcher.errors import StartupError
from dispatcher.servers.urls import ServerUrl, parse_server_url, read_named_file

SECRET = "hunter2"


def parse(url: str, *, parameters: tuple[str, ...] = ("ca_file",)) -> ServerUrl:
    return parse_server_url(
        url, flag="--redis-url", schemes=("redis", "rediss"), parameters=parameters
    )


def test_a_url_is_taken_apart() -> None:
    url = parse("rediss://ann:p%40ss%2Fword@redis.example:6380/3?ca_file=/ca.pem")
    assert (url.scheme, url.host, url.port, url.path) == ("rediss", "redis.example", 6380, "3")
    assert (url.username, url.password) == ("ann", "p@ss/word")
    assert url.parameters == {"ca_file": "/ca.pem"}


def test_what_is_not_said_is_none() -> None:
    url = parse("redis://host")
    assert (url.port, url.path, url.username, url.password) == (None, "", None, None)
    assert url.parameters == {}


def test_an_address_in_brackets_is_a_host() -> None:
    assert parse("redis://:x@[::1]:6379/0").host == "::1"


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{SECRET}@host",
        f"redis://:{SECRET}@",
        f"redis://user:{SECRET}#1@host:6379",
        f"redis://user:{SECRET}/1@host:6379",
        f"redis://:x@host:{SECRET}/0",
        f"redis://:{SECRET}@[host/0",
        f"redis://:{SECRET}@host/0?ssl_cert_reqs=none",
        f"redis://:{SECRET}@host/0?ca_file=a&ca_file=b",
        f"redis://:x@host/0?{SECRET}",
        SECRET,
        "",
    ],
)
def test_what_is_refused_is_never_quoted(url: str) -> None:
    with pytest.raises(StartupError, match=r"^--redis-url: ") as refused:
        parse(url)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None, "a cause would quote parts of it"


def test_a_parameter_that_is_not_known_is_refused_and_the_known_ones_are_told() -> None:
    with pytest.raises(StartupError, match="ca_file"):
        parse("rediss://host?ssl_check_hostname=false")
    with pytest.raises(StartupError, match="none"):
        parse("redis://host?a=b", parameters=())


def test_no_representation_tells_the_password() -> None:
    assert SECRET not in repr(parse(f"redis://ann:{SECRET}@host?ca_file={SECRET}"))


def test_a_named_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(b"certificates")
    assert (
        read_named_file(parse(f"redis://h?ca_file={file}"), "ca_file", flag="-") == b"certificates"
    )
    assert read_named_file(parse("redis://h"), "ca_file", flag="-") is None


def test_a_named_file_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    url = parse(f"redis://h?ca_file={tmp_path / 'none'}")
    with pytest.raises(StartupError, match="--redis-url: the ca_file cannot be read: No such file"):
        read_named_file(url, "ca_file", flag="--redis-url")
