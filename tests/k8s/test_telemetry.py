"""Dashboard, alerts, monitors and KEDA ask for metrics that exist."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import promql_parser
import pytest

from dispatcher.telemetry.metrics import Metrics
from step_app.metrics import StepMetrics
from tests.k8s.manifests import dispatcher_pod, find, get, pods, selects
from tests.k8s.rendering import MANIFESTS

_TYPE: Final = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)
_FULL: Final = "everything"


def _exported() -> set[str]:
    """Return the names of all series that dispatcher and replicas export."""
    texts = [
        Metrics().render(depth=0, oldest_age_s=0.0, blob_bytes=0, replicas=()),
        StepMetrics("operations").render(),
    ]
    names = set()
    for name, kind in _TYPE.findall(b"\n".join(texts).decode()):
        endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names |= {f"{name}{ending}" for ending in endings}
    return names


def _dashboard() -> dict[str, Any]:
    found = get(_FULL, "ConfigMap", "conveyor-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(found["data"]["conveyor.json"])
    assert isinstance(dashboard, dict)
    return dashboard


def _queries() -> Iterator[str]:
    for panel in _dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m")
    for rule in find(_FULL, "PrometheusRule"):
        for group in rule["spec"]["groups"]:
            for alert in group["rules"]:
                yield alert["expr"]


def _names_in(query: str) -> set[str]:
    """Return the names of the metrics of a query, by Prometheus' own grammar."""
    names: set[str] = set()

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector) and node.name is not None:
            names.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    return names


@pytest.mark.parametrize("query", sorted(set(_queries())))
def test_a_query_parses_and_names_only_metrics_that_exist(query: str) -> None:
    names = _names_in(query)
    assert names
    assert names <= _exported()


def test_panels_are_told_apart_and_do_not_overlap() -> None:
    panels = _dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in places, panel["title"]
                places.add((x, y))


def test_the_dashboard_is_the_file_beside_it() -> None:
    path = MANIFESTS / "components" / "grafana-dashboard" / "conveyor.json"
    assert json.loads(path.read_text()) == _dashboard()


def test_keda_reads_the_age_of_the_queue_where_the_dispatcher_answers() -> None:
    (scaled,) = find(_FULL, "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["type"] == "metrics-api"
    assert trigger["metadata"]["valueLocation"] in _exported()
    service = get(_FULL, "Service", "dispatcher-service")["metadata"]
    port = get(_FULL, "Service", "dispatcher-service")["spec"]["ports"][0]["port"]
    url = f"http://{service['name']}.{service['namespace']}.svc:{port}/metrics"
    assert trigger["metadata"]["url"] == url
    assert scaled["spec"]["minReplicaCount"] >= 1
    reference = trigger["authenticationRef"]
    assert get(_FULL, reference["kind"], reference["name"])
    # Its Secret is not in the namespace of the steps.
    assert reference["kind"] == "ClusterTriggerAuthentication"


def test_the_monitors_find_what_they_are_for() -> None:
    (monitor,) = find(_FULL, "ServiceMonitor")
    service = get(_FULL, "Service", "dispatcher-service")
    assert selects(monitor["spec"]["selector"], service["metadata"]["labels"])
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    # /metrics of the dispatcher needs a key.
    assert "DISPATCHER_API_KEYS_FILE" in dispatcher_pod(_FULL).environment
    assert endpoint["authorization"]["type"] == "Bearer"
    (monitor,) = find(_FULL, "PodMonitor")
    for pod in pods(_FULL):
        is_found = pod.namespace == monitor["metadata"]["namespace"] and selects(
            monitor["spec"]["selector"], pod.labels
        )
        assert is_found is pod.is_step
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == "http"
