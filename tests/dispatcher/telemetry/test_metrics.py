from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from dispatcher.telemetry.metrics import Metrics

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
