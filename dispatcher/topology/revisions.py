"""Which model revision a step has, where its record does not say it: what its replicas report.

A launcher on one machine writes the revision into the record. In a cluster nobody has to: the
record is then completed with what the ready replicas said of themselves, so that results can be
shared there, too.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from dispatcher.topology.configmap import StepRecord

Reported = Callable[[str], Collection[str]]
"""Gives the revisions that the ready replicas of a step report, by the step's key as text."""


class RevisionBook:
    """Remembers revisions: one outlives the replicas that reported it, as they do come back."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def completed(self, records: Sequence[StepRecord], reported: Reported) -> list[StepRecord]:
        """Return records whose revisions are known as far as anybody has said them.

        During a roll-out the older revision counts while any ready replica still has it: results
        of the newer one are not shared before, and are never shared as the older one's.
        """
        steps = {str(record.key) for record in records}
        self._known = {step: name for step, name in self._known.items() if step in steps}
        return [self._completed(record, reported) for record in records]

    def _completed(self, record: StepRecord, reported: Reported) -> StepRecord:
        if record.model_revision:
            return record
        step = str(record.key)
        revisions = sorted(name for name in reported(step) if name)
        known = self._known.get(step, "")
        if revisions and known not in revisions:
            known = self._known[step] = revisions[0]
        return replace(record, model_revision=known)
