import asyncio
import errno
from pathlib import Path

import apsw
import pytest

from dispatcher.errors import StorageFullError
from dispatcher.storage.writer import Writer
from tests.dispatcher.storage.writing import PAGE_BYTES, fill_up, make_space, note, notes
from tests.dispatcher.waiting import turns, until

LARGE = 50 * PAGE_BYTES


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.storage.writer._PAUSE_S", 0.005)


@pytest.fixture
def restored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reserve is set aside again without waiting for a while."""
    monkeypatch.setattr("dispatcher.storage.reserve._TRY_AGAIN_S", 0.0)


def reserve_of(tmp_path: Path) -> Path:
    return tmp_path / "reserve"


async def test_new_work_is_refused_and_what_has_to_be_kept_waits_for_space(
    writer: Writer,
) -> None:
    await fill_up(writer)
    needed = writer.submit(note("needed", size_bytes=LARGE))
    new = writer.submit(note("new", size_bytes=LARGE), is_new_work=True)
    with pytest.raises(StorageFullError) as refused:
        await new
    assert refused.value.retry_after_s is not None
    await turns(50)
    assert not needed.done()
    await make_space(writer)
    await needed
    assert notes(writer) == ["needed"]


async def test_what_waits_for_space_keeps_its_order(writer: Writer) -> None:
    await fill_up(writer)
    writes = [writer.submit(note(str(n), size_bytes=LARGE)) for n in range(3)]
    await turns(20)
    writes.append(writer.submit(note("3", size_bytes=LARGE)))
    await make_space(writer)
    await asyncio.gather(*writes)
    assert notes(writer) == ["0", "1", "2", "3"]


async def test_what_fits_is_committed_although_its_neighbour_does_not_fit(
    writer: Writer,
) -> None:
    await fill_up(writer, free_pages=2)
    small = writer.submit(note("small"))
    large = writer.submit(note("large", size_bytes=LARGE), is_new_work=True)
    with pytest.raises(StorageFullError):
        await large
    await small
    assert notes(writer) == ["small"]


async def test_the_reserve_is_there_from_the_start(writer: Writer, tmp_path: Path) -> None:
    writer.require_space()
    assert reserve_of(tmp_path).stat().st_blocks * 512 >= 8 * 1024 * 1024


async def test_the_reserve_is_given_up_and_set_aside_again(
    writer: Writer, tmp_path: Path, restored_at_once: None
) -> None:
    await fill_up(writer)
    needed = writer.submit(note("needed", size_bytes=LARGE))
    await until(lambda: not reserve_of(tmp_path).exists())
    await make_space(writer)
    await needed
    await until(reserve_of(tmp_path).exists)


async def test_while_the_reserve_is_in_use_new_work_is_refused_at_once(
    writer: Writer,
) -> None:
    await fill_up(writer, free_pages=2)
    with pytest.raises(StorageFullError):
        await writer.submit(note("too large", size_bytes=LARGE), is_new_work=True)
    with pytest.raises(StorageFullError):
        writer.require_space()
    for _ in range(3):
        refused = writer.submit(note("small"), is_new_work=True)
        assert refused.done(), "without asking the disk"
        with pytest.raises(StorageFullError):
            await refused
    await writer.submit(note("needed"))
    assert notes(writer) == ["needed"]


@pytest.mark.usefixtures("restored_at_once")
async def test_new_work_is_taken_again_once_there_is_space(writer: Writer) -> None:
    await fill_up(writer)
    with pytest.raises(StorageFullError):
        await writer.submit(note("refused", size_bytes=LARGE), is_new_work=True)
    await make_space(writer)
    await writer.submit(note("new"), is_new_work=True)
    assert notes(writer) == ["new"]


@pytest.mark.usefixtures("restored_at_once")
async def test_new_work_is_refused_for_as_long_as_there_is_no_space_for_a_reserve(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill_up(writer)
    with pytest.raises(StorageFullError):
        await writer.submit(note("refused", size_bytes=LARGE), is_new_work=True)
    await make_space(writer)

    def fallocate(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", fallocate)
    with pytest.raises(StorageFullError):
        writer.require_space()
    monkeypatch.undo()
    writer.require_space()


async def test_whoever_wants_to_read_on_a_full_disk_is_told_so(writer: Writer) -> None:
    await fill_up(writer)
    writer.submit(note("needed", size_bytes=LARGE))
    async with asyncio.timeout(5):
        with pytest.raises(StorageFullError):
            await writer.catch_up()
    await make_space(writer)
    await writer.catch_up()
    assert notes(writer) == ["needed"]


async def test_closing_on_a_full_disk_gives_up_what_cannot_be_written(writer: Writer) -> None:
    await fill_up(writer)
    needed = writer.submit(note("needed", size_bytes=LARGE))
    await turns(20)
    async with asyncio.timeout(5):
        await writer.close()
    with pytest.raises(apsw.FullError):
        await needed


async def test_a_disk_that_is_full_at_the_start_has_new_work_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fallocate(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", fallocate)
    writer = Writer(tmp_path)
    await writer.start()
    with pytest.raises(StorageFullError):
        writer.require_space()
    await writer.close()
