"""What the result store says to the database."""

import json
from collections.abc import Sequence
from typing import Any, Final

import apsw

from dispatcher.jobs import Batch, Delivery, Job
from dispatcher.storage.writes import Write

GONE_REMEMBERED: Final = 100_000
"""How many ids of dropped jobs are remembered to answer 410 instead of 404."""

JOBS: Final = "SELECT place, id, is_hit, ended_at FROM jobs ORDER BY ifnull(ended_at, 0), place"
OPEN_JOBS: Final = "SELECT document FROM jobs WHERE ended_at IS NULL ORDER BY place"
ALL_JOBS: Final = "SELECT document FROM jobs ORDER BY place"
JOB: Final = "SELECT document FROM jobs WHERE place = ?"
PAGE: Final = (
    "SELECT place, id, document FROM jobs WHERE place < ? AND tenant = ? "
    "ORDER BY place DESC LIMIT ?"
)
PAGE_OF_ALL: Final = (
    "SELECT place, id, document FROM jobs WHERE place < ? ORDER BY place DESC LIMIT ?"
)
GONE: Final = "SELECT id FROM gone ORDER BY place"
ALL_BATCHES: Final = "SELECT document FROM batches ORDER BY place"
BATCH: Final = "SELECT document FROM batches WHERE id = ?"
COUNT_BATCHES: Final = "SELECT count(*) FROM batches"
BY_KEY: Final = (
    "SELECT fingerprint, job_id FROM idempotency WHERE tenant = ? AND key = ? AND since >= ?"
)
CACHED: Final = "SELECT place, key, document FROM cached ORDER BY place"
DELIVERIES: Final = "SELECT job_id, due_at, tries FROM deliveries ORDER BY due_at"
DROP_CACHED: Final = "DELETE FROM cached WHERE place = ?"
DROP_KEYS: Final = "DELETE FROM idempotency WHERE since < ?"
END_DELIVERY: Final = "DELETE FROM deliveries WHERE job_id = ?"
_INSERT_JOB: Final = (
    "INSERT INTO jobs (place, id, tenant, state, is_hit, ended_at, document) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_PUT_DELIVERY: Final = "INSERT OR REPLACE INTO deliveries (job_id, due_at, tries) VALUES (?, ?, ?)"
_DROP_JOBS: Final = (
    "DELETE FROM jobs WHERE place IN (SELECT value FROM json_each(?)) RETURNING document"
)
_REMEMBER_GONE: Final = (
    "INSERT INTO gone (id) "
    "SELECT id FROM jobs WHERE place IN (SELECT value FROM json_each(?)) ORDER BY place"
)
_FORGET_GONE: Final = "DELETE FROM gone WHERE place <= (SELECT max(place) FROM gone) - ?"
_DROP_BATCHES: Final = """
    DELETE FROM batches WHERE place IN (
        SELECT place FROM (
            SELECT place, created_at, sum(files) OVER (ORDER BY place DESC) AS younger,
                max(place) OVER () AS newest
            FROM batches
        ) WHERE created_at < ? OR (younger > ? AND place < newest)
    ) RETURNING document
"""


def running(statement: str, bindings: tuple[Any, ...]) -> Write:
    """Return what runs one statement."""

    def write(database: apsw.Connection) -> None:
        database.execute(statement, bindings)

    return write


def insertion(job: Job, place: int, document: bytes) -> Write:
    """Return what keeps a new job, its Idempotency-Key, and its webhook should it have ended."""

    def write(database: apsw.Connection) -> None:
        database.execute(_INSERT_JOB, _row(job, place, document))
        if job.idempotency is not None:
            database.execute(
                "INSERT OR REPLACE INTO idempotency (tenant, key, fingerprint, job_id, since) "
                "VALUES (?, ?, ?, ?, ?)",
                (
                    job.tenant,
                    job.idempotency.key,
                    job.idempotency.fingerprint,
                    job.id,
                    job.queued_at,
                ),
            )
        if job.state.is_terminal:
            _let_deliver(database, job)

    return write


class HitInsertion:
    """Keeps jobs that the cache answered: as many as came until it runs."""

    def __init__(self) -> None:
        self.has_run = False
        self._rows: list[tuple[Any, ...]] = []

    def add(self, job: Job, place: int, document: bytes) -> None:
        """Take one more along."""
        self._rows.append(_row(job, place, document))

    def __call__(self, database: apsw.Connection) -> None:
        """Insert them; again, when the transaction failed for another reason."""
        self.has_run = True
        database.executemany(_INSERT_JOB, self._rows)


def ending(job: Job, place: int, document: bytes) -> Write:
    """Return what keeps the end of a job, together with its webhook."""

    def write(database: apsw.Connection) -> None:
        database.execute(
            "UPDATE jobs SET state = ?, ended_at = ?, document = ? WHERE place = ?",
            (job.state.value, job.completed_at, document, place),
        )
        _let_deliver(database, job)

    return write


def discarding(job: Job, place: int) -> Write:
    """Return what forgets a job that was never accepted."""

    def write(database: apsw.Connection) -> None:
        database.execute("DELETE FROM jobs WHERE place = ?", (place,))
        if job.idempotency is not None:
            database.execute(
                "DELETE FROM idempotency WHERE tenant = ? AND key = ? AND job_id = ?",
                (job.tenant, job.idempotency.key, job.id),
            )

    return write


def batch_insertion(batch: Batch, document: bytes) -> Write:
    """Return what keeps a batch."""
    return running(
        "INSERT INTO batches (id, created_at, files, document) VALUES (?, ?, ?, ?)",
        (batch.id, batch.created_at, len(batch.files), document),
    )


def batch_deletion(batch: Batch) -> Write:
    """Return what forgets a batch that was never accepted."""
    return running("DELETE FROM batches WHERE id = ?", (batch.id,))


def caching(key: str, place: int, document: bytes) -> Write:
    """Return what keeps a cached result, as the youngest."""
    return running(
        "INSERT INTO cached (place, key, document) VALUES (?, ?, ?)", (place, key, document)
    )


def delivery(due: Delivery) -> Write:
    """Return what keeps a webhook that is still to be delivered."""
    return running(_PUT_DELIVERY, (due.job_id, due.due_at, due.tries))


class JobDrop:
    """Drops jobs and remembers their ids."""

    def __init__(self, places: Sequence[int]) -> None:
        """Choose what to drop, by place."""
        self._places = places
        self.documents: list[bytes] = []
        """What was dropped, once it has run."""

    def __call__(self, database: apsw.Connection) -> None:
        """Drop them."""
        places = json.dumps(self._places)
        database.execute(_REMEMBER_GONE, (places,))
        dropped: list[tuple[Any, ...]] = database.execute(_DROP_JOBS, (places,)).fetchall()
        self.documents = [document for (document,) in dropped]
        database.execute(_FORGET_GONE, (GONE_REMEMBERED,))


class BatchDrop:
    """Drops batches by age and by their number of files; the newest stays whatever it has."""

    def __init__(self, *, created_before: float, most_files: int) -> None:
        """Choose what to drop: what is older, and the oldest beyond so many files."""
        self._bindings = (created_before, most_files)
        self.documents: list[bytes] = []
        """What was dropped, once it has run."""

    def __call__(self, database: apsw.Connection) -> None:
        """Drop them."""
        rows: list[tuple[Any, ...]] = database.execute(_DROP_BATCHES, self._bindings).fetchall()
        self.documents = [document for (document,) in rows]


def _row(job: Job, place: int, document: bytes) -> tuple[Any, ...]:
    ended_at = job.completed_at if job.state.is_terminal else None
    return (place, job.id, job.tenant, job.state.value, job.from_cache, ended_at, document)


def _let_deliver(database: apsw.Connection, job: Job) -> None:
    if job.webhook_url is not None:
        database.execute(_PUT_DELIVERY, (job.id, job.completed_at, 0))
