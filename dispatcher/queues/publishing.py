"""Gives jobs to the broker: each returns confirmed, or not at all.

Jobs that come together have each a message of their own, so that some may be kept when others are
not. Those are taken back by the backlog, and whoever gets such a message finds no open job.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from dispatcher.errors import QueueUnavailableError
from dispatcher.jobs import Job, Priority
from dispatcher.queues.base import QueueFullError
from dispatcher.queues.declarations import Declarations, queue_name
from dispatcher.queues.messages import encode_job
from dispatcher.servers.broker import Broker, MessageRefusedError, NoSuchQueueError
from dispatcher.servers.broker_link import BrokerAwayError

_log = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 2
"""What those are told who come while the broker is away: it is opened again sooner than that."""
_WITHIN_S: Final = 4.5
"""To make the queue, should it not be there yet, and to have the message confirmed."""
_AT_ONCE: Final = 200
"""Messages of one call that are on their way at the same time."""

OnGone = Callable[[str, Priority], None]
"""Called with the lane and priority of a queue that is not there any more."""


class Publishing:
    """Publishes jobs to the queues of their lanes."""

    def __init__(self, broker: Broker, declarations: Declarations, *, on_gone: OnGone) -> None:
        self._broker = broker
        self._declarations = declarations
        self._on_gone = on_gone

    async def publish_all(self, jobs: Sequence[Job]) -> None:
        """Return once the broker keeps all of these jobs.

        Raises:
            QueueFullError: one was refused.
            QueueUnavailableError: of one it cannot be told; within 5 s, as many as they are.
        """
        for first in range(0, len(jobs), _AT_ONCE):
            some = jobs[first : first + _AT_ONCE]
            results = await asyncio.gather(
                *(self.publish(job) for job in some), return_exceptions=True
            )
            errors = [result for result in results if result is not None]
            if errors:
                raise errors[0]

    async def publish(self, job: Job) -> None:
        """Return once the broker keeps a job.

        Raises:
            QueueFullError: it was refused.
            QueueUnavailableError: it cannot be told; within 5 s.
        """
        lane, priority = job.pipeline_id, job.priority
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._declarations.declare(lane)
                name = queue_name(lane, priority)
                await self._broker.publish(name, encode_job(job), message_id=job.id)
        except MessageRefusedError as exc:
            raise QueueFullError from exc
        except NoSuchQueueError as exc:
            self._on_gone(lane, priority)
            raise _unavailable("The queue was not there; it is made again.") from exc
        except (BrokerAwayError, TimeoutError) as exc:
            raise _unavailable("The queue's server does not answer.") from exc


def _unavailable(detail: str) -> QueueUnavailableError:
    return QueueUnavailableError(detail, retry_after_s=RETRY_AFTER_S)
