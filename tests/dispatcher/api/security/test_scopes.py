"""S07, S09, S10: what each key may do, and what no key and no default ever allows."""

from pathlib import Path

import pytest

from dispatcher.api.guards.exposure import check_exposure
from dispatcher.api.guards.guard import Guard, scope_of
from dispatcher.api.guards.keys import KeyRing, Scope
from dispatcher.errors import (
    BadRequestError,
    ForbiddenError,
    RateLimitedError,
    StartupError,
    UnauthorizedError,
)
from dispatcher.settings import load_settings
from tests.dispatcher.api.raw_http import exchange, request, submission
from tests.dispatcher.api.serving import KEYS, Served, bearer, write_keys

PIPELINE = b'{"steps": [{"type": "blur"}]}'
JSON = "Content-Type: application/json"


def authorized(name: str) -> str:
    return f"Authorization: {bearer(name)}"


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("POST", "/predict_async", Scope.SUBMIT),
        ("POST", "/predict", Scope.SUBMIT),
        ("POST", "/process", Scope.SUBMIT),
        ("DELETE", "/result/x", Scope.SUBMIT),
        ("POST", "/result/x/requeue", Scope.SUBMIT),
        ("GET", "/result/x", Scope.READ),
        ("GET", "/result/x/events", Scope.READ),
        ("GET", "/results", Scope.READ),
        ("GET", "/batch/x/zip", Scope.READ),
        ("GET", "/static/x/made/y", Scope.READ),
        ("GET", "/status", Scope.READ),
        ("GET", "/metrics", Scope.READ),
        ("GET", "/step-types", Scope.READ),
        ("GET", "/pipeline", Scope.READ),
        ("POST", "/pipeline", Scope.ADMIN),
        ("DELETE", "/pipeline/x", Scope.ADMIN),
        ("PATCH", "/pipeline/x/steps/0", Scope.ADMIN),
        ("POST", "/something/new", Scope.ADMIN),
        ("DELETE", "/results", Scope.ADMIN),
        ("PUT", "/predict", Scope.ADMIN),
    ],
)
def test_what_is_not_listed_needs_the_highest_scope(method: str, path: str, needed: Scope) -> None:
    assert scope_of(method, path) is needed


async def test_s07_a_submit_key_makes_and_deletes_no_pipeline(served: Served) -> None:
    before = [pipeline.id for pipeline in served.services.pipelines.all()]
    for sent in (
        request("POST", "/pipeline", JSON, authorized("alice"), body=PIPELINE),
        request("DELETE", "/pipeline/default", authorized("alice")),
        request("PATCH", "/pipeline/default/steps/0", JSON, authorized("alice"), body=b"{}"),
    ):
        answer = await exchange(served.port, sent)
        assert (answer.status, answer.code) == (403, "forbidden")
    assert [pipeline.id for pipeline in served.services.pipelines.all()] == before


async def test_s07_every_key_does_what_it_is_for_and_nothing_else(served: Served) -> None:
    sends, reads = submission, request("GET", "/status", authorized("sender"))
    assert (await exchange(served.port, sends(authorized("sender")))).status == 202
    assert (await exchange(served.port, reads)).status == 403
    assert (await exchange(served.port, sends(authorized("reader")))).status == 403
    assert (await exchange(served.port, sends(authorized("operator")))).status == 403
    read = request("GET", "/status", authorized("reader"))
    assert (await exchange(served.port, read)).status == 200
    deleted = request("DELETE", "/pipeline/none", authorized("operator"))
    assert (await exchange(served.port, deleted)).status == 404
    assert served.services.queue.depth() == 1


@pytest.mark.parametrize("field", ["status", "tenant", "attempts", "id"])
async def test_s09_what_the_server_decides_cannot_be_sent(served: Served, field: str) -> None:
    sent = submission(authorized("alice"), path=f"/predict_async?{field}=bob")
    answer = await exchange(served.port, sent)
    assert (answer.status, answer.code) == (400, "unknown_field")
    assert served.is_untouched()


async def test_s09_a_pipeline_has_no_fields_but_its_own(served: Served) -> None:
    body = b'{"steps": [{"type": "blur"}], "tenant": "bob"}'
    sent = request("POST", "/pipeline", JSON, authorized("operator"), body=body)
    answer = await exchange(served.port, sent)
    assert (answer.status, answer.code) == (422, "invalid_pipeline")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_s10_other_machines_are_not_served_without_keys(host: str) -> None:
    with pytest.raises(StartupError, match="--allow-anonymous"):
        check_exposure(load_settings(["--host", host]))
    check_exposure(load_settings(["--host", host, "--allow-anonymous"]))
    check_exposure(load_settings(["--host", host, "--api-keys-file", "keys.json"]))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_s10_this_machine_needs_no_keys(host: str) -> None:
    check_exposure(load_settings(["--host", host]))


def test_s10_there_is_no_key_by_default() -> None:
    assert load_settings([]).api_keys_file is None
    assert not load_settings([]).allow_anonymous


class TestGuard:
    """The decision alone, without a socket."""

    @pytest.fixture
    def keys(self, tmp_path: Path) -> KeyRing:
        ring = KeyRing(write_keys(tmp_path / "keys.json", bob=1.0))
        ring.open()
        return ring

    def scope(self, name: str, method: str = "POST", path: str = "/predict") -> dict[str, object]:
        headers = [(b"authorization", b"Bearer " + KEYS[name])]
        return {"type": "http", "method": method, "path": path, "headers": headers}

    def test_the_owner_is_noted_in_the_scope(self, keys: KeyRing) -> None:
        scope = self.scope("alice")
        Guard(keys, rate_per_s=0).admit(scope)
        assert scope["conveyor.tenant"] == "alice"

    def test_two_authorization_headers_are_one_too_many(self, keys: KeyRing) -> None:
        scope = self.scope("alice")
        scope["headers"] = 2 * [(b"authorization", b"Bearer " + KEYS["alice"])]
        with pytest.raises(BadRequestError):
            Guard(keys, rate_per_s=0).admit(scope)

    def test_a_key_in_the_query_is_no_key(self, keys: KeyRing) -> None:
        scope = self.scope("alice")
        scope |= {"headers": [], "query_string": b"api_key=" + KEYS["alice"]}
        with pytest.raises(UnauthorizedError):
            Guard(keys, rate_per_s=0).admit(scope)

    def test_a_key_without_the_scope_is_forbidden_and_the_scope_is_told(
        self, keys: KeyRing
    ) -> None:
        with pytest.raises(ForbiddenError, match="scope admin"):
            Guard(keys, rate_per_s=0).admit(self.scope("alice", path="/pipeline"))

    def test_a_key_with_a_rate_of_its_own_keeps_it(self, keys: KeyRing) -> None:
        guard = Guard(keys, rate_per_s=1000)
        guard.admit(self.scope("bob"))
        with pytest.raises(RateLimitedError) as caught:
            guard.admit(self.scope("bob"))
        assert caught.value.retry_after_s == 1

    def test_by_default_nobody_is_limited_in_sending(self, keys: KeyRing) -> None:
        guard = Guard(keys, rate_per_s=0)
        for _ in range(5000):
            guard.admit(self.scope("alice"))

    def test_polls_are_counted_apart_and_generously(self, keys: KeyRing) -> None:
        guard = Guard(keys, rate_per_s=1, polls_per_s=50)
        guard.admit(self.scope("alice"))
        with pytest.raises(RateLimitedError):
            guard.admit(self.scope("alice"))
        for _ in range(50):
            guard.admit(self.scope("alice", "GET", "/result/x"))
        with pytest.raises(RateLimitedError):
            guard.admit(self.scope("alice", "GET", "/result/x"))

    def test_probes_are_never_counted(self, keys: KeyRing) -> None:
        guard = Guard(keys, rate_per_s=1, polls_per_s=1)
        for _ in range(5000):
            guard.admit(self.scope("alice", "GET", "/readyz"))
