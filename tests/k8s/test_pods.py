"""Every pod is admitted under Pod Security ``restricted``, and more (security.md K01 to K11)."""

import re
from typing import Final

import pytest
from kubernetes.utils import parse_quantity

from tests.k8s.manifests import NAMES, Pod, different_pods, find, pods

_PODS: Final = [pytest.param(pod, id=name) for name, pod in different_pods()]
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
    assert not any("hostPort" in port for port in pod.container["ports"])
    assert "initContainers" not in pod.spec


@pytest.mark.parametrize("pod", _PODS)
def test_k07_a_pod_writes_only_where_there_is_a_limit(pod: Pod) -> None:
    assert pod.container["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in pod.container["volumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == set(volumes)
    for mount in mounts.values():
        volume = volumes[mount["name"]]
        if "emptyDir" in volume:
            assert parse_quantity(volume["emptyDir"]["sizeLimit"]) > 0
        elif "persistentVolumeClaim" not in volume:
            assert mount["readOnly"] is True
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
        if name == "cluster":
            assert re.fullmatch(r"\S+/conveyor-(dispatcher|step)@sha256:[0-9a-f]{64}", image)
        else:
            assert re.fullmatch(r"conveyor-(dispatcher|step):\d+\.\d+\.\d+", image)


@pytest.mark.parametrize("name", ["dispatcher", "deployment", "minikube"])
def test_k09_images_that_were_loaded_are_looked_for_in_no_registry(name: str) -> None:
    assert {pod.container["imagePullPolicy"] for pod in pods(name)} == {"Never"}


@pytest.mark.parametrize("pod", _PODS)
def test_k10_only_the_dispatcher_has_a_token(pod: Pod) -> None:
    assert pod.spec["automountServiceAccountToken"] is (not pod.is_step)
    assert ("serviceAccountName" in pod.spec) is (not pod.is_step)


@pytest.mark.parametrize("name", NAMES)
def test_k10_no_service_account_gives_its_token_unasked(name: str) -> None:
    for account in find(name, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("pod", _PODS)
def test_no_service_of_the_namespace_becomes_a_setting(pod: Pod) -> None:
    # A Service named "dispatcher" would set DISPATCHER_PORT to tcp://… in every pod.
    assert pod.spec["enableServiceLinks"] is False


@pytest.mark.parametrize("pod", _PODS)
def test_the_environment_holds_no_secret(pod: Pod) -> None:
    assert all(set(entry) == {"name", "value"} for entry in pod.container["env"])
    assert "envFrom" not in pod.container
