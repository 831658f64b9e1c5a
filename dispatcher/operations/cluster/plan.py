"""What the processes of a cluster are: commands, environments, files. Nothing starts here."""

import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from dispatcher.errors import StartupError

_RABBITMQ_SCRIPTS: Final = Path("/usr/lib/rabbitmq/bin")
"""Where Debian has the script that does not insist on a user of its own."""
_USER: Final = "conveyor"
_SECRET_FILE: Final = "secrets.json"
_MODE: Final = 0o600
_RABBITMQ_CONFIG: Final = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = {user}
default_pass = {password}
"""
_REDIS_CONFIG: Final = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
appendonly no
save ""
"""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Passwords of the servers, made once: RabbitMQ's is kept with its data."""

    rabbitmq: str
    redis: str


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each server listens."""

    names: int
    rabbitmq: int
    rabbitmq_node: int
    redis: int


@dataclass(frozen=True, slots=True)
class Program:
    """One process to be: what is executed, with what besides the environment of everybody."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    """Where it listens once it serves; None when its notice says where."""
    data_dir: Path | None = None
    """Of a dispatcher."""


def load_secrets(folder: Path) -> Secrets:
    """Return the passwords of a cluster, made at the first time.

    Raises:
        StartupError: they cannot be kept.
    """
    path = folder / _SECRET_FILE
    try:
        if not path.exists():
            made = Secrets(secrets.token_hex(16), secrets.token_hex(16))
            _write_private(path, msgspec.json.encode(made))
        return msgspec.json.decode(path.read_bytes(), type=Secrets)
    except (OSError, msgspec.MsgspecError) as exc:
        raise StartupError(f"cannot read the passwords in {path}: {exc}") from exc


def server_programs(folder: Path, ports: Ports, known: Secrets) -> Sequence[Program]:
    """Return the servers, in the order in which they start; their files are written.

    Raises:
        StartupError: one is not installed.
    """
    rabbitmq, redis = folder / "rabbitmq", folder / "redis"
    for directory in (rabbitmq, redis):
        directory.mkdir(parents=True, exist_ok=True)
    _write_private(
        rabbitmq / "rabbitmq.conf",
        _RABBITMQ_CONFIG.format(port=ports.rabbitmq, user=_USER, password=known.rabbitmq).encode(),
    )
    (rabbitmq / "plugins").write_text("[].")
    _write_private(
        redis / "redis.conf",
        _REDIS_CONFIG.format(
            port=ports.redis, password=known.redis, folder=redis.resolve()
        ).encode(),
    )
    return (
        Program(
            "epmd",
            [_find("epmd"), "-port", str(ports.names), "-address", "127.0.0.1"],
            port=ports.names,
        ),
        Program(
            "rabbitmq",
            [_find("rabbitmq-server", _RABBITMQ_SCRIPTS)],
            environment=_rabbitmq_environment(rabbitmq.resolve(), ports),
            port=ports.rabbitmq,
        ),
        Program("redis", [_find("redis-server"), str(redis / "redis.conf")], port=ports.redis),
    )


def dispatcher_program(
    name: str, *, folder: Path, role: str, port: int, records_dir: Path, flags: Sequence[str]
) -> Program:
    """Return one dispatcher; what it shares with others is in its environment."""
    data_dir = folder / name
    command = [
        *(sys.executable, "-m", "dispatcher", *flags),
        *("--role", role, "--queue", "rabbitmq", "--topology", "files"),
        *("--records-dir", str(records_dir), "--data-dir", str(data_dir)),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    return Program(name, command, data_dir=data_dir)


def shared_environment(
    folder: Path, ports: Ports, known: Secrets, *, blob_url: str
) -> Mapping[str, str]:
    """Return what every dispatcher is told of the servers: no argument, which anybody could see."""
    return {
        "DISPATCHER_RABBITMQ_URL": f"amqp://{_USER}:{known.rabbitmq}@127.0.0.1:{ports.rabbitmq}/%2F",
        "DISPATCHER_REDIS_URL": f"redis://:{known.redis}@127.0.0.1:{ports.redis}/0",
        "DISPATCHER_BLOB_URL": blob_url,
        "DISPATCHER_WEBHOOK_SECRET_FILE": str(folder / "webhook-secret"),
    }


def _rabbitmq_environment(folder: Path, ports: Ports) -> Mapping[str, str]:
    return {
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(ports.names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "conveyor@localhost",
        "RABBITMQ_DIST_PORT": str(ports.rabbitmq_node),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        # The script becomes the server instead of staying before it.
        "RUNNING_UNDER_SYSTEMD": "true",
        # Idle schedulers sleep, so that the steps have the cores.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none"
        " -kernel inet_dist_use_interface {127,0,0,1}",
    }


def _find(program: str, folder: Path | None = None) -> str:
    """Return the path of a program.

    Raises:
        StartupError: it is not installed.
    """
    if folder is not None and (folder / program).exists():
        return str(folder / program)
    found = shutil.which(program)
    if found is None:
        raise StartupError(f"{program} is not installed; ./setup.sh servers installs it")
    return found


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody else can read."""
    path.touch(mode=_MODE)
    path.chmod(_MODE)
    path.write_bytes(content)
