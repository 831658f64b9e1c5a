"""Judges a history: was anything lost, wrong, changed, or done again that had ended?"""

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.durability.client_log import ClientLog, Order, Sight, Try
from tests.durability.oracle import answer_of, noise, picture_of

_ENDED = 200


@dataclass(frozen=True, slots=True)
class Execution:
    """One line of a fake step's log."""

    event: str
    """``start`` or ``end``."""
    job_id: str
    at: float
    """Unix seconds."""


@dataclass
class Verdict:
    """What was found; each list is empty when all is well."""

    accepted: int = 0
    lost: list[str] = field(default_factory=list)
    """Accepted, and the service knows nothing of it, or not how it ended."""
    failed: list[str] = field(default_factory=list)
    """Ended otherwise than completed."""
    wrong: list[str] = field(default_factory=list)
    """Completed with another answer than the oracle's."""
    changed: list[str] = field(default_factory=list)
    """Had ended, and was seen otherwise later."""
    doubled: list[str] = field(default_factory=list)
    """One Idempotency-Key became several jobs."""
    repeated: list[str] = field(default_factory=list)
    """Run again after its end had been seen, though nobody else waited for the same work."""
    strange: list[str] = field(default_factory=list)
    """Answers that nobody should get, and jobs that nobody sent."""

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not any(self.findings())

    def findings(self) -> list[str]:
        """Return everything that was found, each with its kind."""
        kinds = ("lost", "failed", "wrong", "changed", "doubled", "repeated", "strange")
        return [f"{kind}: {found}" for kind in kinds for found in getattr(self, kind)]


def check(
    log: ClientLog, executions: Sequence[Execution], *, may_half_refuse: bool = False
) -> Verdict:
    """Compare what clients saw with the right answers and with what was really run.

    Args:
        log: what clients saw.
        executions: what was run.
        may_half_refuse: whether a job may be done although a server that was away refused it.
    """
    accepted = log.accepted()
    last = {sight.job_id: sight for sight in log.sights}
    verdict = Verdict(accepted=len(accepted))
    for job_id, order in accepted.items():
        _judge(job_id, order, last.get(job_id), verdict)
    verdict.changed = _changed(log.sights)
    verdict.doubled = _doubled(log)
    verdict.repeated = _repeated(log, executions)
    allowed = log.unclear() + (log.half_refused() if may_half_refuse else 0)
    verdict.strange = _strange_answers(log) + _strangers(log, executions, allowed=allowed)
    return verdict


def read_executions(*logs: Path) -> list[Execution]:
    """Return what fake steps logged, in order of time."""
    texts = [log.read_text() for log in logs if log.exists()]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    found = [Execution(line["event"], line["id"], line["at"]) for line in lines]
    return sorted(found, key=lambda execution: execution.at)


def _judge(job_id: str, order: Order, sight: Sight | None, verdict: Verdict) -> None:
    if sight is None or sight.status != _ENDED:
        seen = "nothing" if sight is None else f"{sight.status} {sight.document}"
        verdict.lost.append(f"{job_id}: {seen}")
    elif sight.document["status"] != "completed":
        state, error = sight.document["status"], sight.document["error"]
        verdict.failed.append(f"{job_id}: {state} {error}")
    elif not _is_right(order, sight):
        verdict.wrong.append(f"{job_id}: {sight.document['result']} {sight.picture}")


def _is_right(order: Order, sight: Sight) -> bool:
    answer, picture = _right_answer(
        order.image_seed, order.size_bytes, json.dumps(dict(order.params), sort_keys=True)
    )
    result: Mapping[str, Any] = sight.document["result"]
    if "url" in result:
        return sight.picture == picture
    return bool(result["predictions"] == [answer])


@lru_cache(maxsize=100_000)
def _right_answer(image_seed: int, size_bytes: int, params: str) -> tuple[str, str]:
    """Return the answer, and the SHA-256 of the picture, that an order must get."""
    image, known = noise(image_seed, size_bytes), json.loads(params)
    return answer_of(image, known), hashlib.sha256(picture_of(image, known)).hexdigest()


def _changed(sights: Iterable[Sight]) -> list[str]:
    first: dict[str, Sight] = {}
    changed = []
    for sight in sights:
        before = first.get(sight.job_id)
        if before is None:
            if sight.status == _ENDED:
                first[sight.job_id] = sight
        elif (sight.status, sight.document) != (before.status, before.document):
            changed.append(f"{sight.job_id}: {before.document} became {sight.document}")
    return changed


def _repeated(log: ClientLog, executions: Iterable[Execution]) -> list[str]:
    """Return runs of jobs whose end had been seen, and with which nobody else's work was done."""
    ended_at: dict[str, float] = {}
    for sight in log.sights:
        if sight.status == _ENDED:
            ended_at.setdefault(sight.job_id, sight.at)
    tries: defaultdict[str, list[Try]] = defaultdict(list)
    for one in log.tries:
        if not one.was_refused:
            tries[one.order.work].append(one)
    orders = log.accepted()
    return [
        f"{e.job_id} started at {e.at:.3f}, seen to have ended at {ended_at[e.job_id]:.3f}"
        for e in executions
        if e.event == "start"
        and e.at > ended_at.get(e.job_id, e.at)
        and not any(
            one.job_id != e.job_id
            and one.sent_at < e.at
            and ended_at.get(one.job_id or "", math.inf) > e.at
            for one in tries[orders[e.job_id].work]
        )
    ]


def _doubled(log: ClientLog) -> list[str]:
    jobs: defaultdict[str, set[str]] = defaultdict(set)
    for one in log.tries:
        if one.order.key is not None and one.is_accepted and one.job_id is not None:
            jobs[one.order.key].add(one.job_id)
    return [f"{key}: {sorted(ids)}" for key, ids in jobs.items() if len(ids) > 1]


def _strange_answers(log: ClientLog) -> list[str]:
    expected = (None, 200, 202, 503)
    counts = Counter(one.status for one in log.tries if one.status not in expected)
    return [f"{count} POSTs were answered with {status}" for status, count in counts.items()]


def _strangers(log: ClientLog, executions: Iterable[Execution], *, allowed: int) -> list[str]:
    """Return a finding when more unknown jobs ran than there were POSTs without a clear answer."""
    known = log.accepted()
    strangers = {e.job_id for e in executions if e.job_id not in known}
    if len(strangers) <= allowed:
        return []
    return [f"{len(strangers)} jobs ran that nobody was promised, {allowed} may have"]
