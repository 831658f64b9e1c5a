"""HTTPS before the verbs: addresses, tokens, rights, faults, and a list of all calls."""

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml
from aiohttp import web

from tests.kubernetes_api import directory
from tests.kubernetes_api.access_rules import check_access
from tests.kubernetes_api.faults import Failure, Faults
from tests.kubernetes_api.kinds import Target, find_target
from tests.kubernetes_api.refusals import Refusal, bad_request, no_such_resource, unauthorized
from tests.kubernetes_api.store import Store
from tests.kubernetes_api.verbs import Request, answer
from tests.kubernetes_api.watches import Watches

_MAX_BODY_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One call that somebody made."""

    account: str
    verb: str
    group: str
    resource: str
    """Plural."""
    subresource: str
    namespace: str
    name: str
    status: int
    """0 while it is being answered, and for good when its connection was dropped."""


class ApiServer:
    """Answers over HTTPS; lives in one event loop."""

    def __init__(self, store: Store, faults: Faults, tokens: Mapping[str, str]) -> None:
        """Prepare to serve.

        Args:
            store: the objects.
            faults: what goes wrong on purpose.
            tokens: whose each token is.
        """
        self.watches = Watches(store)
        self.calls: list[Call] = []
        self.warnings: list[str] = []
        self.thawed = asyncio.Event()
        """Cleared: connections are accepted, and nothing is answered."""
        self.thawed.set()
        self._store = store
        self._faults = faults
        self._tokens = tokens
        self._runner: web.AppRunner | None = None

    async def start(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        """Serve at a socket that is bound."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=context).start()

    async def stop(self) -> None:
        """Close the port and every connection at once."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        server = runner.server
        assert isinstance(server, web.Server)
        for site in list(runner.sites):
            await site.stop()
        for connection in list(server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await self.thawed.wait()
        try:
            return await self._answer(request)
        except Refusal as exc:
            headers = {}
            if exc.retry_after_s is not None:
                headers["Retry-After"] = str(exc.retry_after_s)
            return web.json_response(exc.document(), status=exc.status, headers=headers)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        account = self._account(request)
        found = directory.document(request.path)
        if found is not None:
            return web.json_response(found)
        target = find_target(request.path)
        if target is None:
            raise no_such_resource()
        verb = _verb(request, target)
        body, content_type = await _read(request)
        asked = Request(
            verb,
            target,
            query=request.query,
            body=body,
            content_type=content_type,
            manager=_manager(request),
        )
        call = Call(
            account,
            verb,
            target.kind.group,
            target.kind.plural,
            target.subresource,
            target.namespace,
            asked.name,
            0,
        )
        place = len(self.calls)
        self.calls.append(call)
        try:
            response = await self._suffer(request, asked, account)
        except Refusal as exc:
            self.calls[place] = replace(call, status=exc.status)
            raise
        self.calls[place] = replace(call, status=response.status)
        return response

    async def _suffer(
        self, request: web.Request, asked: Request, account: str
    ) -> web.StreamResponse:
        """Answer a call, with the faults that it meets."""
        is_lost = is_garbled = False
        for fault in self._faults.take(asked.verb, asked.target.resource, asked.name):
            if fault.failure is Failure.SLOW:
                await asyncio.sleep(fault.seconds)
            elif fault.failure is Failure.DROPPED_BEFORE:
                return _drop(request)
            elif fault.failure is Failure.REFUSED and fault.refusal is not None:
                raise fault.refusal
            is_lost |= fault.failure is Failure.DROPPED_AFTER
            is_garbled |= fault.failure is Failure.GARBLED
        check_access(self._store, account, asked.verb, asked.target)
        if asked.verb == "watch":
            return await self.watches.serve(request, asked.target)
        status, document = answer(self._store, asked)
        self.warnings += asked.warnings
        if is_lost:
            return _drop(request)
        if is_garbled:
            return web.Response(text="<html>A proxy says hello</html>", content_type="text/html")
        response = web.json_response(document, status=status)
        for warning in asked.warnings:
            response.headers.add("Warning", f"299 - {json.dumps(warning)}")
        return response

    def _account(self, request: web.Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token not in self._tokens:
            raise unauthorized()
        return self._tokens[token]


def _verb(request: web.Request, target: Target) -> str:
    if request.method == "GET":
        if request.query.get("watch") in ("true", "True", "1"):
            return "watch"
        return "get" if target.name else "list"
    if request.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch"}
    if request.method not in verbs:
        raise Refusal(405, "MethodNotAllowed", "the server does not allow this method")
    return verbs[request.method]


async def _read(request: web.Request) -> tuple[Any, str]:
    """Return the body and its media type."""
    content = await request.read()
    content_type = request.headers.get("Content-Type", "application/json")
    if not content:
        return None, content_type
    try:
        if "yaml" in content_type:
            return yaml.safe_load(content), content_type
        return json.loads(content), content_type
    except (ValueError, yaml.YAMLError) as exc:
        raise bad_request(f"the object provided is unrecognized: {exc}") from exc


def _manager(request: web.Request) -> str:
    agent = request.headers.get("User-Agent", "unknown").split("/")[0]
    return request.query.get("fieldManager") or agent


def _drop(request: web.Request) -> web.StreamResponse:
    """Break the connection instead of an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
