"""What the mock service answers to each call: the wire of the dispatcher, and of a replica."""

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs, unquote

import msgspec

from tests.load_tester.mock_service.jobs import Job, JobBook
from tests.load_tester.mock_service.script import Script, right_label
from tests.load_tester.mock_service.truth import Fault
from tests.load_tester.mock_service.wire import CheckingConnection, Connection, Request

REPLICA = "http://127.0.0.1:5000"
_RESULT = b"/result/"


class MockService:
    """Answers calls by its script; `create_connection` is the protocol factory of a server."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._book = JobBook(script)
        self._calls: dict[tuple[str, bytes], Callable[[Connection, Request], None]] = {
            ("POST", b"/predict_async"): self._submit,
            ("POST", b"/process"): self._process,
            ("GET", b"/health"): self._say_health,
            ("GET", b"/livez"): self._say_health,
            ("GET", b"/readyz"): self._say_health,
            ("GET", b"/metrics"): self._say_metrics,
            ("GET", b"/truth"): self._tell_truth,
        }

    def create_connection(self) -> Connection:
        """Return the protocol of one new connection."""
        kind = CheckingConnection if self._script.check_bodies else Connection
        return kind(self._handle)

    def _handle(self, connection: Connection, request: Request) -> None:
        path, _, query = request.url.partition(b"?")
        if path.startswith(_RESULT) and request.method == "GET":
            self._show_result(connection, path.removeprefix(_RESULT), query)
            return
        call = self._calls.get((request.method, path))
        if call is None:
            connection.answer(404, b'{"code":"not_found"}')
        else:
            call(connection, request)

    def _accept(self, request: Request) -> Job:
        # Names in forms are not read: an upload that is one has no file name here.
        file = unquote(request.headers.get(b"x-filename", b"").decode("latin-1"))
        return self._book.accept(
            file=file,
            size_bytes=request.size_bytes,
            began_s=request.began_s,
            crc32=request.crc32,
        )

    def _submit(self, connection: Connection, request: Request) -> None:
        job = self._accept(request)
        if job.fault is Fault.ERROR:
            connection.answer(500, b'{"code":"internal"}')
            return
        ticket = job.request_id.encode()
        connection.answer(
            202,
            b'{"request_id":"%s","status_url":"/result/%s","message":"Request queued for '
            b'processing","queue_size":0,"from_cache":false}' % (ticket, ticket),
        )

    def _process(self, connection: Connection, request: Request) -> None:
        """Answer as a step replica does: with the result itself, once it is there."""
        job = self._accept(request)
        if job.fault is Fault.NONE or job.fault is Fault.WRONG_LABEL:
            job.waiting.append(partial(_answer_processed, connection, job))
        else:
            connection.answer(500, b'{"code":"internal"}')

    def _show_result(self, connection: Connection, ticket: bytes, query: bytes) -> None:
        job = self._book.find(ticket.decode("latin-1"))
        if job is None:
            connection.answer(404, b'{"code":"unknown_request"}')
            return
        if job.done_s is not None:
            _answer_result(connection, job)
            return
        wait_s = _read_wait_s(query) if self._script.hold else 0.0
        if wait_s == 0:
            _answer_pending(connection, job)
        elif time.monotonic() + wait_s < job.due_s:
            asyncio.get_running_loop().call_later(wait_s, _answer_pending, connection, job)
        else:
            job.waiting.append(partial(_answer_result, connection, job))

    def _say_health(self, connection: Connection, _: Request) -> None:
        connection.answer(200, b'{"status":"healthy"}')

    def _say_metrics(self, connection: Connection, _: Request) -> None:
        text = (
            "# TYPE dispatcher_queue_depth gauge\n"
            f"dispatcher_queue_depth {self._book.in_work}\n"
            "# TYPE dispatcher_jobs_total counter\n"
            f'dispatcher_jobs_total{{outcome="completed"}} {self._book.done}\n'
        )
        connection.answer(200, text.encode())

    def _tell_truth(self, connection: Connection, _: Request) -> None:
        connection.answer(200, msgspec.json.encode(self._book.tell()))


def _read_wait_s(query: bytes) -> float:
    values = parse_qs(query).get(b"wait", [b"0"])
    return float(values[0])


def _answer_pending(connection: Connection, job: Job) -> None:
    body = b'{"request_id":"%s","status":"processing"}' % job.request_id.encode()
    connection.answer(202, body, headers=b"Retry-After: 1\r\n")


def _answer_result(connection: Connection, job: Job) -> None:
    connection.answer(
        200,
        b'{"request_id":"%s","filename":%s,"status":"completed","queue_time":%.6f,'
        b'"processing_time":%.6f,"replica_used":"%s","from_cache":false,"coalesced":false,'
        b'"result":%s,"error":null}'
        % (
            job.request_id.encode(),
            json.dumps(job.file).encode() if job.file else b"null",
            job.queue_s,
            job.service_s,
            REPLICA.encode(),
            _classification(job),
        ),
    )


def _answer_processed(connection: Connection, job: Job) -> None:
    step_time = b"X-Step-0-Time: %.6f\r\n" % job.service_s
    connection.answer(200, _classification(job), headers=step_time)


def _classification(job: Job) -> bytes:
    wrong = job.fault is Fault.WRONG_LABEL
    label = "another label" if wrong else right_label(job.file) or "unnamed"
    return (
        b'{"filename":%s,"inference_time":%.6f,"predictions":[%s,"bulbul"],'
        b'"scores":[0.75,0.125],"model":"mock"}'
        % (json.dumps(job.file).encode(), job.service_s, json.dumps(label).encode())
    )
