from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from dispatcher.pools.errors import AttemptError, ItemRejectedError
from dispatcher.pools.health import FailureKind
from dispatcher.pools.replica import ReplicaState
from dispatcher.telemetry.metrics import EJECTION_REASONS, REPLICA_STATES, RETRY_CODES, Metrics

NAMES_OF_THE_WIRE_CONTRACT = {
    "dispatcher_jobs",
    "dispatcher_queue_depth",
    "dispatcher_queue_wait_seconds",
    "dispatcher_job_duration_seconds",
    "dispatcher_cache_requests",
    "dispatcher_replica_ongoing_requests",
    "dispatcher_replicas",
    "frontend_request_seconds",
    "frontend_publish",
    "frontend_processed",
}


@dataclass
class ReplicaNow:
    step: str
    ongoing: int
    state: str


def render(metrics: Metrics, *replicas: ReplicaNow) -> str:
    return metrics.render(depth=7, oldest_age_s=1.5, blob_bytes=4096, replicas=replicas).decode()


def test_every_name_of_the_wire_contract_is_there() -> None:
    names = {family.name for family in text_string_to_metric_families(render(Metrics()))}
    assert names >= NAMES_OF_THE_WIRE_CONTRACT


def test_the_gauges_are_of_this_moment() -> None:
    text = render(
        Metrics(),
        ReplicaNow("default/0", 3, "ready"),
        ReplicaNow("default/0", 2, "ready"),
        ReplicaNow("default/0", 0, "ejected"),
    )
    assert "dispatcher_queue_depth 7.0\n" in text
    assert "dispatcher_queue_oldest_age_seconds 1.5\n" in text
    assert "dispatcher_blob_bytes 4096.0\n" in text
    assert 'dispatcher_replica_ongoing_requests{step="default/0"} 5.0\n' in text
    assert 'dispatcher_replicas{state="ready",step="default/0"} 2.0\n' in text
    assert 'dispatcher_replicas{state="ejected",step="default/0"} 1.0\n' in text


def test_a_replica_that_is_gone_is_no_longer_counted() -> None:
    metrics = Metrics()
    render(metrics, ReplicaNow("default/0", 3, "ready"))
    assert "default/0" not in render(metrics)


def test_what_a_cluster_last_said_is_asked_whenever_metrics_are() -> None:
    metrics, ages = Metrics(), iter([1.5, 61.0])
    assert "dispatcher_discovery_age_seconds 0.0\n" in render(metrics)
    metrics.watch_discovery(age_s=lambda: next(ages), rejected=lambda: 2)
    assert "dispatcher_discovery_age_seconds 1.5\n" in render(metrics)
    text = render(metrics)
    assert "dispatcher_discovery_age_seconds 61.0\n" in text
    assert "dispatcher_discovery_rejected_records 2.0\n" in text


def test_two_services_in_one_process_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.published.inc()
    assert "frontend_publish_total 1.0" in render(one)
    assert "frontend_publish_total 0.0" in render(other)


def test_what_is_shown_of_steps_takes_the_place_of_what_was() -> None:
    metrics = Metrics()
    metrics.show_backlogs({"a/0": 1.5, "b/0": 0.0})
    metrics.show_desired_replicas({"a/0": 2})
    text = render(metrics)
    assert 'dispatcher_backlog_seconds{step="a/0"} 1.5\n' in text
    assert 'dispatcher_autoscaler_desired_replicas{step="a/0"} 2.0\n' in text
    metrics.show_backlogs({"b/0": 3.0})
    metrics.show_desired_replicas({})
    assert "a/0" not in render(metrics)


def test_a_step_has_a_figure_of_every_state_also_where_it_is_0() -> None:
    text = render(Metrics(), ReplicaNow("default/0", 0, "ejected"))
    assert 'dispatcher_replicas{state="ejected",step="default/0"} 1.0\n' in text
    assert 'dispatcher_replicas{state="ready",step="default/0"} 0.0\n' in text
    assert 'dispatcher_replicas{state="starting",step="default/0"} 0.0\n' in text


def test_what_has_not_happened_yet_is_shown_as_0() -> None:
    text = render(Metrics())
    for reason in EJECTION_REASONS:
        assert f'dispatcher_ejections_total{{reason="{reason}"}} 0.0\n' in text
    for code in RETRY_CODES:
        assert f'dispatcher_retries_total{{code="{code}"}} 0.0\n' in text


def test_what_is_shown_is_all_that_there_is() -> None:
    kinds = [kind for kind in AttemptError.__subclasses__() if kind is not ItemRejectedError]
    assert set(REPLICA_STATES) == {state.value for state in ReplicaState}
    assert set(EJECTION_REASONS) == {kind.name.lower() for kind in FailureKind}
    assert set(RETRY_CODES) == {kind.code for kind in kinds if kind.is_retryable}


def test_retries_and_ejections_are_counted_by_why() -> None:
    metrics = Metrics()
    metrics.count_retry("timeout")
    metrics.count_ejection("silent")
    metrics.count_ejection("silent")
    text = render(metrics)
    assert 'dispatcher_retries_total{code="timeout"} 1.0\n' in text
    assert 'dispatcher_ejections_total{reason="silent"} 2.0\n' in text


def test_codes_without_end_become_one_series_after_the_first_hundred() -> None:
    metrics = Metrics()
    for number in range(250):
        metrics.count_failure(f"code-{number}")
    metrics.count_failure("code-99")
    text = render(metrics)
    assert text.count("dispatcher_job_failures_total{") == 101
    assert 'dispatcher_job_failures_total{code="code-99"} 2.0\n' in text
    assert 'dispatcher_job_failures_total{code="other"} 150.0\n' in text


def test_the_process_tells_of_itself() -> None:
    names = {family.name for family in text_string_to_metric_families(render(Metrics()))}
    assert names >= {"process_cpu_seconds", "process_resident_memory_bytes"}
