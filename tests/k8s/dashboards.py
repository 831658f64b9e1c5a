"""The shipped dashboard and alerts as files, and what they ask for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml

from tests.k8s.rendering import MANIFESTS

DASHBOARD: Final = MANIFESTS / "components" / "grafana-dashboard" / "conveyor.json"
ALERTS: Final = MANIFESTS / "components" / "service-monitor" / "alerts.yaml"
INTERVAL: Final = "1m"
"""In place of Grafana's own, which is at least four scrapes long."""


@dataclass(frozen=True)
class Query:
    """One line, or group of lines, of a panel."""

    panel: str
    legend: str
    text: str


@cache
def dashboard() -> Mapping[str, Any]:
    """The dashboard as Grafana reads it."""
    document = json.loads(DASHBOARD.read_text())
    assert isinstance(document, dict)
    return document


def panels() -> Sequence[Mapping[str, Any]]:
    """Its panels, without the headings between them."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Sequence[Query]:
    """Every query of every panel, as Prometheus understands it."""
    return [
        Query(
            panel=panel["title"],
            legend=target["legendFormat"],
            text=target["expr"].replace("$__rate_interval", INTERVAL),
        )
        for panel in panels()
        for target in panel["targets"]
    ]


def query_of(panel: str, legend: str = "") -> str:
    """Return one query, by its panel's title and its own legend."""
    (found,) = (one.text for one in queries() if (one.panel, one.legend) == (panel, legend))
    return found


def alert_groups() -> Mapping[str, Any]:
    """The groups of alert rules, as a file that Prometheus itself reads."""
    document = yaml.safe_load(ALERTS.read_text())
    assert document["kind"] == "PrometheusRule"
    return {"groups": document["spec"]["groups"]}


def alerts() -> Sequence[Mapping[str, Any]]:
    """Every alert rule."""
    return [rule for group in alert_groups()["groups"] for rule in group["rules"]]
