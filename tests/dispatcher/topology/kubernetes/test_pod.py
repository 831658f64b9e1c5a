"""What a replica may do and get in a cluster: security.md K01 to K26 for what clients make."""

from collections.abc import Iterator
from typing import Any

import pytest

from dispatcher.errors import InvalidPipelineError
from tests.dispatcher.topology.kubernetes.making import (
    OPEN,
    admit,
    container,
    documents_of,
    one,
    strict_cluster,
)
from tests.dispatcher.topology.kubernetes.pipelines import ID, POLICY, pipeline_of
from tests.kubernetes_api.cluster import STEPS_NAMESPACE, Cluster


@pytest.fixture(scope="module")
def strict() -> Iterator[Cluster]:
    """A cluster for the objects of many tests."""
    with strict_cluster() as started:
        yield started


def test_pods_are_let_in_where_pod_security_is_restricted(strict: Cluster) -> None:
    admit(strict, [one()], STEPS_NAMESPACE)  # K01
    admit(strict, [one(gpu=2)], STEPS_NAMESPACE)


def test_a_container_has_no_more_rights_than_it_needs() -> None:
    documents = one()
    pod = documents["Deployment"]["spec"]["template"]["spec"]
    inside = container(documents)["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is inside["runAsNonRoot"] is True  # K02
    assert pod["securityContext"]["runAsUser"] == inside["runAsUser"] >= 10_000
    assert inside["allowPrivilegeEscalation"] is False  # K03
    assert inside["capabilities"] == {"drop": ["ALL"]}  # K04
    assert inside["seccompProfile"] == {"type": "RuntimeDefault"}  # K05
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()  # K06
    assert inside["readOnlyRootFilesystem"] is True  # K07
    assert pod["automountServiceAccountToken"] is False  # K10
    assert pod["enableServiceLinks"] is False


def test_all_that_can_be_written_has_a_limit() -> None:
    documents = one()
    volumes = documents["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert {volume["name"] for volume in volumes if "emptyDir" in volume} == {"tmp", "cache"}
    assert all(volume["emptyDir"]["sizeLimit"] for volume in volumes if "emptyDir" in volume)
    writable = [mount for mount in container(documents)["volumeMounts"] if "readOnly" not in mount]
    assert {mount["mountPath"] for mount in writable} == {"/tmp", "/var/cache/conveyor"}
    resources = container(documents)["resources"]
    assert (
        set(resources["limits"])
        == set(resources["requests"])
        == {
            "cpu",
            "memory",
            "ephemeral-storage",
        }
    )  # K08


def test_the_image_is_the_administrators_and_nothing_else_is_run() -> None:
    (documents,) = documents_of(pipeline_of({"type": "blur"}))
    assert container(documents)["image"] == POLICY.image  # K09
    assert not {"command", "args", "envFrom"} & container(documents).keys()
    assert all(set(entry) == {"name", "value"} for entry in container(documents)["env"])


def test_a_pod_sees_the_records_of_its_pipeline_without_a_token() -> None:
    steps = documents_of(pipeline_of({"type": "blur"}, {"type": "blur"}))
    for step in steps:
        volumes = step["Deployment"]["spec"]["template"]["spec"]["volumes"]
        (records,) = [volume["projected"] for volume in volumes if "projected" in volume]
        sources = [source["configMap"] for source in records["sources"]]
        assert [source["name"] for source in sources] == [f"{ID}-step-0", f"{ID}-step-1"]
        assert all(source["optional"] for source in sources)  # one may go while others run


# What an administrator may allow


def test_gpus_and_folders_of_the_host_are_given_when_they_are_allowed(strict: Cluster) -> None:
    documents = one(gpu=2, volumes=["cuda", "lib"])
    assert container(documents)["resources"]["limits"]["nvidia.com/gpu"] == "2"
    volumes = documents["Deployment"]["spec"]["template"]["spec"]["volumes"]
    paths = [volume["hostPath"]["path"] for volume in volumes if "hostPath" in volume]
    assert paths == ["/usr/local/cuda", "/opt/lib"]
    mounts = container(documents)["volumeMounts"]
    assert all(mount["readOnly"] for mount in mounts if mount["mountPath"] in paths)
    admit(strict, [documents], OPEN)


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ({"gpu": 1}, "step 0: gpu: the administrator allows at most 0"),
        ({"volumes": ["cuda"]}, "step 0: volumes: the administrator does not allow cuda"),
        ({"resources": {"limits": {"cpu": "0"}}}, "limits.cpu: must be more than 0"),
        (
            {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
            "requests.memory is more than limits.memory",
        ),
    ],
)
def test_what_is_not_allowed_is_refused_by_the_name_of_the_step(
    step: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidPipelineError, match=complaint):
        documents_of(pipeline_of({"type": "blur", **step}))


# Availability


def test_probes_ask_for_what_they_mean() -> None:
    found = container(one())
    paths = {
        name: found[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}  # K23
    startup = found["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 300  # models are converted


def test_a_replica_that_ends_is_missed_before_it_stops() -> None:
    documents = one()
    pause = container(documents)["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = documents["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert pause >= 5  # K24
    assert grace >= pause + 10 + 5  # ten seconds is what a replica gives its last answers


def test_nodes_can_be_drained_and_replicas_are_spread() -> None:
    documents = one(replicas=3)
    assert documents["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1  # K25
    (spread,) = documents["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"  # K26


def test_a_pod_without_a_gpu_to_spare_is_replaced_in_place() -> None:
    strategies = [one(gpu=gpu)["Deployment"]["spec"]["strategy"]["rollingUpdate"] for gpu in (0, 1)]
    assert strategies == [
        {"maxSurge": 1, "maxUnavailable": 0},
        {"maxSurge": 0, "maxUnavailable": 1},
    ]
