"""What a webhook_url may be; security.md S20 and S26."""

import pytest

from dispatcher.delivery.callback_url import (
    MAX_URL_LENGTH,
    CallbackPolicy,
    CallbackUrl,
    read_callback_url,
)
from dispatcher.errors import InvalidCallbackUrlError

STRICT = CallbackPolicy()
PLAIN = CallbackPolicy(allow_http=True)
ANYWHERE = CallbackPolicy(allow_http=True, allow_private=True)

INSIDE_HOSTS = (
    *("127.0.0.1", "[::1]", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.0.1"),
    *("192.168.0.1", "100.64.0.1", "[fc00::1]", "[fd12::1]"),
    *("localhost", "LOCALHOST", "a.localhost", "redis", "kubernetes", "kubernetes.default"),
    *(
        "dispatcher.default.svc",
        "a.b.svc.cluster.local",
        "printer.local",
        "metadata.google.internal",
    ),
    *("router.lan", "nas.home.arpa", "host.docker.internal", "wiki.corp"),
)
NO_HOSTS = (
    *("127.1", "0", "2130706433", "0x7f.1", "0177.0.0.1", "127.0.0.01", "0x7f000001", "1.2.3"),
    *("1.2.3.4.5", "256.1.1.1", "a.1", "a.0x1", "127.0.0.1.", "[::ffff:127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "[fe80::1%25eth0]"),
    *("198.18.0.1", "224.0.0.1", "[ff02::1]", "0.0.0.0", "255.255.255.255", "[::]", "[::", "[]"),
    *("[1.2.3.4]", "[v1.x]", "good.example.", "good..example", ".example", "-a.example"),
    *("a-.example", "a_b.example", "x" * 64 + ".example", "a." * 126 + "example", "*", "a.*"),
    *(
        "\uff11\uff12\uff17\u3002\uff10\u3002\uff10\u3002\uff11",
        "good\u3002example",
        "\uff4cocalhost",
        "café.example",
        "good%2eexample",
        "%31.1.1.1",
    ),
)
NO_URLS = (
    *("", "https://", "https:///x", "https:good.example", "//good.example", "good.example/x"),
    *("file:///etc/passwd", "gopher://good.example/", "ftp://good.example/", "unix:/run/x.sock"),
    *("http+unix://%2Frun%2Fx.sock/", "javascript:alert(1)", "data:,x", "https//good.example"),
    *(
        "http://good.example@bad.example",
        "https://user:pass@good.example/",
        "https://@good.example",
    ),
    *(
        "http://good.example#@bad.example",
        "https://good.example/#fragment",
        "https://good.example#",
    ),
    *("http://good.example\\@bad.example", "https:\\\\good.example", "https://good.example\\x"),
    *("https://good.example/a b", "https://good.example/a\tb", " https://good.example/"),
    *("https://good.example/\r\nX: y", "https://good.example/a\n", "https://good.example/\x00"),
    *("https://good.example/%0d%0aX:%20y", "https://good.example/%00", "https://good.example/%7F"),
    *("https://good.example/%0D", "https://good.example/?a=%0a", "https://good.example/%zz"),
    *("https://good.example/%4", "https://good.example/é", "https://good.example/<x>"),
    *("https://good.example:0/", "https://good.example:65536/", "https://good.example:+443/"),
    *(
        "https://good.example:443:80/",
        "https://good.example:/",
        "https://good.example:\uff14\uff14\uff13/",
    ),
)
SERVICE_PORTS = (22, 25, 6379, 5672, 9200, 11211, 2375, 5432, 10250)


def is_refused(url: str, policy: CallbackPolicy) -> bool:
    try:
        read_callback_url(url, policy)
    except InvalidCallbackUrlError:
        return True
    return False


def test_the_parts_of_an_url_are_those_that_are_called() -> None:
    url = read_callback_url("https://Hooks.Example.com:8443/a/b%20c?d=e&f=%2F", STRICT)
    assert url == CallbackUrl("https", "hooks.example.com", None, 8443, "/a/b%20c?d=e&f=%2F")
    assert url.receiver == "hooks.example.com:8443"


@pytest.mark.parametrize(
    ("text", "port", "target"),
    [
        ("https://hooks.example.com", 443, "/"),
        ("HTTPS://hooks.example.com/", 443, "/"),
        ("https://hooks.example.com?a=b", 443, "?a=b"),
        ("https://xn--caf-dma.example.com/x//y;z=(1)", 443, "/x//y;z=(1)"),
        ("http://hooks.example.com/x", 80, "/x"),
        ("https://1.1.1.1/x", 443, "/x"),
        ("https://[2606:4700::1111]/x", 443, "/x"),
    ],
)
def test_a_public_receiver_is_called(text: str, port: int, target: str) -> None:
    url = read_callback_url(text, PLAIN)
    assert (url.port, url.target) == (port, target)


def test_only_https_is_called_unless_the_operator_allows_more() -> None:
    assert is_refused("http://hooks.example.com/", STRICT)
    assert not is_refused("http://hooks.example.com/", PLAIN)
    assert not is_refused("https://hooks.example.com/", STRICT)


@pytest.mark.parametrize("host", INSIDE_HOSTS)
def test_an_inside_host_is_called_only_where_that_is_allowed(host: str) -> None:
    assert is_refused(f"https://{host}/hook", STRICT)
    assert is_refused(f"http://{host}:8080/hook", PLAIN)
    assert not is_refused(f"http://{host}:8080/hook", ANYWHERE)


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host_or_one_that_no_receiver_has_is_never_called(host: str) -> None:
    assert is_refused(f"https://{host}/hook", STRICT)
    assert is_refused(f"http://{host}/hook", ANYWHERE)


@pytest.mark.parametrize("url", NO_URLS)
def test_what_two_parsers_may_read_differently_is_refused(url: str) -> None:
    assert is_refused(url, STRICT)
    assert is_refused(url, ANYWHERE)


@pytest.mark.parametrize("port", SERVICE_PORTS)
def test_a_port_of_another_service_is_refused(port: int) -> None:
    assert is_refused(f"https://hooks.example.com:{port}/", ANYWHERE)


def test_an_url_may_have_2048_characters() -> None:
    longest = "https://hooks.example.com/".ljust(MAX_URL_LENGTH, "x")
    assert MAX_URL_LENGTH == 2048
    assert not is_refused(longest, STRICT)
    assert is_refused(longest + "x", STRICT)


def test_a_refusal_never_repeats_what_was_sent() -> None:
    with pytest.raises(InvalidCallbackUrlError) as refused:
        read_callback_url("https://secret-host.internal/secret-path", STRICT)
    assert "secret" not in refused.value.detail
    assert (refused.value.status, refused.value.code) == (422, "invalid_callback_url")


def test_nothing_is_called_by_dispatchers_that_would_sign_differently() -> None:
    with pytest.raises(InvalidCallbackUrlError, match="no secret in common"):
        read_callback_url("https://example.com/", CallbackPolicy(has_secret=False))
