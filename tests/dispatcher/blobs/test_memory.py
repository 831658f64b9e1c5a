from dispatcher.blobs.memory import MemoryBlobStore


async def test_bytes_that_nobody_holds_take_no_memory() -> None:
    blobs = MemoryBlobStore()
    await blobs.put("a" * 64, b"koala")
    await blobs.put("b" * 64, b"drum")
    await blobs.release("a" * 64)
    assert blobs.total_bytes() == len(b"drum")
