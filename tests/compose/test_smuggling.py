"""Requests that two servers could read differently (hostile inputs C52, S39).

Whatever is sent, nginx and the dispatcher must agree where a request ends: else the answer to what
one client has hidden in a body would go to the next client of the same connection.
"""

from tests.compose.proxy import Fronted
from tests.dispatcher.api.raw_http import Answer, connect, exchange, request
from tests.hostile.http.test_bodies import AMBIGUOUS

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
READ_BY_NGINX_ALONE = {"extension": 415}
"""What nginx understands and writes anew, so that the dispatcher sees nothing odd; it says no
because the body is no image."""


async def _answers(port: int, data: bytes) -> list[Answer]:
    """Return all answers on one connection until it is closed or silent after the first."""
    answers: list[Answer] = []
    async with connect(port) as wire:
        wire.send(data)
        try:
            while (answer := await wire.answer(within_s=1 if answers else 10)).status:
                answers.append(answer)
        except TimeoutError:
            pass
    return answers


async def test_c52_what_could_be_read_in_two_ways_hides_nothing(front: Fronted) -> None:
    for name, data in AMBIGUOUS.items():
        answers = [answer.status for answer in await _answers(front.port, data + HIDDEN)]
        if name in READ_BY_NGINX_ALONE:
            assert answers[:1] == [READ_BY_NGINX_ALONE[name]], name
        else:
            # Refused, and the connection with it: what was hidden is not answered.
            assert answers in ([], [400]), name
        # Who comes next on a connection between the two gets the answer to what was asked.
        for _ in range(3):
            following = await exchange(front.port, request("GET", "/livez"))
            assert (following.status, following.json()) == (200, {"status": "alive"}), name


NO_REQUESTS = (
    b"GET /livez HTTP/1.1\r\nHost: a/../b\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /livez HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET /livez\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT internal:80 HTTP/1.1\r\nHost: internal:80\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
)


async def test_what_is_no_request_is_refused_by_both(front: Fronted) -> None:
    for data in NO_REQUESTS:
        for port in (front.port, front.served.port):
            assert (await exchange(port, data)).status in (0, 400, 405, 505), data
    assert front.served.is_untouched()
