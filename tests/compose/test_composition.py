"""docker-compose.yml: valid, closed, and told only what its programs understand."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml

from dispatcher.api.guards.exposure import check_exposure
from dispatcher.settings import Settings, load_settings
from dispatcher.topology.configmap import parse, pipelines_of
from step_app.settings import Settings as StepSettings
from step_app.settings import parse_step_config
from tests.compose.composition import (
    FILE,
    RECORDS,
    ROOT,
    composition,
    dispatchers,
    networks_of,
    services,
    steps,
)
from tests.images.dockerfiles import arguments, last_stage
from tests.images.locks import DISPATCHER, STEP
from tests.k8s.manifests import get, pod_of

_VARIABLE: Final = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)([^}]*)\}")
_OWN: Final = re.compile(r"conveyor-(dispatcher|step):\d+\.\d+\.\d+")
PINNED: Final = re.compile(r"[a-z./-]+:[-.\w]+@sha256:[0-9a-f]{64}")


def test_the_specification_of_compose_has_nothing_against_it() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", str(FILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_s10_no_secret_has_a_default() -> None:
    variables = dict(_VARIABLE.findall(FILE.read_text()))
    addresses = {"CONVEYOR_LISTEN": ":-127.0.0.1:8080"}
    assert variables == addresses | dict.fromkeys(
        (
            "RABBITMQ_PASSWORD",
            "REDIS_PASSWORD",
            "MINIO_ROOT_PASSWORD",
            "S3_SECRET_KEY",
            "WEBHOOK_SECRET",
        ),
        ":?run ./setup.sh secrets",
    )


def test_s10_what_makes_the_secrets_makes_all_of_them(tmp_path: Path) -> None:
    script = (ROOT / "setup.sh").read_text()
    (tmp_path / "setup.sh").write_text(script)
    made = [tmp_path / ".env" for _ in range(2)]
    for number in range(2):
        done = subprocess.run(
            ["bash", str(tmp_path / "setup.sh"), "secrets"],
            capture_output=True,
            text=True,
            check=False,
        )
        # A second call would lock everybody out of what the first one's servers hold.
        assert (done.returncode == 0) is (number == 0), done.stderr
    assert made[0].stat().st_mode & 0o777 == 0o600
    secrets = dict(line.split("=", 1) for line in made[0].read_text().splitlines() if "=" in line)
    wanted = {name for name, rest in _VARIABLE.findall(FILE.read_text()) if rest[1] == "?"}
    assert set(secrets) == wanted | {"RABBITMQ_ERLANG_COOKIE"}  # that one is for the cluster
    assert len(set(secrets.values())) == len(secrets)
    for name, value in secrets.items():
        # They stand in URLs, and need no quoting anywhere.
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{40,}=*|[0-9a-f]{40,}", value), name


@pytest.mark.parametrize("name", services())
def test_a_container_has_no_privileges_and_limits(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"] and service["cpus"] and service["pids_limit"]
    for forbidden in ("privileged", "cap_add", "devices", "pid", "ipc", "env_file"):
        assert forbidden not in service
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))
    is_passing = name in ("prepare", "bucket", "keys")
    assert (
        service["restart"] == ("on-failure" if is_passing else "unless-stopped") or name == "keys"
    )
    assert ("healthcheck" in service) is not is_passing


@pytest.mark.parametrize("name", services())
def test_images_never_move(name: str) -> None:
    image = services()[name]["image"]
    assert _OWN.fullmatch(image) or PINNED.fullmatch(image)


def test_servers_are_those_of_the_cluster() -> None:
    workloads = {"rabbitmq": "StatefulSet", "redis": "StatefulSet", "minio": "StatefulSet"}
    for name, kind in workloads.items():
        image = services()[name]["image"]
        shipped = pod_of(get("cluster", kind, name)).container["image"]
        assert image.split("@")[1] == shipped.split("@")[1]
        assert image.split("@")[0] == pod_of(get("shared", kind, name)).container["image"]


def test_only_the_proxy_is_reached_from_outside_and_only_from_this_machine() -> None:
    assert {name for name, service in services().items() if "ports" in service} == {"nginx"}
    (port,) = services()["nginx"]["ports"]
    assert port == "${CONVEYOR_LISTEN:-127.0.0.1:8080}:8080"


def test_k19_who_shares_a_network_with_whom() -> None:
    internal = {name for name, one in composition()["networks"].items() if one.get("internal")}
    assert internal == {"servers", "classifier", "operations"}
    for name in ("rabbitmq", "redis", "minio", "bucket"):
        assert networks_of(name) == ["servers"]
    for name in steps():
        (network,) = networks_of(name)
        assert network in internal - {"servers"}
        neighbours = {other for other in services() if network in networks_of(other)}
        kind = name.split("-")[0]
        assert {other.split("-")[0] for other in neighbours} == {"api", "worker", kind}
    for name in ("prepare", "keys"):
        assert services()[name]["network_mode"] == "none"
    assert networks_of("nginx") == ["front"]
    assert not set(networks_of("api")) & set(networks_of("nginx")) - {"front"}


@pytest.mark.parametrize("name", dispatchers())
def test_a_dispatcher_is_told_what_it_understands(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = dispatchers()[name]
    known = {f"DISPATCHER_{field.upper()}" for field in Settings.model_fields}
    of_others = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert set(service["environment"]) <= known | of_others
    for key, value in service["environment"].items():
        monkeypatch.setenv(key, _VARIABLE.sub("secret", value))
    settings = load_settings([])
    check_exposure(settings)
    assert settings.role == name
    assert settings.queue == "rabbitmq"
    assert settings.topology == "files"
    mounts = {volume.split(":")[1]: volume.split(":")[2] for volume in service["volumes"]}
    for path in (settings.api_keys_file, settings.webhook_secret_file):
        assert path is not None
        assert mounts[str(path.parent)] == "ro"
    assert mounts[str(settings.records_dir)] == "ro"
    assert str(settings.data_dir).startswith("/tmp/")
    assert "command" not in service and "entrypoint" not in service


def test_dispatchers_differ_in_nothing_but_their_role_and_their_networks() -> None:
    api, worker = ({**one["environment"]} for one in dispatchers().values())
    assert {key for key in api if api[key] != worker[key]} == {"DISPATCHER_ROLE"}


def test_the_records_name_every_replica_and_say_what_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = [parse(path.read_text()) for path in sorted(RECORDS.glob("*.yaml"))]
    assert {pipeline.id for pipeline in pipelines_of(records)} == {"default", "operations"}
    urls = [url for record in records for url in record.endpoints]
    assert sorted(urls) == sorted(f"http://{name}:5000" for name in steps())
    for record in records:
        for url in record.endpoints:
            environment = steps()[url.split("/")[2].split(":")[0]]["environment"]
            for key, value in environment.items():
                monkeypatch.setenv(key, value)
            config = parse_step_config(StepSettings().pipeline_config)
            assert (config.pipeline_id, config.step_id) == (
                record.key.pipeline_id,
                record.key.step_id,
            )
            assert (config.type, config.params) == (record.type, record.params)


@pytest.mark.parametrize("name", steps())
def test_a_replica_has_as_many_threads_as_it_may_use_cores(name: str) -> None:
    service = steps()[name]
    assert float(service["environment"]["STEP_THREADS"]) == float(service["cpus"])


def test_what_images_write_is_in_a_volume() -> None:
    for name, image in (("api", DISPATCHER), ("classifier-1", STEP)):
        given = dict(
            re.findall(r"(\w+)=(\S+)", " ".join(arguments(last_stage(image), "ENV")))
        ) | dict(services()[name]["environment"])
        places = [volume.split(":")[1] for volume in services()[name]["volumes"]]
        places += [tmpfs.split(":")[0] for tmpfs in services()[name]["tmpfs"]]
        for key in ("HOME", "DISPATCHER_DATA_DIR", "MODEL_CACHE_DIR"):
            if key in given and (key != "DISPATCHER_DATA_DIR" or name == "api"):
                assert any(f"{given[key]}/".startswith(f"{place}/") for place in places), key


def test_every_file_that_is_mounted_is_there_and_everybody_may_read_it() -> None:
    for name, service in services().items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                path = ROOT / source
                assert path.exists(), (name, source)
                assert path.stat().st_mode & 0o004, source
                assert volume.endswith(":ro"), (name, volume)
            else:
                assert source in composition()["volumes"]


def test_nothing_of_it_is_in_an_image() -> None:
    assert "dispatcher/compose" in (ROOT / ".dockerignore").read_text().splitlines()
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_webhook_secret_has_the_form_that_the_dispatcher_reads() -> None:
    said = yaml.safe_dump(services()["prepare"]["command"])
    assert "umask 077" in said
    assert "/var/lib/conveyor/webhook-secret" in said
