"""What becomes of jobs: lists of them, ``DELETE /result/<id>``, and repeating failed ones."""

from typing import Final

from starlette.routing import Route

from dispatcher.api.asgi import Receive, Scope, Send, read_query, send_json, tenant_of
from dispatcher.api.documents import ticket
from dispatcher.api.jobs import ResultView
from dispatcher.api.records import RecordView
from dispatcher.errors import GoneError, InvalidValueError, NotFoundError
from dispatcher.intake.endings import Endings
from dispatcher.intake.requeueing import Requeueing
from dispatcher.jobs import JobState
from dispatcher.queues.base import JobQueue
from dispatcher.results.base import ResultStore

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_TEXT: Final = 200
_MAX_DIGITS: Final = 3
_NOTHING: Final[frozenset[str]] = frozenset()


def result_routes(
    *, listing: "ListEndpoint", cancel: "CancelEndpoint", requeue: "RequeueEndpoint"
) -> list[Route]:
    """Return the routes of this resource."""
    return [
        Route("/results", listing, methods=["GET"]),
        Route("/result/{request_id}", cancel, methods=["DELETE"]),
        Route("/result/{request_id}/requeue", requeue, methods=["POST"]),
    ]


class ListEndpoint:
    """``GET /results``: the caller's jobs, the latest first, a page at a time."""

    def __init__(self, results: ResultStore, view: ResultView) -> None:
        self._results = results
        self._records = RecordView(results)
        self._view = view

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        query = read_query(scope, allowed=frozenset({"status", "q", "limit", "after"}))
        states = parse_states(query["status"]) if "status" in query else frozenset()
        text = parse_text(query["q"]) if "q" in query else ""
        limit = parse_limit(query.get("limit", str(DEFAULT_LIMIT)))
        tenant, after = tenant_of(scope), query.get("after")
        if after is not None:
            await self._check_known(after, tenant=tenant)
        # One more than asked for tells whether another page follows.
        jobs = await self._results.list_jobs(
            tenant=tenant, states=states, text=text, before=after, limit=limit + 1
        )
        page = jobs[:limit]
        document = {
            "results": [self._view.document(job) for job in page],
            "next": page[-1].id if len(jobs) > limit else None,
        }
        await send_json(send, 200, document)

    async def _check_known(self, job_id: str, *, tenant: str) -> None:
        """Return when a page may begin after a job: one that has gone would end the list early."""
        try:
            await self._records.job(job_id, tenant=tenant)
        except (NotFoundError, GoneError) as exc:
            raise InvalidValueError("after names no job that is kept.") from exc


class CancelEndpoint:
    """``DELETE /result/<id>``: ends a job that is no longer wanted."""

    def __init__(self, results: ResultStore, endings: Endings) -> None:
        self._records = RecordView(results)
        self._endings = endings

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        read_query(scope, allowed=_NOTHING)
        job = await self._records.job(scope["path_params"]["request_id"], tenant=tenant_of(scope))
        cancelled = await self._endings.cancel(job)
        document = {"request_id": cancelled.id, "status": cancelled.state.value}
        await send_json(send, 200, document)


class RequeueEndpoint:
    """``POST /result/<id>/requeue``: repeats a failed job as a new one."""

    def __init__(self, results: ResultStore, requeueing: Requeueing, queue: JobQueue) -> None:
        self._records = RecordView(results)
        self._requeueing = requeueing
        self._queue = queue

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        read_query(scope, allowed=_NOTHING)
        failed = await self._records.job(
            scope["path_params"]["request_id"], tenant=tenant_of(scope)
        )
        job = await self._requeueing.requeue(failed)
        status = 200 if job.from_cache else 202
        await send_json(send, status, ticket(job, queue_size=self._queue.depth()))


def parse_states(text: str) -> frozenset[JobState]:
    """Return states that are named with commas between them.

    Raises:
        InvalidValueError: one is none.
    """
    try:
        return frozenset(JobState(name) for name in text.split(","))
    except ValueError as exc:
        known = ", ".join(JobState)
        raise InvalidValueError(f"status names states with commas between them: {known}.") from exc


def parse_text(text: str) -> str:
    """Return what is looked for in the names of jobs.

    Raises:
        InvalidValueError: it is empty or too long.
    """
    if not 1 <= len(text) <= MAX_TEXT:
        raise InvalidValueError(f"q has 1 to {MAX_TEXT} characters.")
    return text


def parse_limit(text: str) -> int:
    """Return how many jobs a page shall have.

    Raises:
        InvalidValueError: it is no number that may be.
    """
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    if not is_number or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidValueError(f"limit is a whole number from 1 to {MAX_LIMIT}.")
    return int(text)
