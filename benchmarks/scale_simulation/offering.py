"""The same arrivals, offered to the real service: an open loop."""

import asyncio
import time
from collections.abc import Sequence

import aiohttp

from benchmarks.client import open_session
from benchmarks.photos import Photo
from benchmarks.scale_simulation.arrivals import Arrival
from benchmarks.scale_simulation.service import Image

_WAIT_S = 30


class Offer:
    """Sends images at their moments, whatever becomes of what came before."""

    def __init__(self, url: str, photos: Sequence[Photo], *, query: str) -> None:
        """Prepare to send.

        Args:
            url: of the service.
            photos: taken in turns; a number behind each makes the images different.
            query: of each submission, without the question mark.
        """
        self._address = f"{url}/predict_async?{query}"
        self._url = url
        self._photos = photos
        self._sent = 0

    async def run(self, arrivals: Sequence[Arrival]) -> list[Image]:
        """Return what became of images, in order.

        Raises:
            RuntimeError: an image was neither refused for overload nor completed.
        """
        self._sent += len(arrivals)  # no image of an earlier run comes again
        async with open_session() as session, asyncio.TaskGroup() as tasks:
            began = time.perf_counter()
            sending = []
            for arrival in arrivals:
                await asyncio.sleep(began + arrival.due_s - time.perf_counter())
                sending.append(tasks.create_task(self._send(session, arrival, began)))
        return [task.result() for task in sending]

    async def _send(self, session: aiohttp.ClientSession, arrival: Arrival, began: float) -> Image:
        photo = self._photos[arrival.key % len(self._photos)]
        body = photo.data + b"%d.%d" % (self._sent, arrival.key)
        headers = {"Content-Type": "image/jpeg"}
        async with session.post(self._address, data=body, headers=headers) as response:
            if response.status == 503:
                return Image(arrival.due_s, None)
            ticket = await response.json()
        while True:
            poll = f"{self._url}{ticket['status_url']}?wait={_WAIT_S}"
            async with session.get(poll) as response:
                document = await response.json()
                if response.status == 200:
                    break
        if document["status"] != "completed":
            raise RuntimeError(f"an image was not completed: {document}")
        return Image(arrival.due_s, time.perf_counter() - began - arrival.due_s)
