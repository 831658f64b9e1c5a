"""The open loop: every image leaves at its own moment, whatever became of those before it."""

import asyncio
import logging
from collections.abc import Sequence

from load_tester.engine.calm import keep_calm
from load_tester.engine.carrying import Carrier
from load_tester.engine.recorder import Flight, Recorder
from load_tester.engine.stopping import run_until
from load_tester.images import Upload
from load_tester.pacing import now_s, open_pacer
from load_tester.plan.plan import Plan, PlannedSend
from load_tester.record import Outcome
from load_tester.targets.base import Target

# Enough to reach the first send calmly.
LEAD_S = 0.02

log = logging.getLogger(__name__)


class OpenLoop:
    """Replays one plan against one target and leaves every end in the recorder."""

    def __init__(
        self,
        target: Target,
        *,
        plan: Plan,
        uploads: Sequence[Upload],
        recorder: Recorder,
        max_workers: int | None,
        timeout_s: float,
    ) -> None:
        self._target = target
        self._plan = plan
        self._uploads = uploads
        self._recorder = recorder
        self._carrier = Carrier(recorder, max_workers=max_workers, timeout_s=timeout_s)

    async def run(self, stop: asyncio.Event) -> bool:
        """Send everything and wait for every end; return whether `stop` cut it short.

        When it returns, the recorder holds exactly one record for each planned send.
        """
        with keep_calm():
            self._recorder.start_s = now_s() + LEAD_S
            interrupted = await run_until(stop, self._replay())
        self._record_unreached()
        return interrupted

    async def _replay(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._announce())
            with open_pacer() as pacer:
                for send in self._plan.sends():
                    await pacer.sleep_until(self._recorder.start_s + send.at_s)
                    flight, upload = self._prepare(send)
                    endpoint = self._target.choose(send.index)
                    group.create_task(self._carrier.carry(flight, upload, endpoint))

    async def _announce(self) -> None:
        """Log each second as it begins, beside the sender so that a log line delays no send."""
        for second, count in enumerate(self._plan.per_second, start=1):
            left_s = self._recorder.start_s + second - 1 - now_s()
            await asyncio.sleep(max(0.0, left_s))
            log.info("Second %d: Sending %d images", second, count)

    def _record_unreached(self) -> None:
        """Record the sends whose moment, or whose first step, an interruption forestalled."""
        for send in self._plan.sends():
            if not self._recorder.has_ended(send.index):
                flight, _ = self._prepare(send)
                flight.target = self._target.choose(send.index).name
                self._recorder.end(flight, Outcome.NOT_SENT, "interrupted")

    def _prepare(self, send: PlannedSend) -> tuple[Flight, Upload]:
        upload = self._uploads[send.index % len(self._uploads)]
        flight = Flight(index=send.index, second=send.second, at_s=send.at_s, file=upload.file)
        return flight, upload
