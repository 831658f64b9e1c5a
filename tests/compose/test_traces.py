"""dispatcher/compose/traces: every dispatcher and every replica is told of the collector."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from step_app.contract.export import ENDPOINT
from tests.compose.composition import ROOT, dispatchers, steps

_FILE: Final = ROOT / "dispatcher" / "compose" / "traces" / "compose.yaml"


def read() -> Mapping[str, Any]:
    document = yaml.safe_load(_FILE.read_text())
    assert isinstance(document, dict)
    return document


def test_the_specification_of_compose_has_nothing_against_it() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", str(_FILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_all_that_makes_spans_reaches_the_collector_and_nothing_else_does() -> None:
    traced = read()["services"]
    assert set(traced) == {*dispatchers(), *steps()}
    for service in traced.values():
        assert service["environment"][ENDPOINT].startswith(f"${{{ENDPOINT}:?")
        assert service["networks"] == ["traces"], "beside those it has"
    assert read()["networks"]["traces"]["external"], "it is the collector's"


def test_what_it_adds_to_can_be_added_to() -> None:
    """Compose merges mappings with mappings and lists with lists."""
    for service in (*dispatchers().values(), *steps().values()):
        assert isinstance(service["environment"], dict)
        assert isinstance(service["networks"], list)
