"""dispatcher/compose/monitoring: closed like the rest, and pointed at everything that runs."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from dispatcher.topology.configmap import parse
from tests.compose.composition import RECORDS, ROOT, Service, composition, steps
from tests.compose.test_composition import PINNED
from tests.k8s.dashboards import DASHBOARD, alert_groups, dashboard
from tests.servers.prometheus import promtool

_FOLDER: Final = ROOT / "dispatcher" / "compose" / "monitoring"
_FILE: Final = _FOLDER / "compose.yaml"


def read(name: str) -> Mapping[str, Any]:
    document = yaml.safe_load((_FOLDER / name).read_text())
    assert isinstance(document, dict)
    return document


def services() -> Mapping[str, Service]:
    found = read("compose.yaml")["services"]
    assert isinstance(found, dict)
    return found


def mounts_of(name: str) -> Mapping[str, Path]:
    """The files of the project that a service sees, by the paths that it has for them."""
    volumes = [volume.split(":") for volume in services()[name]["volumes"]]
    return {place: ROOT / source for source, place, *_ in volumes if source.startswith("./")}


def test_the_specification_of_compose_has_nothing_against_it() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", str(_FILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", services())
def test_a_container_has_no_privileges_and_limits(name: str) -> None:
    service = services()[name]
    assert PINNED.fullmatch(service["image"])
    for key, value in composition()["x-hardened"].items():
        assert service[key] == value, key
    assert service["mem_limit"] and service["cpus"] and service["healthcheck"]
    for volume in service["volumes"]:
        assert volume.endswith(":ro") or volume.split(":")[0] in read("compose.yaml")["volumes"]
    for path in mounts_of(name).values():
        assert path.stat().st_mode & 0o004, path


def test_only_this_machine_reaches_grafana_and_nobody_can_log_in() -> None:
    assert "ports" not in services()["prometheus"]
    (port,) = services()["grafana"]["ports"]
    assert port == "${CONVEYOR_GRAFANA_LISTEN:-127.0.0.1:3000}:3000"
    told = services()["grafana"]["environment"]
    assert told["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert told["GF_AUTH_BASIC_ENABLED"] == "false"
    assert told["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert told["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert services()["grafana"]["networks"] == ["monitoring"]


def test_who_has_no_key_starts_nothing() -> None:
    key = services()["prometheus"]["environment"]["METRICS_KEY"]
    assert key.startswith("${METRICS_KEY:?")
    (written,) = services()["prometheus"]["command"]
    (dispatchers,) = (job for job in jobs() if job["job_name"] == "dispatchers")
    assert f"> {dispatchers['authorization']['credentials_file']}\n" in written


@pytest.mark.usefixtures("need_promtool")
def test_prometheus_has_nothing_against_its_configuration() -> None:
    # Without the folder's key file, which only the container has.
    assert promtool("check", "config", "--syntax-only", str(_FOLDER / "prometheus.yml")) == ""
    assert promtool("check", "rules", str(_FOLDER / "alerts.yaml")) == ""


def test_every_process_is_asked_for_its_metrics_where_it_can_be_reached() -> None:
    by_name = {job["job_name"]: job for job in jobs()}
    (found,) = by_name["dispatchers"]["dns_sd_configs"]
    assert found["names"] == ["api", "worker"]
    asked = {
        f"http://{address}": group["labels"]
        for job in jobs()
        for group in job.get("static_configs", ())
        for address in group["targets"]
    }
    records = [parse(path.read_text()) for path in RECORDS.glob("*.yaml")]
    assert asked == {
        url: {"pipeline_id": record.key.pipeline_id, "step_id": record.key.step_id}
        for record in records
        for url in record.endpoints
    }
    reached = set(services()["prometheus"]["networks"])
    for service in (*steps().values(), *(composition()["services"][n] for n in found["names"])):
        assert reached & set(service["networks"])


def test_alerts_and_dashboard_are_those_of_the_cluster() -> None:
    assert read("alerts.yaml") == alert_groups()
    mounted = mounts_of("grafana")
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounted[home] == DASHBOARD
    (provider,) = read("dashboards.yaml")["providers"]
    assert str(Path(home).parent) == provider["options"]["path"]
    (variable,) = dashboard()["templating"]["list"]
    (source,) = read("datasources.yaml")["datasources"]
    assert (variable["type"], variable["query"]) == ("datasource", source["type"])
    assert source["url"] == "http://prometheus:9090"
    assert json.loads(DASHBOARD.read_text())["uid"] == "conveyor"


def test_grafana_knows_how_often_prometheus_looks() -> None:
    (source,) = read("datasources.yaml")["datasources"]
    looks = read("prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == looks


def jobs() -> list[Mapping[str, Any]]:
    return list(read("prometheus.yml")["scrape_configs"])
