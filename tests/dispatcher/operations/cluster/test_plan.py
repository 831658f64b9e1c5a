"""What the processes of a cluster are told, and who can see it."""

from pathlib import Path

import pytest

from dispatcher.errors import StartupError
from dispatcher.operations.cluster.plan import (
    Ports,
    Secrets,
    dispatcher_program,
    load_secrets,
    server_programs,
    shared_environment,
)
from dispatcher.settings import load_settings

PORTS = Ports(names=1001, rabbitmq=1002, rabbitmq_node=1003, redis=1004)
KNOWN = Secrets("s3cret-rabbit", "s3cret-redis")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program is there, so that a plan can be made on any machine."""
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")


def test_passwords_are_made_once_and_nobody_else_can_read_them(tmp_path: Path) -> None:
    made = load_secrets(tmp_path)
    assert made == load_secrets(tmp_path)
    assert made.rabbitmq != made.redis
    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("{}")
    with pytest.raises(StartupError, match="passwords"):
        load_secrets(tmp_path)


def test_no_password_is_an_argument_or_in_a_file_for_everybody(tmp_path: Path) -> None:
    for program in server_programs(tmp_path, PORTS, KNOWN):
        assert not any("s3cret" in argument for argument in program.command), program.name
    readable = [path for path in tmp_path.rglob("*") if path.is_file()]
    told = [path for path in readable if "s3cret" in path.read_text()]
    assert {path.name for path in told} == {"rabbitmq.conf", "redis.conf"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in told)


def test_servers_come_in_their_order_and_listen_on_this_machine_only(tmp_path: Path) -> None:
    programs = server_programs(tmp_path, PORTS, KNOWN)
    assert [(program.name, program.port) for program in programs] == [
        ("epmd", 1001),
        ("rabbitmq", 1002),
        ("redis", 1004),
    ]
    assert "listeners.tcp.1 = 127.0.0.1:1002" in (tmp_path / "rabbitmq/rabbitmq.conf").read_text()
    assert "bind 127.0.0.1\nport 1004" in (tmp_path / "redis/redis.conf").read_text()
    assert programs[1].environment["ERL_EPMD_ADDRESS"] == "127.0.0.1"


def test_a_server_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(StartupError, match=r"epmd is not installed; ./setup\.sh servers"):
        server_programs(tmp_path, PORTS, KNOWN)


@pytest.mark.parametrize("role", ["api", "worker"])
def test_a_dispatcher_understands_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    shared = shared_environment(tmp_path, PORTS, KNOWN, blob_url=str(tmp_path / "objects"))
    for name, value in shared.items():
        monkeypatch.setenv(name, value)
    program = dispatcher_program(
        "one",
        folder=tmp_path,
        role=role,
        port=0,
        records_dir=tmp_path / "records",
        flags=["--queue-capacity", "7"],
    )
    settings = load_settings(program.command[3:])
    assert (settings.role, settings.queue, settings.topology) == (role, "rabbitmq", "files")
    assert (settings.queue_capacity, settings.data_dir) == (7, program.data_dir)
    assert settings.rabbitmq_url is not None
    assert settings.rabbitmq_url.get_secret_value().endswith("s3cret-rabbit@127.0.0.1:1002/%2F")
