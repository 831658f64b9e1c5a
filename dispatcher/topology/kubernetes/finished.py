"""Which records count: those of pipelines that are made to the end, and no part of any other.

The records of a pipeline stop being drafts one after the other, and whoever makes them may die in
between. While one that was made with them is a draft, none of them is there.
"""

from collections.abc import Iterable
from typing import TypeVar

from dispatcher.topology.kubernetes.kinds import ConfigMap, Metadata
from dispatcher.topology.kubernetes.labels import CREATION_LABEL, DRAFT_APP

RecordT = TypeVar("RecordT", bound=ConfigMap)


def finished(config_maps: Iterable[RecordT]) -> list[RecordT]:
    """Return the records that count, in their order.

    Args:
        config_maps: records and drafts, as ``RECORDS_SELECTOR`` finds them. Those without the
            label of a creation, as an administrator makes them, count one by one.
    """
    found = list(config_maps)
    unfinished = {
        _creation_of(each.metadata)
        for each in found
        if _is_draft(each.metadata) and each.metadata.label(CREATION_LABEL)
    }
    return [
        each
        for each in found
        if not _is_draft(each.metadata) and _creation_of(each.metadata) not in unfinished
    ]


def _is_draft(metadata: Metadata) -> bool:
    return metadata.label("app") == DRAFT_APP


def _creation_of(metadata: Metadata) -> tuple[str, str]:
    return metadata.label("pipeline_id"), metadata.label(CREATION_LABEL)
