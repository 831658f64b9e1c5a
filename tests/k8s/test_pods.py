"""Every pod is admitted under Pod Security ``restricted``, and more (security.md K01 to K11)."""

import re
from pathlib import PurePosixPath
from typing import Final

import pytest
from kubernetes.utils import parse_quantity

from tests.k8s.manifests import NAMES, SHARED, Pod, different_pods, find, pods

_PODS: Final = [pytest.param(pod, id=name) for name, pod in different_pods()]
_OWN: Final = [pytest.param(pod, id=name) for name, pod in different_pods() if pod.is_own]
_HOST_FIELDS: Final = ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "hostAliases")


@pytest.mark.parametrize("name", [name for name in NAMES if find(name, "Namespace")])
def test_k01_both_namespaces_enforce_restricted(name: str) -> None:
    for namespace in find(name, "Namespace"):
        labels = namespace["metadata"]["labels"]
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
            assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "latest"


@pytest.mark.parametrize("pod", _PODS)
def test_k02_to_k05_a_pod_has_no_privileges(pod: Pod) -> None:
    context, own = pod.spec["securityContext"], pod.container["securityContext"]
    assert context["runAsNonRoot"] is own["runAsNonRoot"] is True
    assert context["runAsUser"] == own["runAsUser"] >= 10_000
    assert context["runAsGroup"] >= 10_000
    assert context["seccompProfile"] == own["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["allowPrivilegeEscalation"] is own["privileged"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("pod", _PODS)
def test_k06_a_pod_sees_nothing_of_its_host(pod: Pod) -> None:
    assert not any(field in pod.spec for field in _HOST_FIELDS)
    assert not any("hostPath" in volume for volume in pod.spec["volumes"])
    assert not any("hostPort" in port for port in pod.container.get("ports", ()))
    assert "initContainers" not in pod.spec


@pytest.mark.parametrize("pod", _PODS)
def test_k07_a_pod_writes_only_where_there_is_a_limit(pod: Pod) -> None:
    assert pod.container["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in pod.container["volumeMounts"]}
    assert "/tmp" in mounts
    assert {mount["name"] for mount in mounts.values()} == set(volumes)
    for mount in mounts.values():
        volume = volumes[mount["name"]]
        if "emptyDir" in volume:
            assert parse_quantity(volume["emptyDir"]["sizeLimit"]) > 0
        elif "persistentVolumeClaim" not in volume:
            assert mount["readOnly"] is True


@pytest.mark.parametrize("pod", _PODS)
def test_nothing_is_mounted_below_a_folder_that_the_program_writes_to(pod: Pod) -> None:
    # The runtime makes the folders in between, for root: the program may not write there.
    mounts = pod.container["volumeMounts"]
    places = {PurePosixPath(mount["mountPath"]) for mount in mounts}
    writable = {PurePosixPath(one["mountPath"]) for one in mounts if not one.get("readOnly")}
    assert writable
    assert not [place for place in places if writable & {*place.parents}]


@pytest.mark.parametrize("pod", _OWN)
def test_k07_uploads_fit_into_the_temporary_folder(pod: Pod) -> None:
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in pod.container["volumeMounts"]}
    # An upload of 20 MiB may wait in /tmp, and so may many at a time.
    tmp = volumes[mounts["/tmp"]["name"]]["emptyDir"]["sizeLimit"]
    assert parse_quantity(tmp) >= 20 * 2**20 * 8


@pytest.mark.parametrize("pod", _PODS)
def test_k08_a_pod_requests_and_is_limited(pod: Pod) -> None:
    resources = pod.container["resources"]
    for name in ("cpu", "memory", "ephemeral-storage"):
        request, limit = (parse_quantity(resources[kind][name]) for kind in ("requests", "limits"))
        assert 0 < request <= limit


@pytest.mark.parametrize("pod", _PODS)
def test_k08_the_empty_folders_fit_into_the_limit_of_the_disk(pod: Pod) -> None:
    sizes = [
        parse_quantity(volume["emptyDir"]["sizeLimit"])
        for volume in pod.spec["volumes"]
        if "emptyDir" in volume
    ]
    assert sum(sizes) < parse_quantity(pod.container["resources"]["limits"]["ephemeral-storage"])


@pytest.mark.parametrize("name", NAMES)
def test_k09_images_never_move(name: str) -> None:
    for pod in pods(name):
        image = pod.container["image"]
        own = r"conveyor-(dispatcher|step)"
        if name == "cluster":
            called = rf"\S+/{own}" if pod.is_own else r"[a-z./]+"
            assert re.fullmatch(rf"{called}@sha256:[0-9a-f]{{64}}", image)
        elif pod.is_own:
            assert re.fullmatch(rf"{own}:\d+\.\d+\.\d+", image)
        else:
            assert re.fullmatch(r"[a-z./]+:(RELEASE\.[-0-9TZ]+|\d+\.\d+\.\d+-[a-z]+)", image)


@pytest.mark.parametrize("name", ["dispatcher", "deployment", "minikube"])
def test_k09_images_that_were_loaded_are_looked_for_in_no_registry(name: str) -> None:
    assert {pod.container["imagePullPolicy"] for pod in pods(name)} == {"Never"}


@pytest.mark.parametrize("pod", _PODS)
def test_k10_only_dispatchers_have_a_token(pod: Pod) -> None:
    assert pod.spec["automountServiceAccountToken"] is pod.is_dispatcher
    assert ("serviceAccountName" in pod.spec) is pod.is_dispatcher


@pytest.mark.parametrize("name", NAMES)
def test_k10_no_service_account_gives_its_token_unasked(name: str) -> None:
    for account in find(name, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("pod", _PODS)
def test_no_service_of_the_namespace_becomes_a_setting(pod: Pod) -> None:
    # A Service named "dispatcher" would set DISPATCHER_PORT to tcp://… in every pod.
    assert pod.spec["enableServiceLinks"] is False


@pytest.mark.parametrize("pod", _PODS)
def test_the_environment_holds_no_secret_itself(pod: Pod) -> None:
    assert "envFrom" not in pod.container
    for entry in pod.container["env"]:
        if "valueFrom" not in entry:
            assert set(entry) == {"name", "value"}
            assert not re.search("password|secret|cookie|token", entry["name"], re.IGNORECASE) or (
                entry["name"] == "DISPATCHER_WEBHOOK_SECRET_FILE"
            )
        elif "secretKeyRef" in entry["valueFrom"]:
            # Not optional: without the Secret the pod does not start, and there is no default.
            assert set(entry["valueFrom"]["secretKeyRef"]) == {"name", "key"}
            assert not pod.is_step


@pytest.mark.parametrize("name", SHARED)
def test_s10_every_password_is_of_one_secret_that_setup_makes(name: str) -> None:
    keys = {
        (reference["name"], reference["key"])
        for pod in pods(name)
        for entry in pod.container["env"]
        if (reference := entry.get("valueFrom", {}).get("secretKeyRef"))
    }
    assert keys == {
        ("conveyor-servers", key)
        for key in (
            "RABBITMQ_PASSWORD",
            "RABBITMQ_ERLANG_COOKIE",
            "REDIS_PASSWORD",
            "MINIO_ROOT_PASSWORD",
            "S3_SECRET_KEY",
        )
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_password_is_an_argument(name: str) -> None:
    for pod in pods(name):
        said = " ".join([*pod.container.get("args", ()), *pod.container.get("command", ())[:1]])
        assert not re.search("password|secret", said, re.IGNORECASE)


@pytest.mark.parametrize("pod", _PODS)
def test_a_variable_that_others_have_inside_comes_before_them(pod: Pod) -> None:
    assert not [name for name, value in pod.environment.items() if "$(" in value]
