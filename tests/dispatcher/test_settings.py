import os
import re
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import StartupError
from dispatcher.settings import Settings, load_settings

DEFAULTS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 8080,
    "data_dir": Path(".conveyor"),
    "replicas": os.cpu_count(),
    "max_replicas": None,
    "model": "efficientnet_lite0",
    "runtime": "auto",
    "precision": "auto",
    "weights": None,
    "operation_replicas": os.cpu_count(),
    "models_dir": None,
    "max_local_replicas": 128,
    "queue": "sqlite",
    "role": "all",
    "rabbitmq_url": None,
    "redis_url": None,
    "blob_url": None,
    "prefetch_count": 0,
    "share_tiles": True,
    "topology": "local",
    "records_dir": None,
    "kubeconfig": None,
    "pipeline_namespace": "conveyor-steps",
    "step_image": "conveyor-step:0.1.0",
    "step_node_port": True,
    "step_gpu_limit": 0,
    "step_volumes": "",
    "pod_cidrs": "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7",
    "allow_pipeline_changes": True,
    "autoscale": True,
    "queue_capacity": 200,
    "queue_capacity_bytes": 2 * 1024**3,
    "max_queue_age_s": 300.0,
    "burst_s": 10.0,
    "upload_budget_bytes": 512 * 1024**2,
    "storage_limit_bytes": 0,
    "storage_reserve_percent": 5.0,
    "api_keys_file": None,
    "allow_anonymous": False,
    "rate_limit_per_s": 0.0,
    "header_timeout_s": 15.0,
    "body_timeout_s": 60.0,
    "webhook_secret_file": None,
    "webhook_allow_http": False,
    "webhook_allow_private": False,
    "idempotency_retention_s": 24 * 3600.0,
    "cache_size": 1000,
    "max_batch_size": 8,
    "result_retention_s": 3600.0,
    "result_retention_count": 10_000,
    "otlp_endpoint": None,
    "drain_timeout_s": 30.0,
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(("DISPATCHER_", "PREFETCH_COUNT")):
            monkeypatch.delenv(name)


def test_the_defaults_are_these() -> None:
    assert load_settings([]).model_dump() == DEFAULTS


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")
    if name.endswith("_s"):
        assert "second" in description


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_a_flag_that_help_explains(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        load_settings(["--help"])
    assert not stop.value.code
    assert re.search(rf"--{name.replace('_', '-')}\b", capsys.readouterr().out)


def test_a_rate_is_told_to_be_counted_by_each_dispatcher() -> None:
    assert "by each dispatcher" in str(Settings.model_fields["rate_limit_per_s"].description)


def test_a_flag_sets_a_value() -> None:
    settings = load_settings(["--port", "9000", "--queue-capacity=7", "--data-dir", "here"])
    assert (settings.port, settings.queue_capacity) == (9000, 7)
    assert settings.data_dir == Path("here")


def test_the_environment_sets_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_QUEUE_CAPACITY", "7")
    monkeypatch.setenv("DISPATCHER_MODEL", "resnet18")
    settings = load_settings([])
    assert (settings.queue_capacity, settings.model) == (7, "resnet18")


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_PORT", "9000")
    monkeypatch.setenv("DISPATCHER_REPLICAS", "3")
    settings = load_settings(["--port", "9001"])
    assert (settings.port, settings.replicas) == (9001, 3)


URLS = (
    "--rabbitmq-url=amqp://u:secret-1@h",
    "--redis-url=redis://:secret-2@h",
    "--blob-url=s3://b?access_key=secret-3",
)


def test_a_shared_queue_is_told_by_three_urls() -> None:
    settings = load_settings(["--queue", "rabbitmq", *URLS, "--role", "worker"])
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://:secret-2@h"
    assert "secret-" not in repr(settings)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--queue", "rabbitmq", *URLS[:2]], "--queue rabbitmq needs --blob-url"),
        (["--queue", "rabbitmq", *URLS[2:]], "needs --rabbitmq-url, --redis-url"),
        (["--role", "worker"], "--role worker needs a queue that is shared"),
        (["--role", "api", "--queue", "memory"], "--role api needs a queue that is shared"),
        (["--role", "api", "--queue", "rabbitmq", *URLS], "--role api runs no replicas"),
        (["--topology", "files"], "--topology files and --records-dir go together"),
        (["--records-dir", "here"], "--topology files and --records-dir go together"),
    ],
)
def test_what_makes_no_sense_together_is_refused_without_its_secrets(
    flags: list[str], complaint: str
) -> None:
    with pytest.raises(StartupError, match=complaint) as refused:
        load_settings(flags)
    assert "secret-" not in str(refused.value)


def test_the_prefetch_count_goes_by_its_usual_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFETCH_COUNT", "3")
    assert load_settings([]).prefetch_count == 3
    assert load_settings(["--prefetch-count", "5"]).prefetch_count == 5
    monkeypatch.setenv("DISPATCHER_PREFETCH_COUNT", "4")
    assert load_settings([]).prefetch_count == 4
    monkeypatch.delenv("DISPATCHER_PREFETCH_COUNT")
    monkeypatch.setenv("PREFETCH_COUNT", "many")
    with pytest.raises(StartupError, match="--prefetch-count"):
        load_settings([])


def test_settings_cannot_be_changed_later() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings([]).port = 1


@pytest.mark.parametrize(
    ("flag", "lowest", "highest"),
    [
        ("--port", "0", "65535"),
        ("--replicas", "0", "256"),
        ("--operation-replicas", "0", "256"),
        ("--max-local-replicas", "0", "4096"),
        ("--queue-capacity", "1", "1000000"),
        ("--cache-size", "0", "10000000"),
        ("--max-batch-size", "1", "256"),
    ],
)
def test_bounds_are_inclusive(flag: str, lowest: str, highest: str) -> None:
    load_settings([flag, lowest])
    load_settings([flag, highest])
    for beyond in (int(lowest) - 1, int(highest) + 1):
        with pytest.raises(StartupError, match=flag):
            load_settings([f"{flag}={beyond}"])


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--port", "http"),
        ("--runtime", "cuda"),
        ("--precision", "f16"),
        ("--queue", "kafka"),
        ("--topology", "docker"),
        ("--result-retention-s", "0"),
        ("--result-retention-count", "0"),
        ("--drain-timeout-s", "-1"),
    ],
)
def test_a_value_that_cannot_be_is_named_in_one_line(flag: str, value: str) -> None:
    with pytest.raises(StartupError) as refusal:
        load_settings([f"{flag}={value}"])
    message = str(refusal.value)
    assert message.startswith(f"{flag}: ")
    assert value in message
    assert "\n" not in message


def test_a_wrong_value_in_the_environment_is_named_like_its_flag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISPATCHER_PORT", "tcp://10.0.0.1:8080")
    with pytest.raises(StartupError, match="--port"):
        load_settings([])


def test_an_unknown_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load_settings(["--colour", "red"])
    assert "--colour" in capsys.readouterr().err


def test_a_range_of_replicas_begins_with_the_fewest() -> None:
    for most in (2, 256):
        settings = load_settings(["--replicas", "2", "--max-replicas", str(most)])
        assert settings.max_replicas == most
    with pytest.raises(StartupError, match=r"--max-replicas: .* less than --replicas, 2"):
        load_settings(["--replicas", "2", "--max-replicas", "1"])
