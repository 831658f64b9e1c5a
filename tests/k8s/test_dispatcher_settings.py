"""What the dispatcher's pod is told is what the dispatcher understands."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes.utils import parse_quantity

from dispatcher.api.guards.exposure import check_exposure
from dispatcher.settings import Settings, load_settings
from step_app.contract.export import ENDPOINT
from tests.k8s.manifests import (
    SHARED,
    WHOLE,
    Document,
    Pod,
    dispatcher_pod,
    find,
    get,
    pod_of,
    pods,
    worker_pod,
)

_NAMES: Final = [*WHOLE, "dispatcher"]
_ALONE: Final = [name for name in _NAMES if name not in SHARED]
_OF_OTHERS: Final = {"AWS_ACCESS_KEY_ID", "SSL_CERT_FILE", ENDPOINT}
"""Variables that libraries read, or any program that makes spans."""
_PARTS: Final = {"MINIO_SCHEME", "RABBITMQ_SCHEME", "REDIS_SCHEME"}
"""Variables that others have inside."""


def _settings(
    name: str, monkeypatch: pytest.MonkeyPatch, find_pod: Callable[[str], Pod] = dispatcher_pod
) -> Settings:
    pod = find_pod(name)
    for key, value in pod.environment.items():
        monkeypatch.setenv(key, value)
    return load_settings(pod.container["args"])


def _mounts(pod: Pod) -> Mapping[Path, Document]:
    """Return the volume of each place where one is mounted."""
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    return {
        Path(mount["mountPath"]): volumes[mount["name"]] for mount in pod.container["volumeMounts"]
    }


@pytest.mark.parametrize("name", _NAMES)
def test_the_flags_and_variables_are_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(name, monkeypatch)
    known = {f"DISPATCHER_{field.upper()}" for field in Settings.model_fields}
    assert set(dispatcher_pod(name).environment) <= known | _OF_OTHERS | _PARTS
    assert settings.topology == "kubernetes"
    assert settings.kubeconfig is None
    assert settings.queue == ("rabbitmq" if name in SHARED else "sqlite")
    assert settings.role == ("api" if name in SHARED else "all")
    assert settings.pipeline_namespace == "conveyor-steps"


@pytest.mark.parametrize("name", _NAMES)
def test_nobody_gets_in_without_a_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(name, monkeypatch)
    check_exposure(settings)
    assert settings.host == "0.0.0.0"
    assert not settings.allow_anonymous
    assert settings.api_keys_file is not None


@pytest.mark.parametrize("name", _NAMES)
def test_every_file_is_on_a_volume(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(name, monkeypatch)
    mounts = _mounts(dispatcher_pod(name))
    assert settings.api_keys_file is not None
    keys = mounts[settings.api_keys_file.parent]["secret"]
    # Others than root and the pod's own group read nothing: see KeyRing.open.
    assert keys["defaultMode"] == 0o400
    # Below the mount: the root of a volume belongs to what made the volume.
    kind = "emptyDir" if name in SHARED else "persistentVolumeClaim"
    assert kind in mounts[settings.data_dir.parent]


@pytest.mark.parametrize("name", SHARED)
def test_a_worker_is_told_the_same_but_its_role(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(name, monkeypatch, worker_pod)
    assert settings.role == "worker"
    assert settings.topology == "kubernetes"
    # It reads records; whoever lets clients change them has the right to.
    assert not settings.allow_pipeline_changes
    assert worker_pod(name).spec["serviceAccountName"] == "dispatcher"
    own = {"DISPATCHER_ROLE", "DISPATCHER_ALLOW_PIPELINE_CHANGES"}
    of_api = {"DISPATCHER_STEP_IMAGE", "DISPATCHER_STEP_NODE_PORT"}
    api, worker = dispatcher_pod(name).environment, worker_pod(name).environment
    assert {key: api[key] for key in api.keys() - own - of_api} == {
        key: worker[key] for key in worker.keys() - own
    }
    assert set(_mounts(dispatcher_pod(name))) == set(_mounts(worker_pod(name)))


@pytest.mark.parametrize("name", SHARED)
def test_all_dispatchers_sign_webhooks_with_one_secret(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(name, monkeypatch)
    assert settings.webhook_secret_file is not None
    volume = _mounts(dispatcher_pod(name))[settings.webhook_secret_file.parent]["secret"]
    assert volume["items"] == [{"key": "WEBHOOK_SECRET", "path": settings.webhook_secret_file.name}]
    assert volume["defaultMode"] == 0o400


@pytest.mark.parametrize("name", SHARED)
def test_the_urls_lead_to_the_servers_that_are_shipped(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(name, monkeypatch)
    is_safe = name == "shared"
    assert settings.rabbitmq_url and settings.redis_url and settings.blob_url
    blobs = urlsplit(settings.blob_url.get_secret_value())
    (endpoint,) = parse_qs(blobs.query)["endpoint"]
    assert (blobs.scheme, blobs.netloc) == ("s3", "conveyor")
    servers = {
        "rabbitmq": settings.rabbitmq_url.get_secret_value(),
        "redis": settings.redis_url.get_secret_value(),
        "minio": endpoint,
    }
    schemes = {"rabbitmq": "amqp", "redis": "redis", "minio": "http"}
    for server, url in servers.items():
        parts = urlsplit(url.replace("[", "").replace("]", ""))
        service = get(name, "Service", server, "conveyor")["spec"]
        assert parts.scheme == schemes[server] + ("s" if is_safe else "")
        assert parts.hostname == f"{server}.conveyor.svc"
        assert parts.port == service["ports"][0]["port"]
        if server != "minio":
            assert (parts.username, parts.password) == ("conveyor", f"{server.upper()}_PASSWORD")


def test_s40_where_there_is_tls_its_authority_is_known() -> None:
    bucket = pod_of(get("shared", "Job", "minio-bucket"))
    for pod in (dispatcher_pod("shared"), worker_pod("shared"), bucket):
        authority = Path(pod.environment["SSL_CERT_FILE"])
        volume = _mounts(pod)[authority.parent]["secret"]
        # Not the server's key.
        assert volume["items"] == [{"key": "ca.crt", "path": authority.name}]


@pytest.mark.parametrize("name", _ALONE)
def test_the_volume_is_larger_than_what_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(name, monkeypatch)
    (claim,) = find(name, "PersistentVolumeClaim")
    size = parse_quantity(claim["spec"]["resources"]["requests"]["storage"])
    assert 0 < settings.storage_limit_bytes <= size * 9 / 10


@pytest.mark.parametrize("name", _NAMES)
def test_uploads_fit_into_the_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(name, monkeypatch)
    limit = parse_quantity(dispatcher_pod(name).container["resources"]["limits"]["memory"])
    assert settings.upload_budget_bytes * 2 <= limit


@pytest.mark.parametrize("name", _NAMES)
def test_the_port_is_the_one_of_the_service(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(name, monkeypatch)
    (port,) = get(name, "Service", "dispatcher-service", "conveyor")["spec"]["ports"]
    assert port["port"] == settings.port == 8080
    assert dispatcher_pod(name).container["ports"][0]["containerPort"] == settings.port


@pytest.mark.parametrize("name", WHOLE)
def test_clients_pipelines_run_the_image_of_the_default_pipeline(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(name, monkeypatch)
    images = {pod.container["image"] for pod in pods(name) if pod.is_step}
    assert images == {settings.step_image}
