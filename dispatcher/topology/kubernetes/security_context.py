"""What a step's container may do: as little as the Pod Security Standard ``restricted`` asks."""

from typing import Final

from kubernetes.aio.client import (
    V1Capabilities,
    V1PodSecurityContext,
    V1SeccompProfile,
    V1SecurityContext,
)

USER_ID: Final = 10_001
"""Of the replica image; above 10,000, where no host's own users are."""


def pod_security_context() -> V1PodSecurityContext:
    """Return the context of a pod: an ordinary user, the usual system calls."""
    return V1PodSecurityContext(
        run_as_non_root=True,
        run_as_user=USER_ID,
        run_as_group=USER_ID,
        fs_group=USER_ID,
        seccomp_profile=V1SeccompProfile(type="RuntimeDefault"),
    )


def container_security_context() -> V1SecurityContext:
    """Return the context of a container: no privileges, none to be gained, nothing to write."""
    return V1SecurityContext(
        allow_privilege_escalation=False,
        capabilities=V1Capabilities(drop=["ALL"]),
        privileged=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        run_as_user=USER_ID,
        seccomp_profile=V1SeccompProfile(type="RuntimeDefault"),
    )
