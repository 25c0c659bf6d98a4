"""The network of build.sh, counted and listened to: it belongs to a container of ours that outlives build.sh, so that
the engine can be asked for every byte when all is over, and none is lost between two looks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.errors import BuildFailed, SandboxFailed
from harness.sandbox import flags, lifecycle, program
from harness.sandbox.hosts import READY
from harness.sandbox.network import BuildNetwork
from harness.sandbox.policy import MIB, Limits
from harness.sandbox.supply import Destination, Traffic
from harness.sandbox.workshop import Workshop

if TYPE_CHECKING:
    from docker.models.containers import Container

_LIMITS = Limits(memory_bytes=128 * MIB, pids=16, tmp_bytes=MIB, tmp_inodes=16, shm_bytes=MIB)
_SHARES_NAMESPACES = frozenset({"runc", "crun", "nvidia", "io.containerd.runc.v2"})
"""Runtimes on which a container can stand in another one's network; gVisor takes the interface over for itself."""
_READY_S = 20.0
_LAST_WORDS_S = 10
_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Line:
    """A connection of build.sh.

    Attributes:
        settings: of its container, in place of a network and a host name.
        holder: the container whose network it is; None where build.sh has one of its own, uncounted.
        missing: why it is uncounted.
    """

    settings: dict[str, Any]
    holder: Container | None = None
    missing: str = ""

    def traffic(self) -> Traffic:
        """All that has passed; to be asked once, when build.sh has ended."""
        if self.holder is None:
            return Traffic(missing=self.missing, unheard=self.missing)
        counted = _counted(self.holder)
        return counted if counted.missing else _with_hosts(counted, self.holder)

    @contextmanager
    def blameless(self) -> Iterator[None]:
        """A build that fails in this context when our own container has taken its network away is not to blame.

        Raises: SandboxFailed.
        """
        try:
            yield
        except BuildFailed as error:
            if self.holder is not None and not _is_running(self.holder):
                raise SandboxFailed(
                    f"our own helper {self.holder.name} ended, and the network of build.sh with it",
                    fix="look at the engine and the memory of this machine, then grade again",
                    code="sandbox.helper",
                ) from error
            raise


@contextmanager
def line(shop: Workshop, connection: BuildNetwork) -> Iterator[Line]:
    """A counted connection to this network, which is there as long as the context.

    Raises: SandboxFailed.
    """
    runtime = shop.policy.runtime or shop.engine.default_runtime
    if runtime not in _SHARES_NAMESPACES:
        yield Line(settings=connection.settings, missing=f"not known on the runtime {runtime}")
        return
    settings = {
        **flags.hardened(shop.policy, _LIMITS, shop.engine, grade=shop.grade),
        **connection.settings,
        "use_config_proxy": False,
        # To listen takes packet sockets, which our own profile of system calls gives to nobody: this is the engine's.
        "security_opt": ["no-new-privileges"],
        "user": "0:0",
        "cap_add": ["NET_RAW"],
        "entrypoint": ["python3", "-I", "-S"],
        "command": program.command("hosts"),
    }
    with lifecycle.container(shop.client, settings, purpose="network", log=None, log_bytes=0) as holder:
        holder.start()
        _wait_until_ready(holder)
        joined = {**connection.settings, "network_mode": f"container:{holder.id}", "hostname": None}
        yield Line(settings=joined, holder=holder)


def _wait_until_ready(holder: Container) -> None:
    deadline = time.monotonic() + _READY_S
    while not _said(holder).startswith(READY) and _is_running(holder):
        if time.monotonic() > deadline:
            return  # what is missed is missed; the build goes on
        time.sleep(_POLL_S)


def _counted(holder: Container) -> Traffic:
    import docker.errors

    try:
        interfaces = holder.stats(stream=False, one_shot=True).get("networks") or {}
    except docker.errors.DockerException as error:
        return Traffic(missing=f"the engine does not count: {str(error)[:200]}")
    if not interfaces:
        return Traffic(missing="the container that holds the network ended before build.sh did")
    return Traffic(
        received_bytes=sum(each["rx_bytes"] for each in interfaces.values()),
        sent_bytes=sum(each["tx_bytes"] for each in interfaces.values()),
    )


def _with_hosts(counted: Traffic, holder: Container) -> Traffic:
    """The same, with what was heard until now; a listener that is dead or hangs costs no finished build."""
    import docker.errors
    import requests
    import urllib3

    try:
        holder.kill(signal="SIGTERM")
        holder.wait(timeout=_LAST_WORDS_S)
        said = _said(holder)
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        return replace(counted, unheard=f"the program that listens did not end: {str(error)[:200]}")
    return heard(counted, said)


def heard(counted: Traffic, said: str) -> Traffic:
    """The same, with what `harness.sandbox.hosts` says."""
    try:
        answer = json.loads(said.removeprefix(READY))
        if "deaf" in answer:
            return replace(counted, unheard=f"nobody could listen: {answer['deaf']}")
        destinations = tuple(Destination(**each) for each in answer["destinations"])
        missed, is_full = answer["missed"], answer["is_full"]
    except (ValueError, TypeError, KeyError):
        return replace(counted, unheard="the program that listens gave no answer")
    doubts = [f"{missed:,} packets came too fast to be looked at"] if missed else []
    doubts += ["more connections than are kept"] if is_full else []
    return replace(
        counted,
        destinations=destinations,
        destinations_found=answer["found"],
        unheard="; ".join(doubts),
    )


def _said(holder: Container) -> str:
    text: bytes = holder.logs(stdout=True, stderr=False)
    return text.decode("utf-8", "replace")


def _is_running(holder: Container) -> bool:
    holder.reload()
    return bool(holder.attrs["State"]["Running"])
