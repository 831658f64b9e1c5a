import logging
from collections.abc import Mapping

import pytest

from dispatcher.topology.kubernetes.kinds import ConfigMap, ManagedFields
from dispatcher.topology.kubernetes.ledger import RecordLedger
from tests.dispatcher.topology.kubernetes.config_maps import NAMESPACE, config_map_of


@pytest.fixture
def ledger() -> RecordLedger:
    return RecordLedger(namespace=NAMESPACE)


def named(*config_maps: ConfigMap) -> Mapping[str, ConfigMap]:
    return {config_map.metadata.name: config_map for config_map in config_maps}


def replicas(ledger: RecordLedger, *config_maps: ConfigMap) -> list[int]:
    return [step.record.replicas for step in ledger.update(named(*config_maps))]


def test_a_change_is_taken(ledger: RecordLedger) -> None:
    assert replicas(ledger, config_map_of(version="1", replicas=1)) == [1]
    assert replicas(ledger, config_map_of(version="2", replicas=2)) == [2]


@pytest.mark.parametrize("text", ["", "{", "[]", "x" * 1_000_000])
def test_a_bad_change_keeps_the_last_good_one(ledger: RecordLedger, text: str) -> None:
    replicas(ledger, config_map_of(version="1", replicas=1))
    assert replicas(ledger, config_map_of(version="2", text=text)) == [1]
    assert replicas(ledger, config_map_of(version="3", text=text)) == [1]
    assert ledger.rejected == 1


def test_a_change_that_is_mended_is_taken(ledger: RecordLedger) -> None:
    replicas(ledger, config_map_of(version="1", replicas=1))
    replicas(ledger, config_map_of(version="2", text=""))
    assert replicas(ledger, config_map_of(version="3", replicas=3)) == [3]
    assert ledger.rejected == 0


def test_one_that_was_never_good_is_left_out_and_counted(ledger: RecordLedger) -> None:
    assert replicas(ledger, config_map_of(text=""), config_map_of("fish", replicas=5)) == [5]
    assert ledger.rejected == 1


def test_one_that_was_deleted_goes(ledger: RecordLedger) -> None:
    replicas(ledger, config_map_of(replicas=1), config_map_of("fish", replicas=5))
    assert replicas(ledger, config_map_of("fish", replicas=5)) == [5]


def test_one_that_was_deleted_is_not_kept_for_a_bad_one_of_its_name(ledger: RecordLedger) -> None:
    replicas(ledger, config_map_of(uid="u1", version="1"))
    assert replicas(ledger, config_map_of(uid="u2", version="2", text="")) == []


def test_a_bad_one_that_is_deleted_is_no_longer_counted(ledger: RecordLedger) -> None:
    replicas(ledger, config_map_of(text=""))
    assert replicas(ledger) == []
    assert ledger.rejected == 0


def test_who_changed_what_is_said_once(
    ledger: RecordLedger, caplog: pytest.LogCaptureFixture
) -> None:
    writers = [
        ManagedFields(manager="kubectl-edit", time="2026-02-02T00:00:00Z"),
        ManagedFields(manager="conveyor-dispatcher", time="2026-01-01T00:00:00Z"),
    ]
    caplog.set_level(logging.INFO)
    replicas(ledger, config_map_of(version="7"))
    caplog.clear()
    changed = config_map_of(version="8", replicas=5, managers=writers)
    replicas(ledger, changed)
    replicas(ledger, changed)
    (line,) = caplog.messages
    assert line.startswith("record birds-step-0 is used: version 8, hash ")
    assert line.endswith(", written by kubectl-edit")
    first, second = line.split("hash ")[1].split(",")[0].split(" (was ")
    assert len(first) == len(second.rstrip(")")) == 12
    assert first not in second


def test_a_refusal_is_an_error_in_the_log(
    ledger: RecordLedger, caplog: pytest.LogCaptureFixture
) -> None:
    replicas(ledger, config_map_of(version="1"))
    replicas(ledger, config_map_of(version="2", text=""))
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    assert "is not used, the last good one is kept (" in line.getMessage()


def test_what_only_has_another_version_is_not_read_again(
    ledger: RecordLedger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    replicas(ledger, config_map_of(version="1"))
    replicas(ledger, config_map_of(version="2"))
    assert len(caplog.messages) == 1


def test_a_flood_of_records_displaces_nobody(caplog: pytest.LogCaptureFixture) -> None:
    ledger = RecordLedger(namespace=NAMESPACE, max_records=3)
    old = config_map_of("zebra", replicas=7)
    assert replicas(ledger, old) == [7]
    flood = [config_map_of(f"p{n}", replicas=1) for n in range(10)]
    assert replicas(ledger, *flood, old) == [1, 1, 7]
    assert ledger.rejected == 8
    assert "8 records are not read: there are over 3" in caplog.messages
    assert replicas(ledger, old, flood[9]) == [1, 7]
    assert ledger.rejected == 0
