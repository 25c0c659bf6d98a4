"""The GPUs that an entry is to see, looked for in a container like its own before anything is built.

Without this an entry would be built for an hour, and then be started in a container that the engine cannot make.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SandboxUnavailable
from harness.sandbox import flags, lifecycle
from harness.sandbox.engine import Engine
from harness.sandbox.policy import SandboxPolicy
from harness.text import printable

if TYPE_CHECKING:
    from docker import DockerClient

_PATIENCE_S = 60.0
_QUOTED = 300
_NOT_THERE = (126, 127)
_DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/dev/dxg"))  # Linux, and Windows' own Linux
_NO_SUCH_DEVICE = ("unknown device", "device error", "unresolvable CDI")
_INSTALL_TOOLKIT = (
    "sudo apt-get install -y nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker && "
    "sudo systemctl restart docker"
)


def requested(policy: SandboxPolicy) -> dict[str, Any]:
    """The flag of a container that gets the policy's GPUs; none where it names none."""
    from docker.types import DeviceRequest

    if not policy.gpu_device_ids:
        return {}
    request = DeviceRequest(device_ids=list(policy.gpu_device_ids), capabilities=[["gpu"]])
    return {"device_requests": [request]}


def seen(client: DockerClient, facts: Engine, policy: SandboxPolicy) -> tuple[str, ...]:
    """The policy's GPUs as a container sees them, a line each; none where the image has no nvidia-smi to say it.

    Raises: SandboxUnavailable with code `sandbox.gpu` where there are fewer, or the engine makes no such container.
    """
    from docker.errors import APIError

    if not policy.gpu_device_ids:
        return ()
    settings = {
        **flags.hardened(policy, policy.run, facts, grade="gpu"),
        **flags.offline(),
        **flags.runtime(policy),
        **requested(policy),
        "entrypoint": ["nvidia-smi", "-L"],
    }
    try:
        with lifecycle.container(client, settings, purpose="gpu", log=None, log_bytes=0) as container:
            container.start()
            status = container.wait(timeout=_PATIENCE_S)["StatusCode"]
            said = container.logs(stdout=True, stderr=True).decode("utf-8", "replace").strip()
    except APIError as error:
        raise _not_given(policy, str(error.explanation or error)) from error
    lines = tuple(line for line in said.splitlines() if line.startswith("GPU "))
    if status not in _NOT_THERE and (status or len(lines) != len(policy.gpu_device_ids)):
        raise _not_given(policy, f"{len(lines)} seen: {said}" if said else f"status {status}")
    return lines


def _not_given(policy: SandboxPolicy, words: str) -> SandboxUnavailable:
    asked = ", ".join(policy.gpu_device_ids)
    has_driver = any(driver.exists() for driver in _DRIVERS)
    without = "leave --gpu out and the entry runs on the CPU"
    if any(hint in words for hint in _NO_SUCH_DEVICE):
        fix = f"`nvidia-smi -L` shows the numbers and names that --gpu takes; or {without}"
    elif has_driver:
        fix = f"give the engine NVIDIA's toolkit: {_INSTALL_TOOLKIT}; or {without}"
    else:
        fix = (
            f"{without}; where there is a GPU, install its driver until `nvidia-smi -L` names it, then: "
            f"{_INSTALL_TOOLKIT}"
        )
    no_driver = "" if has_driver else ", and this machine has no NVIDIA driver"
    return SandboxUnavailable(
        f"no container gets GPU {asked}{no_driver}; the engine says: {printable(words).strip()[:_QUOTED]}",
        fix=fix,
        code="sandbox.gpu",
    )
