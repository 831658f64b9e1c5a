"""``python -m dispatcher keys add|list|revoke``: the only writer of a file of API keys."""

import argparse
import fcntl
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dispatcher.api.guards.keys import (
    ApiKey,
    KeysInvalidError,
    Scope,
    digest_of,
    format_keys,
    new_key,
    parse_keys,
)
from dispatcher.errors import StartupError


def run_keys_command(argv: Sequence[str]) -> None:
    """Carry out one command; ``--help`` explains them.

    Raises:
        StartupError: it cannot be done; nothing has changed.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except KeysInvalidError as exc:
        raise StartupError(f"{arguments.file}: {exc}") from exc
    except OSError as exc:
        raise StartupError(f"{arguments.file}: {exc.strerror}") from exc


def _add(arguments: argparse.Namespace) -> None:
    """Make a key, print it once, and keep its hash."""
    key = new_key()
    entry = ApiKey(
        id=f"key-{secrets.token_hex(4)}",
        owner=arguments.name,
        digest=digest_of(key.encode()),
        scopes=arguments.scopes,
        rate_per_s=arguments.rate_per_s,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with _changing(arguments.file) as keys:
        keys.append(entry)
    _say(f"{key}\n")
    sys.stderr.write(f"{entry.id} for {entry.owner}. The key is shown this once; it is not kept.\n")


def _list(arguments: argparse.Namespace) -> None:
    """Print what is known of each key, never a key."""
    for key in _read(arguments.file):
        rate = "" if key.rate_per_s is None else f" {key.rate_per_s:g}/s"
        _say(f"{key.id} {key.owner} {','.join(sorted(key.scopes))}{rate} {key.created_at}\n")


def _revoke(arguments: argparse.Namespace) -> None:
    """Remove all keys of a name, or one of them."""
    with _changing(arguments.file) as keys:
        kept = [
            key
            for key in keys
            if key.owner != arguments.name or (arguments.id is not None and key.id != arguments.id)
        ]
        revoked = len(keys) - len(kept)
        if not revoked:
            raise StartupError(f"{arguments.file} holds no such key")
        keys[:] = kept
    _say(f"{revoked} revoked; a running service follows within a second\n")


@contextmanager
def _changing(path: Path) -> Iterator[list[ApiKey]]:
    """Let the keys be changed, and write them whole; another such command waits meanwhile."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        keys = _read(path) if path.exists() else []
        yield keys
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)  # what a command that was killed has left
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(format_keys(keys))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(path: Path) -> list[ApiKey]:
    return parse_keys(path.read_text())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./setup.sh keys", description="Keep the file of --api-keys-file."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add = _verb(verbs, "add", "make a key and print it, once", _add)
    add.add_argument("--name", required=True, type=_name, help="its owner")
    add.add_argument(
        "--scopes",
        type=_scopes,
        default=frozenset({Scope.SUBMIT, Scope.READ}),
        help="submit, read, admin; separated by commas (default: submit,read)",
    )
    add.add_argument(
        "--rate-per-s",
        type=_rate,
        help="submissions a second at each dispatcher; default: --rate-limit-per-s",
    )
    _verb(verbs, "list", "print what is known of each key", _list)
    revoke = _verb(verbs, "revoke", "remove the keys of a name", _revoke)
    revoke.add_argument("--name", required=True, type=_name, help="their owner")
    revoke.add_argument("--id", help="only this one, as list prints it")
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    help_text: str,
    run: Callable[[argparse.Namespace], None],
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help_text)
    verb.add_argument("--file", required=True, type=Path, help="the file of keys")
    verb.set_defaults(run=run)
    return verb


def _name(text: str) -> str:
    if not (text.isascii() and text.isprintable() and 1 <= len(text.strip()) == len(text) <= 64):  # noqa: PLR2004
        raise argparse.ArgumentTypeError("a name has 1 to 64 printable ASCII characters")
    return text


def _scopes(text: str) -> frozenset[Scope]:
    try:
        return frozenset(Scope(part.strip()) for part in text.split(","))
    except ValueError as exc:
        raise argparse.ArgumentTypeError("scopes are submit, read, admin") from exc


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 <= rate < float("inf"):
        raise argparse.ArgumentTypeError("a rate is a number from 0")
    return rate


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
