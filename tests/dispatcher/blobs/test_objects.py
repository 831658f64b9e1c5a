"""What a store of several dispatchers does besides: it renews, checks and tidies."""

import logging
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.blobs.base import BlobCorruptError, BlobMissingError
from dispatcher.errors import ResultsUnavailableError, StorageUnavailableError
from dispatcher.servers.objects import ObjectStore
from tests.dispatcher.blobs.holding import digest_of, is_kept
from tests.dispatcher.blobs.sharing import RETENTION_S, Calendar, blobs_over
from tests.dispatcher.servers.connecting import opened
from tests.servers.s3 import S3Server
from tests.servers.s3_faults import Fault, S3Faults

IMAGE = b"koala" * 100
DIGEST = digest_of(IMAGE)
PATH = f"blobs/{DIGEST[:2]}/{DIGEST}"


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    """Objects in a directory."""
    async with opened(str(tmp_path)) as objects:
        yield objects


def age(root: Path, by_s: float) -> None:
    """Have what is kept be older."""
    then = time.time() - by_s
    os.utime(root / PATH, (then, then))


def age_s(root: Path) -> float:
    return time.time() - (root / PATH).stat().st_mtime


async def test_what_one_dispatcher_has_put_another_reads(objects: ObjectStore) -> None:
    here, there = blobs_over(objects), blobs_over(objects)
    await here.put(DIGEST, IMAGE)
    assert await there.hold(DIGEST)
    await here.release(DIGEST)
    assert await is_kept(there, IMAGE)


# Renewing


@pytest.mark.parametrize("is_known", [True, False])
async def test_bytes_that_are_there_are_not_sent_again(
    objects: ObjectStore, tmp_path: Path, *, is_known: bool
) -> None:
    blobs = blobs_over(objects)
    await blobs.put(DIGEST, IMAGE)
    age(tmp_path, 0.4 * RETENTION_S)
    await (blobs if is_known else blobs_over(objects)).put(DIGEST, IMAGE)
    assert age_s(tmp_path) >= 0.4 * RETENTION_S


@pytest.mark.parametrize("is_known", [True, False])
async def test_bytes_that_would_go_too_soon_are_renewed_by_a_put(
    objects: ObjectStore, tmp_path: Path, *, is_known: bool
) -> None:
    blobs = blobs_over(objects)
    await blobs.put(DIGEST, IMAGE)
    age(tmp_path, 0.6 * RETENTION_S)
    await (blobs if is_known else blobs_over(objects)).put(DIGEST, IMAGE)
    assert age_s(tmp_path) < 0.1 * RETENTION_S


async def test_bytes_that_would_go_too_soon_are_renewed_by_a_hold(
    objects: ObjectStore, tmp_path: Path
) -> None:
    await blobs_over(objects).put(DIGEST, IMAGE)
    age(tmp_path, 0.6 * RETENTION_S)
    assert await blobs_over(objects).hold(DIGEST)
    assert age_s(tmp_path) < 0.1 * RETENTION_S


async def test_a_hold_that_others_follow_closely_asks_once(
    objects: ObjectStore, tmp_path: Path
) -> None:
    clock = Calendar()
    blobs = blobs_over(objects, clock=clock)
    await blobs.put(DIGEST, IMAGE)
    (tmp_path / PATH).unlink()
    assert await blobs.hold(DIGEST), "it was there a moment ago"
    clock.ahead_s = 60.0
    assert not await blobs.hold(DIGEST)
    await blobs.put(DIGEST, IMAGE)
    assert await is_kept(blobs, IMAGE)


async def test_what_was_removed_behind_the_stores_back_can_be_put_again(
    objects: ObjectStore, tmp_path: Path
) -> None:
    blobs = blobs_over(objects)
    await blobs.put(DIGEST, IMAGE)
    (tmp_path / PATH).unlink()
    await blobs.put(DIGEST, IMAGE)
    assert await is_kept(blobs, IMAGE)


async def test_what_an_earlier_process_needs_is_held_if_it_is_there(objects: ObjectStore) -> None:
    blobs = blobs_over(objects)
    await blobs.put(DIGEST, IMAGE)
    assert await blobs.adopt({DIGEST: 2, digest_of(b"none"): 1}) == [digest_of(b"none")]


# Damage


@pytest.mark.parametrize(
    "damaged", [IMAGE[:-1], b"", IMAGE[:-1] + b"?"], ids=["cut off", "empty", "altered"]
)
async def test_damaged_bytes_are_never_given_out_and_can_be_put_again(
    objects: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: bytes
) -> None:
    blobs = blobs_over(objects)
    await blobs.put(DIGEST, IMAGE)
    (tmp_path / PATH).write_bytes(damaged)
    with pytest.raises(BlobCorruptError):
        await blobs_over(objects).get(DIGEST)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    await blobs.put(DIGEST, IMAGE)
    assert await is_kept(blobs, IMAGE)


async def test_a_cut_off_object_is_mended_by_the_next_who_puts_it(
    objects: ObjectStore, tmp_path: Path
) -> None:
    await blobs_over(objects).put(DIGEST, IMAGE)
    (tmp_path / PATH).write_bytes(IMAGE[:10])
    await blobs_over(objects).put(DIGEST, IMAGE)
    assert await is_kept(blobs_over(objects), IMAGE)


async def test_long_bytes_are_checked_too(objects: ObjectStore, tmp_path: Path) -> None:
    data = b"x" * 3_000_000
    blobs = blobs_over(objects)
    await blobs.put(digest_of(data), data)
    assert await is_kept(blobs, data)
    (file,) = (tmp_path / "blobs").rglob(digest_of(data))
    file.write_bytes(b"y" * len(data))
    with pytest.raises(BlobCorruptError):
        await blobs.get(digest_of(data))


async def test_damage_on_the_way_is_no_damage(s3_server: S3Server, s3_url: str) -> None:
    with S3Faults(s3_server.port) as faults:
        async with opened(s3_url.replace(str(s3_server.port), str(faults.port))) as objects:
            blobs = blobs_over(objects)
            await blobs.put(DIGEST, IMAGE)
            faults.fail(Fault.ALTERED, methods=["GET"], times=1)
            assert await blobs.get(DIGEST) == IMAGE
            faults.fail(Fault.ALTERED, methods=["GET"])
            with pytest.raises(BlobCorruptError):
                await blobs.get(DIGEST)


# Tidying


async def test_what_nobody_needed_for_long_goes_and_the_rest_is_counted(
    objects: ObjectStore, tmp_path: Path
) -> None:
    blobs = blobs_over(objects)
    await blobs.put(DIGEST, IMAGE)
    await blobs.put(digest_of(b"drum"), b"drum")
    age(tmp_path, RETENTION_S + 1)
    await blobs.tidy()
    assert blobs.total_bytes() == len(b"drum")
    with pytest.raises(BlobMissingError):
        await blobs.get(DIGEST)
    assert await is_kept(blobs, b"drum")


async def test_what_is_renewed_while_it_is_listed_stays(
    objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing was made before, and says that it is old."""
    blobs = blobs_over(objects)
    await blobs.put(DIGEST, IMAGE)
    age(tmp_path, RETENTION_S + 1)
    listed = [info async for info in objects.list("blobs")]

    async def list_late(folder: str) -> AsyncIterator[object]:
        await blobs_over(objects).put(DIGEST, IMAGE)
        for info in listed:
            yield info

    monkeypatch.setattr(objects, "list", list_late)
    await blobs.tidy()
    assert await is_kept(blobs, IMAGE)


async def test_one_looks_every_ten_minutes_and_the_others_never(objects: ObjectStore) -> None:
    asked = 0

    async def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    clock = Calendar()
    blobs = blobs_over(objects, clock=clock, may_tidy=count)
    await blobs.put(DIGEST, IMAGE)
    for ahead_s in (0.0, 10.0, 500.0, 700.0, 800.0):
        clock.ahead_s = ahead_s
        await blobs.tidy()
    assert asked == 2
    assert blobs.total_bytes() == 0, "who may not tidy does not list either"


@pytest.mark.parametrize("error", [ResultsUnavailableError, StorageUnavailableError])
async def test_servers_that_are_away_only_put_tidying_off(
    objects: ObjectStore, error: type[Exception]
) -> None:
    async def fail() -> bool:
        raise error

    await blobs_over(objects, may_tidy=fail).tidy()
