"""The network of build.sh, counted: its namespace belongs to a container of ours, which is still there when build.sh
has ended, so that the engine can be asked for every byte and none is lost between two looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.sandbox import flags, lifecycle
from harness.sandbox.network import BuildNetwork
from harness.sandbox.policy import MIB, Limits
from harness.sandbox.supply import Traffic
from harness.sandbox.volume import Workshop

if TYPE_CHECKING:
    from docker.models.containers import Container

_LIMITS = Limits(memory_bytes=64 * MIB, pids=16, tmp_bytes=MIB, tmp_inodes=16, shm_bytes=MIB)
_WAIT = "import signal\nwhile True: signal.pause()"
_SHARES_NAMESPACES = frozenset({"runc", "crun", "nvidia", "io.containerd.runc.v2"})
"""Runtimes on which a container can stand in another one's network; gVisor takes the interface over for itself."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A connection of build.sh.

    Attributes:
        settings: of its container, in place of a network and a host name.
        holder: the container whose network it is; None where build.sh has one of its own, uncounted.
    """

    settings: dict[str, Any]
    holder: Container | None = None
    missing: str = ""

    def traffic(self) -> Traffic:
        """What has passed so far."""
        import docker.errors

        if self.holder is None:
            return Traffic(missing=self.missing)
        try:
            interfaces = self.holder.stats(stream=False, one_shot=True).get("networks") or {}
        except docker.errors.DockerException as error:
            return Traffic(missing=f"the engine does not count: {str(error)[:200]}")
        if not interfaces:
            return Traffic(missing="the container that holds the network ended before build.sh did")
        return Traffic(
            received_bytes=sum(each["rx_bytes"] for each in interfaces.values()),
            sent_bytes=sum(each["tx_bytes"] for each in interfaces.values()),
        )


@contextmanager
def line(shop: Workshop, connection: BuildNetwork) -> Iterator[Line]:
    """A counted connection to this network, which is there as long as the context.

    Raises: SandboxFailed.
    """
    runtime = shop.policy.runtime or shop.engine.default_runtime
    if runtime not in _SHARES_NAMESPACES:
        yield Line(settings=connection.settings, missing=f"not counted on the runtime {runtime}")
        return
    settings = {
        **flags.hardened(shop.policy, _LIMITS, shop.engine, grade=shop.grade),
        **connection.settings,
        "use_config_proxy": False,
        "entrypoint": ["python3", "-I", "-S"],
        "command": ["-c", _WAIT],
    }
    with lifecycle.container(shop.client, settings, purpose="network", log=None, log_bytes=0) as holder:
        holder.start()
        joined = {**connection.settings, "network_mode": f"container:{holder.id}", "hostname": None}
        yield Line(settings=joined, holder=holder)
