"""Keeps what happens to every image while it happens; nothing here writes or computes."""

from dataclasses import dataclass

from load_tester.answers import Ticket
from load_tester.polling import Awaited
from load_tester.record import ImageRecord, Outcome
from load_tester.schedule import PlannedSend


@dataclass(slots=True)
class Flight:
    """One image on its way: the moments it has reached so far, on the run's clock."""

    send: PlannedSend
    file: str
    sent_at_s: float | None = None
    accepted_at_s: float | None = None
    ticket: Ticket | None = None


class Recorder:
    """One record for every planned send, in the order in which they ended."""

    def __init__(self) -> None:
        self.start_s = 0.0
        self._records: dict[int, ImageRecord] = {}

    @property
    def records(self) -> tuple[ImageRecord, ...]:
        """Every image that has ended."""
        return tuple(self._records.values())

    def has_ended(self, index: int) -> bool:
        """Tell whether the image with this number has ended."""
        return index in self._records

    def end_ok(self, flight: Flight, awaited: Awaited) -> None:
        """Record an image whose result was seen."""
        self._end(flight, Outcome.OK, None, awaited)

    def end(self, flight: Flight, outcome: Outcome, reason: str) -> None:
        """Record an image that ended without a result."""
        self._end(flight, outcome, reason, None)

    def _end(
        self, flight: Flight, outcome: Outcome, reason: str | None, awaited: Awaited | None
    ) -> None:
        send, ticket = flight.send, flight.ticket
        result = None if awaited is None else awaited.result
        self._records[send.index] = ImageRecord(
            index=send.index,
            second=send.second,
            file=flight.file,
            outcome=outcome,
            reason=reason,
            sched_s=send.at_s,
            sent_s=self._since_start(flight.sent_at_s),
            accepted_s=self._since_start(flight.accepted_at_s),
            seen_s=None if awaited is None else self._since_start(awaited.seen_s),
            request_id=None if ticket is None else ticket.request_id,
            polls=0 if awaited is None else awaited.polls,
            from_cache=(ticket is not None and ticket.from_cache)
            or (result is not None and result.from_cache),
            coalesced=result is not None and result.coalesced,
            queue_time_s=None if result is None else result.queue_time_s,
            processing_time_s=None if result is None else result.processing_time_s,
            replica=None if result is None else result.replica,
            top_label=None if result is None else result.top_label,
        )

    def _since_start(self, moment_s: float | None) -> float | None:
        return None if moment_s is None else moment_s - self.start_s
