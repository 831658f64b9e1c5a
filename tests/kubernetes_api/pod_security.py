"""The Pod Security Standard ``restricted``, rule by rule.

After https://kubernetes.io/docs/concepts/security/pod-security-standards/.
"""

from collections.abc import Iterator
from typing import Final

from tests.kubernetes_api.kinds import Document

LABEL: Final = "pod-security.kubernetes.io/enforce"
_VOLUMES: Final = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECCOMP: Final = ("RuntimeDefault", "Localhost")
_SELINUX: Final = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_SYSCTLS: Final = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
}


def violations(spec: Document) -> list[str]:
    """Return what the standard has against the spec of a pod, in the server's words."""
    return [*_of_pod(spec), *_of_containers(spec)]


def _of_pod(spec: Document) -> Iterator[str]:
    context = spec.get("securityContext") or {}
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"host namespaces ({field}=true)"
    for volume in spec.get("volumes") or ():
        for source in set(volume) - {"name"} - _VOLUMES:
            yield f'restricted volume types (volume "{volume["name"]}" uses "{source}")'
    for sysctl in context.get("sysctls") or ():
        if sysctl["name"] not in _SYSCTLS:
            yield f"forbidden sysctls ({sysctl['name']})"
    yield from _of_profiles(context, "pod")
    if context.get("runAsUser") == 0:
        yield "runAsUser=0 (pod must not set runAsUser=0)"


def _of_containers(spec: Document) -> Iterator[str]:
    of_pod = spec.get("securityContext") or {}
    fields = ("initContainers", "containers", "ephemeralContainers")
    for container in (one for field in fields for one in spec.get(field) or ()):
        context = container.get("securityContext") or {}
        name = f'container "{container["name"]}"'
        if context.get("privileged"):
            yield f"privileged ({name} must not set securityContext.privileged=true)"
        if context.get("allowPrivilegeEscalation") is not False:
            yield (
                f"allowPrivilegeEscalation != false ({name} must set "
                "securityContext.allowPrivilegeEscalation=false)"
            )
        yield from _of_profiles(context, name)
        yield from _capabilities(context.get("capabilities") or {}, name)
        if not context.get("runAsNonRoot", of_pod.get("runAsNonRoot")):
            yield f"runAsNonRoot != true (pod or {name} must set securityContext.runAsNonRoot=true)"
        if context.get("runAsUser") == 0:
            yield f"runAsUser=0 ({name} must not set runAsUser=0)"
        seccomp = (context.get("seccompProfile") or of_pod.get("seccompProfile") or {}).get("type")
        if seccomp not in _SECCOMP:
            yield (
                f"seccompProfile (pod or {name} must set securityContext.seccompProfile.type to "
                '"RuntimeDefault" or "Localhost")'
            )
        if context.get("procMount", "Default") != "Default":
            yield f"procMount ({name})"
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield f"hostPort ({name} uses hostPort {port['hostPort']})"


def _of_profiles(context: Document, name: str) -> Iterator[str]:
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in _SECCOMP:
        yield f"forbidden AppArmor profile ({name})"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in _SELINUX or selinux.keys() & {"user", "role"}:
        yield f"seLinuxOptions ({name} set forbidden securityContext.seLinuxOptions)"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"hostProcess ({name} must not set securityContext.windowsOptions.hostProcess=true)"


def _capabilities(capabilities: Document, name: str) -> Iterator[str]:
    if "ALL" not in (capabilities.get("drop") or ()):
        yield (
            f'unrestricted capabilities ({name} must set securityContext.capabilities.drop=["ALL"])'
        )
    for added in set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield f"unrestricted capabilities ({name} must not include {added})"
