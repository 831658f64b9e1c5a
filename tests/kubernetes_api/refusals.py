"""What the stand-in says when it does not do what it was asked: the real server's words."""

from typing import Any

from tests.kubernetes_api.kinds import Document, Kind


class Refusal(Exception):
    """A call that fails, with the ``Status`` that tells why."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.retry_after_s = retry_after_s

    def document(self) -> Document:
        """Return it as it travels."""
        details = dict(self.details)
        if self.retry_after_s is not None:
            details["retryAfterSeconds"] = self.retry_after_s
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.status,
        }


def unauthorized() -> Refusal:
    """No token, or one that does not count."""
    return Refusal(401, "Unauthorized", "Unauthorized")


def no_such_resource() -> Refusal:
    """An address that names nothing."""
    return Refusal(404, "NotFound", "the server could not find the requested resource")


def not_found(kind: Kind, name: str) -> Refusal:
    """No such object."""
    return Refusal(
        404, "NotFound", f'{kind.resource} "{name}" not found', details=_details(kind, name)
    )


def already_exists(kind: Kind, name: str) -> Refusal:
    """The name is taken."""
    return Refusal(
        409,
        "AlreadyExists",
        f'{kind.resource} "{name}" already exists',
        details=_details(kind, name),
    )


def conflict(kind: Kind, name: str, why: str) -> Refusal:
    """The object is not the one that was meant, or was changed meanwhile."""
    return Refusal(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}',
        details=_details(kind, name),
    )


def forbidden(kind: Kind, name: str, why: str) -> Refusal:
    """A rule of the cluster is against it."""
    return Refusal(
        403,
        "Forbidden",
        f'{kind.resource} "{name}" is forbidden: {why}',
        details=_details(kind, name),
    )


def invalid(kind: Kind, name: str, field: str, why: str) -> Refusal:
    """An object that cannot be."""
    details = _details(kind, name) | {
        "kind": kind.name,
        "causes": [{"reason": "FieldValueInvalid", "message": why, "field": field}],
    }
    return Refusal(
        422, "Invalid", f'{kind.name} "{name}" is invalid: {field}: {why}', details=details
    )


def bad_request(message: str) -> Refusal:
    """A request that cannot be read."""
    return Refusal(400, "BadRequest", message)


def expired(asked: int, oldest: int) -> Refusal:
    """A version that the server has forgotten."""
    return Refusal(410, "Expired", f"too old resource version: {asked} ({oldest})")


def _details(kind: Kind, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name, "kind": kind.plural}
    return details | {"group": kind.group} if kind.group else details
