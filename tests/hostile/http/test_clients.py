"""Rows C64 to C66, C69: odd ids, clients that ask too often, addresses, and all at once."""

import asyncio
import uuid
from pathlib import Path

from tests.dispatcher.api.raw_http import Answer, connect, exchange, request, submission
from tests.dispatcher.api.serving import Served, bearer, serving, write_keys

ODD_IDS = (
    "%2e%2e%2fetc%2fpasswd", "%00", "x" * 8000, str(uuid.uuid4()).upper(), "*", "%25",
    "'%20or%20''='", "%0d%0aSet-Cookie:a=b", "%e2%98%83", "%ff", "-", "null", "0", "..",
    "%2e%2e", "a;b", "[]", "{}",
)  # fmt: skip
ALL_AT_ONCE = 1000
CONNECTIONS = 50


async def test_c64_an_odd_id_is_nobodys(open_service: Served) -> None:
    for odd in ODD_IDS:
        for path in (f"/result/{odd}", f"/result/{odd}/image", f"/batch/{odd}", f"/static/{odd}/"):
            answer = await exchange(open_service.port, request("GET", path))
            assert (answer.status, answer.code) == (404, "not_found"), path
            assert b"passwd" not in answer.body
            assert "set-cookie" not in answer.headers


async def test_c64_an_odd_id_cancels_nothing(open_service: Served) -> None:
    assert (await exchange(open_service.port, submission())).status == 202
    for odd in ODD_IDS:
        answer = await exchange(open_service.port, request("DELETE", f"/result/{odd}"))
        assert (answer.status, answer.code) == (404, "not_found"), odd
    assert open_service.services.queue.depth() == 1


async def test_c65_who_polls_much_too_often_is_told_so_and_others_are_served(
    served: Served,
) -> None:
    poll = request("GET", "/result/x", f"Authorization: {bearer('alice')}")
    async with connect(served.port) as wire:
        answers: list[Answer] = []
        for _ in range(40):  # as long as it takes: the allowance comes back while they are sent
            wire.send(poll * 500)
            answers += [await wire.answer() for _ in range(500)]
            if answers[-1].status == 429:
                break
        refused = [answer for answer in answers if answer.status == 429]
        assert {answer.status for answer in answers} == {404, 429}
        assert refused[-1].code == "rate_limited"
        assert int(refused[-1].headers["retry-after"]) >= 1
        assert refused[-1].headers["cache-control"] == "no-store"
    of_bob = request("GET", "/result/x", f"Authorization: {bearer('bob')}")
    assert (await exchange(served.port, of_bob)).status == 404
    assert (await exchange(served.port, request("GET", "/readyz"))).status == 200


async def test_c65_no_answer_to_a_poll_is_kept_by_a_cache(open_service: Served) -> None:
    job_id = (await exchange(open_service.port, submission())).json()["request_id"]
    for path in (f"/result/{job_id}", "/result/x"):
        answer = await exchange(open_service.port, request("GET", path))
        assert answer.headers["cache-control"] == "no-store"


async def test_c66_an_address_inside_is_never_called_back(open_service: Served) -> None:
    for address in ("http://127.0.0.1/", "https://169.254.169.254/", "file:///etc/passwd"):
        sent = submission(path=f"/predict_async?webhook_url={address}")
        answer = await exchange(open_service.port, sent)
        assert (answer.status, answer.code) == (422, "invalid_callback_url"), address
    assert open_service.is_untouched()


async def test_c69_a_thousand_equal_requests_at_once_are_one_execution(
    open_service: Served,
) -> None:
    """Each has an id of its own; all but the first follow it."""

    async def send(count: int) -> list[str]:
        ids = []
        async with connect(open_service.port) as wire:
            for _ in range(count):
                wire.send(submission())
                answer = await wire.answer()
                assert answer.status == 202
                ids.append(answer.json()["request_id"])
        return ids

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(send(ALL_AT_ONCE // CONNECTIONS)) for _ in range(CONNECTIONS)]
    ids = {job_id for task in tasks for job_id in task.result()}
    assert len(ids) == ALL_AT_ONCE
    assert open_service.services.queue.depth() == 1


async def test_c72_the_budget_is_whole_again_after_every_kind_of_end(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.json")
    budget = str(len(submission()))
    async with serving(tmp_path, "--upload-budget-bytes", budget, keys=keys) as served:
        good = submission(f"Authorization: {bearer('alice')}")
        bad = submission(f"Authorization: {bearer('alice')}", body=b"no image")
        for sent in (good, bad, submission(), bad, good, good):
            assert (await exchange(served.port, sent)).status in (202, 401, 415)
