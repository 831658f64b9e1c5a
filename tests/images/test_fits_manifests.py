"""What the images expect of a pod, the manifests give: names, ports, users, places to write."""

import re
from collections.abc import Mapping

import pytest

from tests.images.dockerfiles import arguments, last_stage
from tests.images.locks import DISPATCHER, STEP, Image
from tests.k8s.manifests import Pod, pods

MANIFESTS = {"conveyor-dispatcher": DISPATCHER, "conveyor-step": STEP}
"""Which image has which name in the manifests."""

SHIPPED = [pod for name in ("dispatcher", "deployment") for pod in pods(name)]

every_pod = pytest.mark.parametrize("pod", SHIPPED, ids=lambda pod: pod.owner)


def image_of(pod: Pod) -> Image:
    return MANIFESTS[pod.container["image"].split(":")[0]]


def environment_of(image: Image) -> Mapping[str, str]:
    given = " ".join(arguments(last_stage(image), "ENV"))
    return dict(re.findall(r"(\w+)=(\S+)", given))


def test_both_images_are_used() -> None:
    assert {image_of(pod).place for pod in SHIPPED} == {"dispatcher", "step_app"}


@every_pod
def test_the_tag_is_the_version_that_the_image_bears(pod: Pod) -> None:
    (label,) = arguments(last_stage(image_of(pod)), "LABEL")
    tag = pod.container["image"].split(":")[1]
    assert f'org.opencontainers.image.version="{tag}"' in label


@every_pod
def test_it_runs_as_the_user_of_the_image(pod: Pod) -> None:
    (user,) = arguments(last_stage(image_of(pod)), "USER")
    context = pod.spec["securityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"


@every_pod
def test_it_runs_the_program_of_the_image(pod: Pod) -> None:
    assert "command" not in pod.container


@every_pod
def test_it_listens_where_the_image_says(pod: Pod) -> None:
    (port,) = arguments(last_stage(image_of(pod)), "EXPOSE")
    assert [entry["containerPort"] for entry in pod.container["ports"]] == [int(port)]


@every_pod
def test_whatever_it_writes_is_in_a_volume(pod: Pod) -> None:
    environment = {**environment_of(image_of(pod)), **pod.environment}
    written = {"/tmp", environment["HOME"]}
    written |= {
        environment[n] for n in ("DISPATCHER_DATA_DIR", "MODEL_CACHE_DIR") if n in environment
    }
    mounts = {m["mountPath"] for m in pod.container["volumeMounts"] if not m.get("readOnly")}
    for path in written:
        assert any(f"{path}/".startswith(f"{mount}/") for mount in mounts), path
