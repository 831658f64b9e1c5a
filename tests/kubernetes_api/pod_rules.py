"""What the server asks of the spec of a pod beside its schema."""

import re
from collections.abc import Iterator
from typing import Any, Final

from tests.kubernetes_api.kinds import Document
from tests.kubernetes_api.naming import amount, is_label

Complaint = tuple[str, str]
"""A field and what is wrong with it."""

_PORT_NAME: Final = re.compile(r"(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_ENV_NAME: Final = re.compile(r"[^=\x00-\x1f\x7f-\U0010ffff]+")
_MAX_PORT: Final = 65_535
_NATIVE: Final = ("cpu", "memory", "ephemeral-storage")


def complaints(spec: Document, path: str) -> Iterator[Complaint]:
    """Yield what is wrong with the spec of a pod.

    Args:
        spec: of the pod.
        path: where it stands in the object, for messages.
    """
    volumes = [volume["name"] for volume in spec.get("volumes") or ()]
    for place, name in enumerate(volumes):
        if not is_label(name):
            yield f"{path}.volumes[{place}].name", f'Invalid value: "{name}": not a DNS label'
        if name in volumes[:place]:
            yield f"{path}.volumes[{place}].name", f'Duplicate value: "{name}"'
    yield from _volumes(spec, path)
    names: list[str] = []
    for field in ("initContainers", "containers"):
        for place, container in enumerate(spec.get(field) or ()):
            where = f"{path}.{field}[{place}]"
            if container["name"] in names:
                yield f"{where}.name", f'Duplicate value: "{container["name"]}"'
            names.append(container["name"])
            yield from _container(container, where, volumes, _grace_s(spec))
    if not spec.get("containers"):
        yield f"{path}.containers", "Required value"


def _grace_s(spec: Document) -> int:
    return int(spec.get("terminationGracePeriodSeconds", 30))


def _volumes(spec: Document, path: str) -> Iterator[Complaint]:
    for place, volume in enumerate(spec.get("volumes") or ()):
        where = f"{path}.volumes[{place}]"
        sources = [key for key in volume if key != "name"]
        if len(sources) != 1:
            yield where, "must specify exactly one volume type"
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit is not None:
            yield from _quantity(limit, f"{where}.emptyDir.sizeLimit")


def _container(
    container: Document, where: str, volumes: list[str], grace_s: int
) -> Iterator[Complaint]:
    if not is_label(container["name"]):
        yield f"{where}.name", f'Invalid value: "{container["name"]}": not a DNS label'
    if not container.get("image"):
        yield f"{where}.image", "Required value"
    yield from _mounts(container, where, volumes)
    yield from _ports(container, where)
    yield from _environment(container, where)
    yield from _resources(container.get("resources") or {}, f"{where}.resources")
    yield from _probes(container, where)
    sleep = ((container.get("lifecycle") or {}).get("preStop") or {}).get("sleep")
    if sleep and not 0 < sleep["seconds"] <= grace_s:
        yield (
            f"{where}.lifecycle.preStop.sleep",
            f"must be greater than 0 and less than terminationGracePeriodSeconds ({grace_s})",
        )


def _mounts(container: Document, where: str, volumes: list[str]) -> Iterator[Complaint]:
    paths: list[str] = []
    for place, mount in enumerate(container.get("volumeMounts") or ()):
        if mount["name"] not in volumes:
            yield f"{where}.volumeMounts[{place}].name", f'Not found: "{mount["name"]}"'
        if mount["mountPath"] in paths:
            yield f"{where}.volumeMounts[{place}].mountPath", "must be unique"
        paths.append(mount["mountPath"])


def _ports(container: Document, where: str) -> Iterator[Complaint]:
    names: list[str] = []
    for place, port in enumerate(container.get("ports") or ()):
        at = f"{where}.ports[{place}]"
        if not 0 < port["containerPort"] <= _MAX_PORT:
            yield f"{at}.containerPort", "must be between 1 and 65535, inclusive"
        name = port.get("name", "")
        if name and not _PORT_NAME.fullmatch(name):
            yield f"{at}.name", f'Invalid value: "{name}": at most 15 of a-z, 0-9 and -'
        if name and name in names:
            yield f"{at}.name", f'Duplicate value: "{name}"'
        names.append(name)


def _environment(container: Document, where: str) -> Iterator[Complaint]:
    for place, variable in enumerate(container.get("env") or ()):
        if not _ENV_NAME.fullmatch(variable["name"]):
            yield f"{where}.env[{place}].name", "must consist only of printable ASCII characters"
        if variable.get("value") and variable.get("valueFrom"):
            yield (
                f"{where}.env[{place}].valueFrom",
                "may not be specified when `value` is not empty",
            )


def _probes(container: Document, where: str) -> Iterator[Complaint]:
    ports = {port.get("name") for port in container.get("ports") or ()}
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(field)
        if probe is None:
            continue
        handlers = [key for key in ("httpGet", "tcpSocket", "exec", "grpc") if key in probe]
        if len(handlers) != 1:
            yield f"{where}.{field}", "must specify exactly one handler type"
        if field != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            yield f"{where}.{field}.successThreshold", "must be 1"
        port = (probe.get("httpGet") or {}).get("port")
        if isinstance(port, str) and port not in ports:
            yield f"{where}.{field}.httpGet.port", f'"{port}" is no port of the container'


def _resources(resources: Document, where: str) -> Iterator[Complaint]:
    limits: dict[str, Any] = resources.get("limits") or {}
    requests: dict[str, Any] = resources.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, quantity in amounts.items():
            yield from _quantity(quantity, f"{where}.{field}[{name}]")
            if name not in _NATIVE and "/" not in name and not name.startswith("hugepages-"):
                yield f"{where}.{field}[{name}]", "must be a standard resource for containers"
    with_both = [name for name in requests if name in limits]
    for name in with_both:
        try:
            is_over = amount(requests[name]) > amount(limits[name])
        except ValueError:
            continue
        if is_over:
            yield f"{where}.requests", f"must be less than or equal to {name} limit"
    for name in {name for name in (*requests, *limits) if "/" in name}:
        if name not in limits or requests.get(name, limits[name]) != limits[name]:
            yield f"{where}.requests", f"must be equal to {name} limit"


def _quantity(quantity: Any, where: str) -> Iterator[Complaint]:
    try:
        amount(quantity)
    except ValueError as exc:
        yield where, f'Invalid value: "{quantity}": {exc}'
