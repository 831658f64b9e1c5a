"""What the shipped alerts and queries say of made-up series, by Prometheus' own tool."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.pools.replica import Replica
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from step_app.metrics import StepMetrics
from tests.k8s.dashboards import alert_groups, alerts, panels, queries, query_of
from tests.servers.prometheus import promtool

_CASES: Final = Path(__file__).with_name("alerts.yaml")

pytestmark = pytest.mark.usefixtures("need_promtool")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The alerts without what the Prometheus operator wants around them."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(alert_groups()))
    return path


def test_prometheus_has_nothing_against_the_rules(rules: Path) -> None:
    assert promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules)) == ""


def test_every_alert_is_raised_when_it_should_and_not_before(rules: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(_CASES.read_text().replace("{rules}", str(rules)))
    assert promtool("test", "rules", str(cases)) == ""


def test_no_alert_goes_untried() -> None:
    tried = [one for case in yaml.safe_load(_CASES.read_text())["tests"] for one in _looks(case)]
    for alert in alerts():
        name = alert["alert"]
        outcomes = {bool(one.get("exp_alerts")) for one in tried if one["alertname"] == name}
        assert outcomes == {True, False}, name
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert alert["annotations"]["summary"] and alert["annotations"]["description"]


def _looks(case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(case["alert_rule_test"])


# Two dispatchers: what both of them see is not there twice, what each of them does adds up

_ENDED = "dispatcher_jobs_total{{instance={0!r}, outcome={1!r}}}"
_CACHE = "dispatcher_cache_requests_total{{instance={0!r}, outcome={1!r}}}"
_REPLICAS = "dispatcher_replicas{{instance={0!r}, step={1!r}, state={2!r}}}"
_SERIES: Final[Mapping[str, str]] = {
    # Of one shared queue and one store.
    "dispatcher_queue_depth{instance='a'}": "20x20",
    "dispatcher_queue_depth{instance='b'}": "20x20",
    "dispatcher_queue_oldest_age_seconds{instance='a'}": "4x20",
    "dispatcher_queue_oldest_age_seconds{instance='b'}": "4x20",
    "dispatcher_blob_bytes{instance='a'}": "1000x20",
    "dispatcher_blob_bytes{instance='b'}": "1000x20",
    # Of three replicas; b has taken one of them out.
    _REPLICAS.format("a", "default/0", "ready"): "2x20",
    _REPLICAS.format("a", "default/0", "ejected"): "0x20",
    _REPLICAS.format("b", "default/0", "ready"): "1x20",
    _REPLICAS.format("b", "default/0", "ejected"): "1x20",
    _REPLICAS.format("a", "operations/0", "ready"): "1x20",
    _REPLICAS.format("b", "operations/0", "ready"): "1x20",
    # Of each dispatcher's own work, in 15 seconds: 90 and 60 completed, 30 failed, 60 refused.
    _ENDED.format("a", "completed"): "0+90x20",
    _ENDED.format("b", "completed"): "0+60x20",
    _ENDED.format("b", "failed"): "0+30x20",
    _ENDED.format("a", "expired"): "0x20",
    _ENDED.format("a", "refused_overloaded"): "0+60x20",
    _CACHE.format("a", "hit"): "0+30x20",
    _CACHE.format("b", "coalesced"): "0+30x20",
    _CACHE.format("b", "miss"): "0+60x20",
    _CACHE.format("b", "bypass"): "0+600x20",
    "dispatcher_replica_ongoing_requests{instance='a', step='default/0'}": "3x20",
    "dispatcher_replica_ongoing_requests{instance='b', step='default/0'}": "2x20",
    # Each of 60 jobs took between 0.25 and 0.5 s at a, and between 0.5 and 1 s at b.
    "dispatcher_job_duration_seconds_bucket{instance='a', le='0.25'}": "0x20",
    "dispatcher_job_duration_seconds_bucket{instance='a', le='0.5'}": "0+60x20",
    "dispatcher_job_duration_seconds_bucket{instance='a', le='1.0'}": "0+60x20",
    "dispatcher_job_duration_seconds_bucket{instance='a', le='+Inf'}": "0+60x20",
    "dispatcher_job_duration_seconds_bucket{instance='b', le='0.25'}": "0x20",
    "dispatcher_job_duration_seconds_bucket{instance='b', le='0.5'}": "0x20",
    "dispatcher_job_duration_seconds_bucket{instance='b', le='1.0'}": "0+60x20",
    "dispatcher_job_duration_seconds_bucket{instance='b', le='+Inf'}": "0+60x20",
    # A machine's own process is none of the dispatchers'.
    "process_resident_memory_bytes{instance='a'}": "500x20",
    "process_resident_memory_bytes{instance='other'}": "7x20",
}


@pytest.mark.parametrize(
    ("panel", "legend", "values"),
    [
        ("Waiting jobs", "", {"{}": 20}),
        ("Oldest waiting job", "", {"{}": 4}),
        ("Bytes of images", "kept", {"{}": 1000}),
        ("Ready replicas", "", {"{}": 3}),
        (
            "Replicas by state",
            "{{step}} {{state}}",
            {
                "{step='default/0', state='ready'}": 1.5,
                "{step='default/0', state='ejected'}": 0.5,
                "{step='operations/0', state='ready'}": 1,
            },
        ),
        ("Completed", "", {"{}": 10}),
        (
            "Throughput",
            "{{outcome}}",
            {
                "{outcome='completed'}": 10,
                "{outcome='failed'}": 2,
                "{outcome='expired'}": 0,
            },
        ),
        ("Not answered", "", {"{}": 2 / 12}),
        ("Refused submissions by code", "{{code}}", {"{code='overloaded'}": 4}),
        ("Hit rate", "hit", {"{}": 0.25}),
        ("Hit rate", "hit or coalesced", {"{}": 0.5}),
        ("Items that replicas have on hand", "{{step}}", {"{step='default/0'}": 5}),
        ("Latency, end to end", "p50", {"{}": 0.5}),
        ("p95", "", {"{}": 0.95}),
        (
            "Memory, dispatchers",
            "{{instance}}",
            {"process_resident_memory_bytes{instance='a'}": 500},
        ),
        ("Dispatchers", "dispatchers", {"{}": 2}),
    ],
)
def test_two_dispatchers_are_shown_as_one_service(
    panel: str, legend: str, values: Mapping[str, float], tmp_path: Path
) -> None:
    check_query(tmp_path, _SERIES, query_of(panel, legend), values)


@pytest.mark.parametrize(
    ("panel", "legend"),
    [("Not answered", ""), ("Hit rate", "hit"), ("Hit rate", "hit or coalesced")],
)
def test_a_share_of_nothing_is_no_gap(panel: str, legend: str, tmp_path: Path) -> None:
    series = {_ENDED.format("a", "completed"): "5x20", _CACHE.format("a", "miss"): "5x20"}
    check_query(tmp_path, series, query_of(panel, legend), {"{}": 0})


def test_no_panel_is_empty_while_nothing_has_happened_yet(tmp_path: Path) -> None:
    series = {f"{name}{{{labels}}}": f"{value}x20" for name, labels, value in _untouched()}
    lines = {
        panel["title"]: [one.text for one in queries() if one.panel == panel["title"]]
        for panel in panels()
        if panel["title"] != "Time of each stage"  # of each type that was used
    }
    # A percentile of nothing is no number; the line is there.
    shown = {f"sgn(count(({') or ('.join(texts)})))": {"{}": 1.0} for texts in lines.values()}
    check_queries(tmp_path, series, shown)


def _untouched() -> Iterator[tuple[str, str, float]]:
    """Name, labels and value of everything that a new dispatcher and a new replica export."""
    metrics, step = Metrics(), "operations/0"
    Figures(metrics)
    metrics.show_backlogs({step: 0.0})
    replica = Replica(url="http://replica", step=step)
    text = metrics.render(depth=0, oldest_age_s=0.0, blob_bytes=0, replicas=[replica])
    marks = {"a": "", "r": 'pipeline_id="operations",step_id="0",'}
    for instance, part in (("a", text), ("r", StepMetrics("operations").render())):
        for family in text_string_to_metric_families(part.decode()):
            for sample in family.samples:
                own = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
                yield sample.name, f'{marks[instance]}instance="{instance}",{own}', sample.value


def check_query(
    folder: Path, series: Mapping[str, str], query: str, values: Mapping[str, float]
) -> None:
    """Fail when a query gives anything else than these values; see ``check_queries``."""
    check_queries(folder, series, {query: values})


def check_queries(
    folder: Path, series: Mapping[str, str], expected: Mapping[str, Mapping[str, float]]
) -> None:
    """Fail when a query gives anything else than what is expected after five minutes.

    Args:
        folder: where the case is written down.
        series: values of each series, one in 15 seconds, in promtool's notation.
        expected: values by labels, by query.
    """
    case = {
        "interval": "15s",
        "input_series": [
            {"series": _quoted(name), "values": amounts} for name, amounts in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "5m",
                "exp_samples": [
                    {"labels": _quoted(labels), "value": value} for labels, value in values.items()
                ],
            }
            for query, values in expected.items()
        ],
    }
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump({"tests": [case]}))
    assert promtool("test", "rules", str(path)) == ""


def _quoted(series: str) -> str:
    """Return a series in the quotes that promtool wants."""
    return series.replace("'", '"')
