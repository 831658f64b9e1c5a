"""What the API server itself refuses in the steps' namespace (security.md K16).

The expressions are evaluated by the reference implementation of the Common Expression Language.
"""

import copy
from collections.abc import Callable
from typing import Any, Final

import pytest
import yaml
from cel_expr_python import cel
from kubernetes.aio.client import ApiClient

from dispatcher.topology.configmap import parse
from dispatcher.topology.kubernetes.permissions import StepPolicy
from dispatcher.topology.kubernetes.pod import pod_template
from tests.k8s.manifests import Document, dispatcher_pod, find, get, selects

_OVERLAY: Final = "cluster"
Change = Callable[[dict[str, Any]], object]


def _deployment(change: Change | None = None) -> dict[str, Any]:
    """Return the default pipeline's Deployment, its pod's spec changed."""
    deployment = copy.deepcopy(dict(get(_OVERLAY, "Deployment", "default-step-0")))
    if change is not None:
        change(deployment["spec"]["template"]["spec"])
    return deployment


def _pod(change: Change | None = None) -> dict[str, Any]:
    return {"kind": "Pod", "spec": _deployment(change)["spec"]["template"]["spec"]}


def _refusals(document: Document) -> list[str]:
    """Return the messages of all rules of the policy that an object breaks."""
    policy = get(_OVERLAY, "ValidatingAdmissionPolicy", "conveyor-steps")["spec"]
    params = get(_OVERLAY, "ConfigMap", "allowed-images", "conveyor")
    names = ("object", "params", "request", "variables")
    environment = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    variables: dict[str, Any] = {}
    data = {
        "object": document,
        "params": params,
        "request": {"kind": {"kind": document["kind"]}},
        "variables": variables,
    }

    def evaluate(expression: str) -> Any:
        return environment.compile(expression).eval(data=data).plain_value()

    for variable in policy["variables"]:
        variables[variable["name"]] = evaluate(variable["expression"])
    return [
        rule["message"]
        for rule in policy["validations"]
        if evaluate(rule["expression"]) is not True
    ]


def _container(**changes: object) -> Change:
    return lambda spec: spec["containers"][0].update(changes)


def _more_volumes(volume: Document) -> Change:
    return lambda spec: spec["volumes"].append({"name": "more", **volume})


def _environment(entry: Document) -> Change:
    return lambda spec: spec["containers"][0]["env"].append({"name": "MORE", **entry})


def _init_container(spec: dict[str, Any]) -> None:
    spec["initContainers"] = [{"name": "first", "image": "docker.io/library/busybox"}]


_DIGEST: Final = "sha256:" + "a" * 64
_REFUSED: Final[dict[str, Change]] = {
    "another registry": _container(image=f"docker.io/library/conveyor-step@{_DIGEST}"),
    "a tag": _container(image="registry.invalid/conveyor/conveyor-step:0.1.0"),
    "a longer name of the registry": _container(
        image=f"registry.invalid.example/conveyor/conveyor-step@{_DIGEST}"
    ),
    "a digest that is cut short": _container(image="registry.invalid/conveyor/step@sha256:aa"),
    "a container before": _init_container,
    "a command": _container(command=["sh"]),
    "arguments": _container(args=["-c", "id"]),
    "a secret in the environment": _environment(
        {"valueFrom": {"secretKeyRef": {"name": "dispatcher-api-keys", "key": "keys.json"}}}
    ),
    "all of a secret in the environment": _container(envFrom=[{"secretRef": {"name": "s"}}]),
    "a folder of the host": _more_volumes({"hostPath": {"path": "/"}}),
    "a secret as a volume": _more_volumes({"secret": {"secretName": "s"}}),
    "a claim": _more_volumes({"persistentVolumeClaim": {"claimName": "c"}}),
    "a token": _more_volumes({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}),
    "a secret among the records": _more_volumes(
        {"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}}
    ),
    "a mounted token": lambda spec: spec.update(automountServiceAccountToken=True),
    "no word about the token": lambda spec: spec.pop("automountServiceAccountToken"),
    "another account": lambda spec: spec.update(serviceAccountName="somebody"),
}


@pytest.mark.parametrize("kind", [_deployment, _pod])
@pytest.mark.parametrize("change", _REFUSED.values(), ids=_REFUSED.keys())
def test_k16_an_object_is_refused_with_one_reason(
    kind: Callable[[Change], dict[str, Any]], change: Change
) -> None:
    assert len(_refusals(kind(change))) == 1


@pytest.mark.parametrize("name", ["default-step-0", "operations-step-0"])
def test_what_is_shipped_is_taken(name: str) -> None:
    assert _refusals(get(_OVERLAY, "Deployment", name)) == []


def test_the_records_of_a_pipeline_and_the_default_account_are_taken() -> None:
    records = {"projected": {"sources": [{"configMap": {"name": "p-step-0", "optional": True}}]}}
    assert _refusals(_pod(_more_volumes(records))) == []
    assert _refusals(_pod(lambda spec: spec.update(serviceAccountName="default"))) == []
    assert _refusals(_pod(lambda spec: spec.pop("volumes"))) == []


def test_what_post_pipeline_makes_is_taken() -> None:
    record = parse(yaml.safe_dump(dict(get(_OVERLAY, "ConfigMap", "default-step-0"))))
    image = dispatcher_pod(_OVERLAY).environment["DISPATCHER_STEP_IMAGE"]
    template = pod_template(
        record,
        siblings=["p-step-0", "p-step-1"],
        is_entry=True,
        policy=StepPolicy(namespace="conveyor-steps", image=image, max_batch_size=8),
    )
    documents = object.__new__(ApiClient)  # never started: it only turns objects into documents
    made = documents.sanitize_for_serialization(template)
    assert any("projected" in volume for volume in made["spec"]["volumes"])
    assert _refusals({"kind": "Pod", "spec": made["spec"]}) == []


def test_the_policy_is_in_force_in_the_steps_namespace_alone() -> None:
    for name in ("cluster", "everything"):
        (binding,) = find(name, "ValidatingAdmissionPolicyBinding")
        spec = binding["spec"]
        assert spec["policyName"] == "conveyor-steps"
        assert spec["validationActions"] == ["Deny"]
        assert spec["paramRef"]["parameterNotFoundAction"] == "Deny"
        assert get(name, "ConfigMap", spec["paramRef"]["name"], spec["paramRef"]["namespace"])
        (policy,) = find(name, "ValidatingAdmissionPolicy")
        assert policy["spec"]["failurePolicy"] == "Fail"
        selector = spec["matchResources"]["namespaceSelector"]
        assert selects(selector, {"kubernetes.io/metadata.name": "conveyor-steps"})
        assert not selects(selector, {"kubernetes.io/metadata.name": "conveyor"})


def test_pods_and_deployments_are_looked_at_when_they_are_made_or_changed() -> None:
    (policy,) = find(_OVERLAY, "ValidatingAdmissionPolicy")
    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    assert {tuple(rule["resources"]) for rule in rules} == {("pods",), ("deployments",)}
    assert all(rule["operations"] == ["CREATE", "UPDATE"] for rule in rules)
