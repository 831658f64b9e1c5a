"""What the dispatcher's pod is told is what the dispatcher understands."""

from pathlib import Path
from typing import Final

import pytest
from kubernetes.utils import parse_quantity

from dispatcher.api.guards.exposure import check_exposure
from dispatcher.settings import Settings, load_settings
from tests.k8s.manifests import WHOLE, dispatcher_pod, find, get, pods

_NAMES: Final = [*WHOLE, "dispatcher"]


def _settings(name: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    pod = dispatcher_pod(name)
    for key, value in pod.environment.items():
        monkeypatch.setenv(key, value)
    return load_settings(pod.container["args"])


@pytest.mark.parametrize("name", _NAMES)
def test_the_flags_and_variables_are_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(name, monkeypatch)
    known = {f"DISPATCHER_{field.upper()}" for field in Settings.model_fields}
    assert set(dispatcher_pod(name).environment) <= known
    assert settings.topology == "kubernetes"
    assert settings.kubeconfig is None
    assert settings.queue == "sqlite"
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
    pod = dispatcher_pod(name)
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    mounts = {
        Path(mount["mountPath"]): volumes[mount["name"]] for mount in pod.container["volumeMounts"]
    }
    assert settings.api_keys_file is not None
    keys = mounts[settings.api_keys_file.parent]["secret"]
    # Others than root and the pod's own group read nothing: see KeyRing.open.
    assert keys["defaultMode"] == 0o400
    # Below the mount: the root of a volume belongs to what made the volume.
    assert "persistentVolumeClaim" in mounts[settings.data_dir.parent]


@pytest.mark.parametrize("name", _NAMES)
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
