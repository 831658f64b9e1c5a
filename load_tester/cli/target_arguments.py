"""The flags on whom a run sends to, what it asks for, and how answers are checked."""

import argparse
import json
import os
from pathlib import Path

from load_tester.errors import UsageError
from load_tester.settings import TargetKind, TargetSettings, check_url
from load_tester.targets.checks import Checks
from load_tester.targets.discovery import DEFAULT_NAMESPACE, SUFFIX, discover
from load_tester.targets.expectations import create_checks

API_KEY_VARIABLE = "LOAD_TESTER_API_KEY"

_DEFAULTS = TargetSettings()
_LONGEST_KEY = 4096


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `read_targets` and `read_checks` read."""
    group = parser.add_argument_group("target")
    add = group.add_argument
    add(
        "--url",
        action="append",
        help=f"where the service listens ({_DEFAULTS.urls[0]}); several are taken in turns",
    )
    add(
        "--target",
        type=TargetKind,
        choices=list(TargetKind),
        help="what listens there: a dispatcher, which gives tickets, or a step replica, which "
        f"answers at once ({_DEFAULTS.kind})",
    )
    add("--pipeline", help="the pipeline to ask for")
    add("--params", metavar="JSON", help='step params, such as \'{"grayscale": {"threads": 2}}\'')
    add("--no-cache", action="store_true", help="ask the service not to use its cache")
    add("--multipart", action="store_true", help="send forms instead of raw bytes")
    add(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help=f"holds the API key, which may also be in the environment as {API_KEY_VARIABLE}",
    )
    _add_discovery_arguments(parser)
    _add_check_arguments(parser)


def _add_discovery_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("target in a Kubernetes cluster").add_argument
    add(
        "--discover",
        action="store_true",
        help=f"send to every NodePort service whose name ends in {SUFFIX}, as replicas unless "
        "--target says otherwise",
    )
    add("--namespace", metavar="NAME", help=f"where to look ({DEFAULT_NAMESPACE})")
    add("--node-host", metavar="HOST", help="the node to reach ports at (one that is ready)")


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("checking of answers").add_argument
    add(
        "--check",
        action="append",
        default=[],
        metavar="WHAT",
        help="labels (those of labels.tsv), golden:FILE (of --write-golden), golden:FOLDER "
        "(pictures by name), schema:FILE (JSON schema); what differs is a wrong answer, exit "
        "code 4",
    )
    add(
        "--write-golden",
        type=Path,
        metavar="FILE",
        help="keep each file's answer for golden:FILE; a second one that differs is wrong",
    )


def read_targets(given: argparse.Namespace) -> TargetSettings:
    """Return the target that the flags name; looks into the cluster where that is asked for.

    Raises UsageError naming the bad flag, UnreachableError when the cluster does not answer.
    """
    default = TargetKind.REPLICA if given.discover else _DEFAULTS.kind
    kind = given.target or default
    if kind is TargetKind.REPLICA:
        _refuse_job_flags(given)
    return TargetSettings(
        urls=_read_urls(given),
        kind=kind,
        pipeline=given.pipeline,
        params=None if given.params is None else _check_params(given.params),
        use_cache=not given.no_cache,
        multipart=given.multipart,
        api_key=_read_api_key(given.api_key_file),
        checks=tuple(given.check),
        write_golden=given.write_golden,
    )


def read_checks(settings: TargetSettings, images: Path) -> Checks:
    """Return the checks of every answer; raises UsageError when what they need cannot be read."""
    return create_checks(settings, images)


def _refuse_job_flags(given: argparse.Namespace) -> None:
    """A replica has one step with the params of its own configuration, and no cache."""
    flags = {"--pipeline": given.pipeline, "--params": given.params, "--no-cache": given.no_cache}
    for flag, value in flags.items():
        if value:
            raise UsageError(f"{flag} is for a dispatcher: a step replica takes images only")


def _read_urls(given: argparse.Namespace) -> tuple[str, ...]:
    if given.discover:
        if given.url:
            raise UsageError("--url and --discover exclude each other")
        return discover(namespace=given.namespace or DEFAULT_NAMESPACE, node_host=given.node_host)
    for flag, value in (("--namespace", given.namespace), ("--node-host", given.node_host)):
        if value is not None:
            raise UsageError(f"{flag} needs --discover")
    urls = tuple(check_url(url) for url in given.url or _DEFAULTS.urls)
    if len(set(urls)) < len(urls):
        raise UsageError("a --url is there twice")
    return urls


def _check_params(text: str) -> str:
    try:
        params = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"--params is not JSON: {exc}") from exc
    if not isinstance(params, dict):
        raise UsageError("--params is not a JSON object of params by step")
    return text


def _read_api_key(path: Path | None) -> str | None:
    """Return the key, which no message and no report repeats."""
    if path is None:
        key, place = os.environ.get(API_KEY_VARIABLE, "").strip(), API_KEY_VARIABLE
        if not key:
            return None
    else:
        try:
            key, place = path.read_text(encoding="utf-8").strip(), str(path)
        except (OSError, UnicodeDecodeError) as exc:
            cause = getattr(exc, "strerror", None) or "not text"
            raise UsageError(f"cannot read the API key from {path}: {cause}") from exc
    if not key or len(key) > _LONGEST_KEY or not all("!" <= char <= "~" for char in key):
        raise UsageError(f"{place} does not hold an API key: one word of ASCII")
    return key
