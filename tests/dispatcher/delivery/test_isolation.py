"""Real receivers, some of which never answer: the others notice nothing (P19)."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from dispatcher.delivery.client import WebhookClient
from dispatcher.delivery.signing import load_signer
from tests.dispatcher.delivery.receiver import Receiver, receiving, silent
from tests.dispatcher.delivery.sending import ANYWHERE, Post
from tests.dispatcher.waiting import now_s, until

WEBHOOKS = 200
SILENT_RECEIVERS = 5


class Delays:
    """How long after the end of its job each webhook arrived."""

    def __init__(self) -> None:
        self.ended_at: dict[str, float] = {}
        self.seconds: list[float] = []

    async def answer(self, receiver: Receiver, writer: asyncio.StreamWriter) -> None:
        """Take the time of a webhook, and answer it."""
        job_id = receiver.requests[-1].headers["webhook-id"].removeprefix("msg_")
        self.seconds.append(now_s() - self.ended_at[job_id])
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()


async def test_a_slow_receiver_delays_the_webhooks_of_others_by_less_than_two_seconds(
    tmp_path: Path,
) -> None:
    post, delays = Post(), Delays()
    client = WebhookClient(
        load_signer=lambda: load_signer(None, data_dir=tmp_path), policy=ANYWHERE
    )
    await client.start()
    async with asyncio.timeout(30), receiving(delays.answer) as good, AsyncExitStack() as stack:
        silent_ones = [
            await stack.enter_async_context(receiving(silent)) for _ in range(SILENT_RECEIVERS)
        ]
        async with post.sending(caller=client):
            for number in range(WEBHOOKS):
                for index, receiver in enumerate(silent_ones):
                    url = f"http://127.0.0.1:{receiver.port}/"
                    await post.end(f"silent-{index}-{number}", url=url)
                delays.ended_at[f"good-{number}"] = now_s()
                await post.end(f"good-{number}", url=f"http://127.0.0.1:{good.port}/")
                await asyncio.sleep(0)
            await until(lambda: post.counted("delivered") == WEBHOOKS)
            assert all(receiver.connections == 1 for receiver in silent_ones)
    await client.close()
    p99_s = sorted(delays.seconds)[int(0.99 * WEBHOOKS)]
    assert p99_s <= 2.0, f"p99 {p99_s:.3f} s"
