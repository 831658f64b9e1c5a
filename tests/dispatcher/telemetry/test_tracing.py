import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from dispatcher.errors import StartupError
from dispatcher.jobs import Job
from dispatcher.queues.messages import decode_job, encode_job
from dispatcher.settings import load_settings
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.tracing import create_tracer, record_shared, server_attributes
from dispatcher.topology.environment import tracing_environment
from step_app.contract.spans import NO_TRACING
from tests.dispatcher.recorded_spans import CAUSE, Recorder
from tests.dispatcher.records import completed, make_job

PROJECT = Path(__file__).resolve().parents[3]
STARTS = {
    "dispatcher": (
        "from dispatcher.settings import load_settings;"
        "from dispatcher.wiring import build_services;"
        "build_services(load_settings([]))"
    ),
    "replica": (
        "from step_app.app import create_app; from step_app.replica import Replica;"
        "from step_app.settings import Settings, parse_step_config;"
        "create_app(Replica(parse_step_config(''), Settings()), on_failure=lambda: None)"
    ),
}
LOADED = (
    "import sys; found = [m for m in sys.modules if m.startswith(("
    "'opentelemetry.sdk', 'opentelemetry.exporter', 'opentelemetry.proto', 'google.protobuf'))];"
    "assert not found, found"
)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("program", STARTS)
def test_nothing_of_it_is_loaded_unless_it_is_on(program: str) -> None:
    command = [sys.executable, "-c", f"{STARTS[program]};{LOADED}"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_it_is_off_unless_told() -> None:
    assert create_tracer(load_settings([]), Metrics()) is NO_TRACING


def test_what_is_off_passes_on_what_comes_in() -> None:
    with NO_TRACING.begin("work", parent=CAUSE) as span:
        assert span.context is CAUSE
        assert not span.is_recorded
    with NO_TRACING.begin("work", parent=None) as span:
        assert span.context is None


def test_a_flag_or_the_usual_variable_switches_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(*flags: str) -> bool:
        metrics = Metrics()
        tracer = create_tracer(load_settings(list(flags)), metrics)
        tracer.begin("work", parent=CAUSE).end()
        tracer.close()
        samples = [one for found in metrics.trace_spans.collect() for one in found.samples]
        return any(one.labels == {"outcome": "failed"} and one.value == 1 for one in samples)

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    assert counted("--otlp-endpoint", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert counted()


@pytest.mark.parametrize("endpoint", ["", "collector:4318", "grpc://collector", "http://"])
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(StartupError, match="--otlp-endpoint"):
        load_settings([f"--otlp-endpoint={endpoint}"])


def test_a_variable_that_cannot_be_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000000")
    with pytest.raises(StartupError, match="OTEL_"):
        create_tracer(load_settings(["--otlp-endpoint", "http://127.0.0.1:9"]), Metrics())


def test_replicas_are_told_where_to_and_have_a_name_of_their_own() -> None:
    assert tracing_environment("http://c/v1/traces") == {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces",
        "OTEL_SERVICE_NAME": "conveyor-step",
    }
    assert tracing_environment(None) == {}


def test_a_job_takes_its_trace_along_wherever_it_is_kept() -> None:
    job = make_job(trace=CAUSE)
    assert decode_job(encode_job(job)) == job
    stored = msgspec.json.encode(job)
    assert msgspec.json.decode(stored, type=Job) == job


def test_a_record_from_before_there_were_traces_is_read() -> None:
    document = msgspec.json.decode(msgspec.json.encode(make_job()))
    del document["trace"]
    assert msgspec.json.decode(msgspec.json.encode(document), type=Job).trace is None


def test_who_waits_for_the_work_of_another_says_so_in_its_own_trace() -> None:
    recorder = Recorder()
    follower = make_job("follower", trace=CAUSE)
    record_shared(recorder, follower, completed(make_job("leader")))
    (span,) = recorder.named("shared run")
    assert (span.context.trace_id, span.parent_id) == (CAUSE.trace_id, CAUSE.span_id)
    assert span.attributes["conveyor.leader.id"] == "leader"
    assert span.began_at == follower.queued_at


@pytest.mark.parametrize(
    ("url", "attributes"),
    [
        ("http://10.0.0.1:5000", {"server.address": "10.0.0.1", "server.port": 5000}),
        ("http://[::1]:5000", {"server.address": "::1", "server.port": 5000}),
        ("http://step", {"server.address": "step"}),
        ("", {}),
    ],
)
def test_whom_a_call_goes_to_is_told_by_the_usual_names(
    url: str, attributes: dict[str, object]
) -> None:
    assert server_attributes(url) == attributes
