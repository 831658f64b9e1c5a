"""Keeps what happens to every image while it happens; nothing here writes or computes."""

from collections import Counter, deque
from dataclasses import dataclass

from load_tester.pacing import now_s
from load_tester.record import ImageRecord, Outcome
from load_tester.targets.base import Answer, Ticket

# As many of the latest figures as a live view can make something of.
_LATEST = 1000
_NO_ANSWER = Answer(seen_s=0.0, polls=0)


@dataclass(slots=True, kw_only=True)
class Flight:
    """One image on its way: the moments it has reached so far, on the run's clock."""

    index: int
    second: int
    at_s: float
    """The intended send, in seconds since the run began."""
    file: str
    target: str = ""
    attempt: int = 1
    held_s: float = 0.0
    sent_at_s: float | None = None
    accepted_at_s: float | None = None
    ticket: Ticket | None = None
    answer: Answer | None = None


class Recorder:
    """One record for every planned send, and counters that cost nothing to read at any time."""

    def __init__(self) -> None:
        self.start_s = 0.0
        """When the run began, on the run's clock."""
        self.sent = 0
        """Images whose sending has begun."""
        self.retries = 0
        """How many of the sends are further attempts, by the count of the loop that makes them."""
        self.ended: Counter[Outcome] = Counter()
        """Images that have ended, by their outcome; those never sent among them."""
        self.latest_s: deque[float] = deque(maxlen=_LATEST)
        """The latest latencies from the intended send to the result, in seconds."""
        self.lateness_s: deque[float] = deque(maxlen=_LATEST)
        """How late the latest sends were by the generator's own fault, in seconds."""
        self._records: dict[int, ImageRecord] = {}

    @property
    def records(self) -> tuple[ImageRecord, ...]:
        """Every image that has ended, in the order in which they did."""
        return tuple(self._records.values())

    @property
    def in_flight(self) -> int:
        """Images that were sent and have not ended."""
        return self.sent + self.ended[Outcome.NOT_SENT] - len(self._records)

    def has_ended(self, index: int) -> bool:
        """Tell whether the image with this number has ended."""
        return index in self._records

    def record_of(self, index: int) -> ImageRecord:
        """Return the record of an image that has ended."""
        return self._records[index]

    def send(self, flight: Flight) -> None:
        """Note that the image is being sent now."""
        flight.sent_at_s = now_s()
        self.sent += 1
        late_s = flight.sent_at_s - self.start_s - flight.at_s
        self.lateness_s.append(max(0.0, late_s - flight.held_s))

    def accept(self, flight: Flight, ticket: Ticket) -> None:
        """Note that the image was given a ticket now."""
        flight.accepted_at_s = now_s()
        flight.ticket = ticket

    def end(self, flight: Flight, outcome: Outcome, reason: str | None = None) -> None:
        """Record how an image ended, once; everything but a right result has a reason."""
        record = self._describe(flight, outcome, reason)
        self._records[flight.index] = record
        self.ended[outcome] += 1
        if outcome is Outcome.OK and record.end_to_end_s is not None:
            self.latest_s.append(record.end_to_end_s)

    def _describe(self, flight: Flight, outcome: Outcome, reason: str | None) -> ImageRecord:
        ticket = flight.ticket
        # Without an answer nothing is known of it; a ticket alone may say that it was cached.
        answer = flight.answer or _NO_ANSWER
        return ImageRecord(
            index=flight.index,
            second=flight.second,
            file=flight.file,
            outcome=outcome,
            reason=reason,
            sched_s=flight.at_s,
            sent_s=self._since_start(flight.sent_at_s),
            accepted_s=self._since_start(flight.accepted_at_s),
            seen_s=None if answer is _NO_ANSWER else self._since_start(answer.seen_s),
            target=flight.target,
            attempt=flight.attempt,
            held_s=flight.held_s,
            request_id=None if ticket is None else ticket.request_id,
            polls=answer.polls,
            from_cache=answer.from_cache or (ticket is not None and ticket.from_cache),
            coalesced=answer.coalesced,
            queue_time_s=answer.queue_time_s,
            processing_time_s=answer.processing_time_s,
            steps_s=answer.steps_s,
            replica=answer.replica,
            top_label=answer.top_label,
        )

    def _since_start(self, moment_s: float | None) -> float | None:
        return None if moment_s is None else moment_s - self.start_s
