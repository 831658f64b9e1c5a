"""Dashboard, alerts, monitors and KEDA ask for metrics that exist."""

import json
import re
from typing import Final

import promql_parser
import pytest
import yaml

from dispatcher.jobs import Priority
from dispatcher.telemetry.metrics import Metrics
from step_app.contract.export import traces_url
from step_app.metrics import StepMetrics
from tests.k8s.dashboards import ALERTS, dashboard, panels, queries
from tests.k8s.dashboards import alerts as alert_rules
from tests.k8s.manifests import WHOLE, dispatcher_pod, find, get, pods, selects, worker_pod

_TYPE: Final = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)
_FULL: Final = "everything"
_NOT_SHOWN: Final = frozenset(
    {
        "frontend_request_seconds",  # dispatcher_job_duration_seconds under the name of (e)
        "grayscale_startup_seconds",  # once in a replica's life
        "process_virtual_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
    }
)
"""What is exported for whoever asks, and is no panel's concern."""


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


def _queries() -> set[str]:
    return {query.text for query in queries()} | {rule["expr"] for rule in alert_rules()}


def _names_in(query: str) -> set[str]:
    """Return the names of the metrics of a query, by Prometheus' own grammar."""
    names: set[str] = set()

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector) and node.name is not None:
            names.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    return names


@pytest.mark.parametrize("query", sorted(_queries()))
def test_a_query_parses_and_names_only_metrics_that_exist(query: str) -> None:
    names = _names_in(query)
    assert names
    assert names <= _exported()


def test_no_metric_was_forgotten_on_the_dashboard() -> None:
    shown = set().union(*(_names_in(query.text) for query in queries()))
    bases = {re.sub(r"_(bucket|sum|count|total|created)$", "", name) for name in shown}
    exported = {re.sub(r"_(bucket|sum|count|total|created)$", "", name) for name in _exported()}
    assert exported - bases <= _NOT_SHOWN


def test_every_panel_says_what_it_shows() -> None:
    assert len({panel["title"] for panel in panels()}) == len(panels())
    for panel in panels():
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert len(set(legends)) == len(legends), panel["title"]
        assert all(legends) or panel["type"] == "stat", panel["title"]


def test_panels_are_told_apart_and_do_not_overlap() -> None:
    everything = dashboard()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    places = set()
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in places, panel["title"]
                places.add((x, y))


def test_what_is_tested_is_what_a_cluster_gets() -> None:
    found = get(_FULL, "ConfigMap", "conveyor-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["conveyor.json"]) == dashboard()
    (rules,) = find(_FULL, "PrometheusRule")
    assert rules == yaml.safe_load(ALERTS.read_text())


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
    monitor = get(_FULL, "PodMonitor", "steps")
    for pod in pods(_FULL):
        is_found = pod.namespace == monitor["metadata"]["namespace"] and selects(
            monitor["spec"]["selector"], pod.labels
        )
        assert is_found is pod.is_step
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == "http"


def test_workers_that_no_service_leads_to_are_monitored_too() -> None:
    monitor = get("shared", "PodMonitor", "dispatcher-workers")
    assert selects(monitor["spec"]["selector"], worker_pod("shared").labels)
    assert not selects(monitor["spec"]["selector"], dispatcher_pod("shared").labels)
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["authorization"]["type"] == "Bearer"


@pytest.mark.parametrize("name", WHOLE)
def test_everything_that_makes_spans_is_told_of_the_collector_where_one_is_used(name: str) -> None:
    url = "http://otel-collector.observability.svc:4318/v1/traces"
    told = {traces_url(pod.environment) for pod in pods(name) if pod.is_own}
    assert told == ({url} if name in ("everything", "shared") else {None})


@pytest.mark.parametrize(
    ("scaled", "counted"),
    [
        ("dispatcher-worker", {"default", "operations", "pipeline-1"}),
        ("default-step-0", {"default"}),
    ],
)
def test_keda_counts_the_messages_of_all_priorities(scaled: str, counted: set[str]) -> None:
    found = get("shared", "ScaledObject", scaled)["spec"]
    (trigger,) = found["triggers"]
    assert trigger["type"] == "rabbitmq"
    assert trigger["metadata"]["protocol"] == "http"  # the only one that adds queues up
    assert trigger["metadata"]["operation"] == "sum"
    rule = re.compile(trigger["metadata"]["queueName"])
    queues = {
        f"conveyor.{lane}.{priority.name.lower()}"
        for lane in ("default", "operations", "pipeline-1")
        for priority in Priority
    }
    matched = {queue for queue in queues if rule.search(queue)}
    assert matched == {queue for queue in queues if queue.split(".")[1] in counted}
    assert not rule.search("conveyor.dead")
    assert found["minReplicaCount"] >= 2
    reference = trigger["authenticationRef"]
    assert reference["kind"] == "ClusterTriggerAuthentication"
    assert get("shared", reference["kind"], reference["name"])
