"""The Terraform of the cluster: it parses, is formatted, hangs together, and lets nobody in."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest

FOLDER = Path(__file__).parents[2] / "k8s/terraform"
FILES = sorted(FOLDER.glob("*.tf"))

_REFERENCE = re.compile(r"\b(google_\w+)\.(\w+)\b")

terraform = shutil.which("terraform")
needs_terraform = pytest.mark.skipif(terraform is None, reason="terraform is not installed")


@cache
def document() -> Mapping[str, Sequence[Any]]:
    """All files as one."""
    parsed = hcl2.loads("\n".join(path.read_text() for path in FILES))
    return {kind: blocks for kind, blocks in parsed.items() if isinstance(blocks, list)}


def named(kind: str) -> Mapping[str, Any]:
    """The blocks of a kind with one label, by that label."""
    return {
        unquote(name): body
        for block in document().get(kind, ())
        for name, body in block.items()
        if isinstance(body, dict)
    }


def resources(wanted: str) -> Mapping[str, Any]:
    """The resources of a type, by their name."""
    return {
        unquote(name): body
        for block in document()["resource"]
        for kind, bodies in block.items()
        if unquote(kind) == wanted
        for name, body in bodies.items()
        if isinstance(body, dict)
    }


def unquote(text: str) -> str:
    return text.strip('"')


def only(blocks: Sequence[Any]) -> Any:
    (block,) = blocks
    return block


def text() -> str:
    """All code without comments."""
    lines = (line for path in FILES for line in path.read_text().splitlines())
    return "\n".join(line.split(" # ")[0] for line in lines if not line.lstrip().startswith("#"))


def run_terraform(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert terraform is not None
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
    return subprocess.run(
        [terraform, f"-chdir={folder}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@needs_terraform
def test_it_is_formatted() -> None:
    done = run_terraform(FOLDER, "fmt", "-check", "-diff", "-recursive")
    assert (done.returncode, done.stdout) == (0, "")


def test_every_variable_and_output_is_described() -> None:
    assert named("variable")
    assert named("output")
    for name, body in {**named("variable"), **named("output")}.items():
        assert len(unquote(body["description"])) > 20, name


def test_every_variable_has_a_type_and_what_can_be_wrong_is_validated() -> None:
    for name, body in named("variable").items():
        assert "type" in body, name
        assert "validation" in body or body["type"] in ("bool", "${bool}"), name


def test_the_table_of_variables_names_them_all() -> None:
    table = (FOLDER / "README.md").read_text()
    for name in named("variable"):
        assert f"`{name}`" in table, name


def test_every_variable_is_used_and_every_used_one_is_declared() -> None:
    assert set(re.findall(r"\bvar\.(\w+)", text())) == set(named("variable"))


def test_every_resource_that_is_referred_to_exists() -> None:
    for kind, name in set(_REFERENCE.findall(text())):
        assert name in resources(kind), f"{kind}.{name}"


def test_versions_are_pinned() -> None:
    head = only(document()["terraform"])
    assert unquote(head["required_version"]).startswith("~> ")
    assert unquote(only(head["required_providers"])["google"]["version"]).startswith("~> ")


def test_nodes_and_pods_are_private() -> None:
    cluster = resources("google_container_cluster")["this"]
    assert only(cluster["private_cluster_config"])["enable_private_nodes"] is True
    assert "master_authorized_networks_config" in cluster
    assert "administrator_ranges" in named("variable")
    assert "default" not in named("variable")["administrator_ranges"]


def test_network_policies_are_enforced() -> None:
    cluster = resources("google_container_cluster")["this"]
    assert unquote(cluster["datapath_provider"]) == "ADVANCED_DATAPATH"


def test_no_login_is_older_than_workload_identity() -> None:
    cluster = resources("google_container_cluster")["this"]
    assert cluster["enable_legacy_abac"] is False
    issued = only(only(cluster["master_auth"])["client_certificate_config"])
    assert issued["issue_client_certificate"] is False
    assert "workload_identity_config" in cluster
    assert not resources("google_service_account_key")


def node_configs() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, pool in resources("google_container_node_pool").items():
        yield name, only(pool["node_config"])
    yield "first", only(resources("google_container_cluster")["this"]["node_config"])


def test_every_node_is_shielded_and_hides_its_own_identity() -> None:
    names = []
    for name, node in node_configs():
        names.append(name)
        shield = only(node["shielded_instance_config"])
        assert shield["enable_secure_boot"] is True, name
        assert unquote(only(node["workload_metadata_config"])["mode"]) == "GKE_METADATA", name
        assert "google_service_account.nodes.email" in node["service_account"], name
    assert set(names) == {"cpu", "gpu", "first"}


def test_both_pools_grow_and_shrink_and_mend_themselves() -> None:
    for name, pool in resources("google_container_node_pool").items():
        bounds = only(pool["autoscaling"])
        assert f"var.{name}_pool.max_nodes" in bounds["total_max_node_count"]
        management = only(pool["management"])
        assert management["auto_repair"] is True, name
        assert management["auto_upgrade"] is True, name


def test_gpus_cost_nothing_until_somebody_wants_them() -> None:
    default = (FOLDER / "variables.tf").read_text()
    assert re.search(r'variable "gpu_pool".*?max_nodes\s+= optional\(number, 0\)', default, re.S)
    assert "max_nodes > 0 ? 1 : 0" in resources("google_container_node_pool")["gpu"]["count"]


def test_the_internet_reaches_nothing() -> None:
    opened = {
        name: rule for name, rule in resources("google_compute_firewall").items() if "allow" in rule
    }
    assert set(opened) == {"load_balancers", "node_ports"}
    for name, rule in opened.items():
        assert "0.0.0.0/0" not in str(rule["source_ranges"]), name
        assert "target_service_accounts" in rule, name
    assert "length(var.node_port_ranges) > 0 ? 1 : 0" in opened["node_ports"]["count"]


def test_nobody_gets_more_rights_than_listed() -> None:
    roles = set(re.findall(r'role\s*=\s*"([^"]+)"', text()))
    assert roles == {
        "roles/container.defaultNodeServiceAccount",
        "roles/iam.workloadIdentityUser",
        "roles/artifactregistry.reader",
        "roles/artifactregistry.writer",
    }


def test_images_under_a_tag_never_change() -> None:
    registry = resources("google_artifact_registry_repository")["images"]
    assert only(registry["docker_config"])["immutable_tags"] is True


GOOD = {"project_id": '"my-project-1"', "administrator_ranges": '{ office = "203.0.113.0/24" }'}


@pytest.fixture(scope="module")
def variables_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The variables without the resources, so that no provider is needed to judge values."""
    folder = tmp_path_factory.mktemp("terraform")
    shutil.copy(FOLDER / "variables.tf", folder)
    done = run_terraform(folder, "init", "-input=false", "-backend=false")
    assert done.returncode == 0, done.stderr
    return folder


def plan(folder: Path, values: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / "terraform.tfvars").write_text("".join(f"{k} = {v}\n" for k, v in values.items()))
    return run_terraform(folder, "plan", "-input=false", "-lock=false", "-no-color")


@needs_terraform
def test_the_example_is_accepted(variables_alone: Path) -> None:
    shutil.copy(FOLDER / "terraform.tfvars.example", variables_alone / "terraform.tfvars")
    done = run_terraform(variables_alone, "plan", "-input=false", "-lock=false", "-no-color")
    assert done.returncode == 0, done.stderr


@needs_terraform
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("administrator_ranges", "{}"),
        ("administrator_ranges", '{ all = "0.0.0.0/0" }'),
        ("region", '"europe-west1-b"'),
        ("control_plane_range", '"172.16.0.0/24"'),
        ("cpu_pool", "{ min_nodes = 3, max_nodes = 2 }"),
        ("gpu_pool", "{ gpus_per_node = 3 }"),
        ("image_writers", '["allUsers"]'),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_made(
    variables_alone: Path, name: str, value: str
) -> None:
    done = plan(variables_alone, {**GOOD, name: value})
    assert done.returncode == 1
    assert "Invalid value for variable" in done.stderr
    assert f"var.{name}" in done.stderr
