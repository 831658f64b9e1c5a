"""The tables, one migration for each version: what is in a released one is never changed.

Ids and digests are random, and an index on them would have each row change a page of its own. So
what is written for every image is found by its place, in the order of arrival; which id has which
place is known in memory.
"""

from collections.abc import Sequence
from typing import Final

APPLICATION_ID: Final = 0x43565952
"""Says that a database is Conveyor's: "CVYR"."""

MIGRATIONS: Final[Sequence[str]] = (
    """
    CREATE TABLE jobs (
        place INTEGER PRIMARY KEY,  -- the order of acceptance
        id TEXT NOT NULL,
        tenant TEXT NOT NULL,
        state TEXT NOT NULL,
        is_hit INTEGER NOT NULL,                  -- answered from the cache
        ended_at REAL,                            -- Unix seconds; NULL while it has not
        document BLOB NOT NULL                    -- the whole record, JSON
    );
    CREATE TABLE queue (
        place INTEGER PRIMARY KEY,
        job_id TEXT NOT NULL,
        lane TEXT NOT NULL,
        priority INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,              -- of the image
        tenant TEXT NOT NULL,
        queued_at REAL NOT NULL,                  -- Unix seconds
        deliveries INTEGER NOT NULL DEFAULT 0     -- how often it was leased
    );
    CREATE TABLE cached (
        place INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        document BLOB NOT NULL
    );
    CREATE TABLE batches (
        place INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        created_at REAL NOT NULL,                 -- Unix seconds
        files INTEGER NOT NULL,
        document BLOB NOT NULL
    );
    CREATE TABLE idempotency (
        tenant TEXT NOT NULL,
        key TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        job_id TEXT NOT NULL,
        since REAL NOT NULL,                      -- Unix seconds
        PRIMARY KEY (tenant, key)
    ) WITHOUT ROWID;
    CREATE INDEX idempotency_by_age ON idempotency (since);
    CREATE TABLE deliveries (
        job_id TEXT PRIMARY KEY,
        due_at REAL NOT NULL,                     -- Unix seconds
        tries INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE gone (                           -- ids of jobs that are no longer kept
        place INTEGER PRIMARY KEY,
        id TEXT NOT NULL
    );
    CREATE TABLE blobs (
        place INTEGER PRIMARY KEY,
        digest TEXT NOT NULL,                     -- SHA-256, hexadecimal
        pack INTEGER NOT NULL,
        start INTEGER NOT NULL,                   -- offset in the pack
        size_bytes INTEGER NOT NULL
    );
    """,
)
