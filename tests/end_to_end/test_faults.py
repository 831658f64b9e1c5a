"""What one bad thing may do to the rest: nothing."""

import asyncio
import signal
from io import BytesIO
from pathlib import Path

import httpx
import psutil
from PIL import Image

from tests.end_to_end.service import distinct, end, is_gone, photo, running, start, wait_until


def many_scans(count: int) -> bytes:
    """A progressive JPEG with far more scans than any encoder makes: minutes of decoding."""
    buffer = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def test_a_jpeg_with_thousands_of_scans_fails_at_once(client: httpx.Client) -> None:
    response = client.post("/predict", files={"image": ("bomb.jpg", many_scans(2000))})
    assert response.json()["error"]["code"] == "image_too_complex"
    assert client.post("/predict", files={"image": ("k.jpg", photo())}).status_code == 200


async def test_without_any_replica_jobs_wait_and_go_on_when_one_is_back(data_dir: Path) -> None:
    with running(data_dir, "--replicas", "1", "--operation-replicas", "0") as own:
        async with httpx.AsyncClient(base_url=own.url, timeout=60) as client:
            own.replicas()[0].send_signal(signal.SIGKILL)
            responses = await asyncio.gather(
                *(
                    client.post("/predict", files={"image": ("k.jpg", distinct(photo(), n))})
                    for n in range(20)
                )
            )
    assert {response.json()["status"] for response in responses} == {"completed"}


def test_a_signal_during_the_first_conversion_leaves_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    process = start(data_dir, "--port", "0")
    try:
        wait_until(lambda: list(data_dir.glob("models/*.lock")), what="the conversion")
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0
    finally:
        end(process)
    wait_until(lambda: is_gone(family), what="the end of the children")
    assert not list(data_dir.glob("topology/*"))
    assert not list(data_dir.glob("models/.new-*"))
