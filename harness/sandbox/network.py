"""The network a build.sh has: the internet, but neither this host nor the private networks around it."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SandboxFailed
from harness.sandbox.policy import SandboxPolicy

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.networks import Network

BRIDGE = "wmc-build"
"""Name of the network and of its interface on the host; the engine tells containers on it apart by nothing else."""

LABEL = "wmc.network"
PRIVATE_NETWORKS = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4",
)
_FORWARDED, _TO_HOST = "WMC-BUILD", "WMC-BUILD-HOST"
_HOOKS = (("DOCKER-USER", _FORWARDED), ("INPUT", _TO_HOST))
# systemd-resolved answers on the loopback only; the engine then takes its upstream servers from the second.
_RESOLVER_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_INTERFACES = Path("/sys/class/net")


@dataclass(frozen=True, kw_only=True)
class BuildNetwork:
    """Where a build.sh is connected.

    Attributes:
        settings: flags of its container.
        description: what the grade's record says of it.
        warning: what the operator should know; empty when private networks are as the policy wants them.
    """

    settings: dict[str, Any]
    description: str
    warning: str = ""


NONE_BY_RUNTIME = BuildNetwork(
    settings={"network_mode": "none"},
    description="none: the runtime gives it none",
    warning="build.sh has no network: the engine starts its runtime with --network=none",
)


def build_network(client: DockerClient, policy: SandboxPolicy) -> BuildNetwork:
    """The network of the next build.sh, blocked as the policy asks if this process can do that.

    Raises: SandboxFailed when the host's packet filter refuses rules it should take.
    """
    if not policy.block_private_networks:
        return BuildNetwork(
            settings={"network_mode": "bridge", "use_config_proxy": not _proxies_have_credentials()},
            description="bridge, private networks reachable: asked for",
        )
    if obstacle := obstacle_to_rules():
        return BuildNetwork(
            settings={"network_mode": "bridge"},
            description=f"bridge, private networks reachable: {obstacle}",
            warning=f"build.sh can reach this host and its private networks: {obstacle}",
        )
    _ensure_bridge(client)
    if not (_INTERFACES / BRIDGE).exists():
        obstacle = "the engine's interfaces are not this machine's"
        return BuildNetwork(
            settings={"network_mode": "bridge"},
            description=f"bridge, private networks reachable: {obstacle}",
            warning=f"build.sh can reach the engine's host and its private networks: {obstacle}",
        )
    _ensure_rules(resolvers())
    return BuildNetwork(
        settings={"network_mode": BRIDGE}, description=f"bridge {BRIDGE}, private networks blocked"
    )


def rules(nameservers: Iterable[str]) -> str:
    """What `iptables-restore --noflush` is given: both chains, replaced in one step.

    A container's names are resolved by the nameservers of its host, on a private network more often than not:
    their port 53 stays open, and nothing else there.
    """
    dns = [
        f"-d {server} -p {protocol} --dport 53 -j RETURN"
        for server in nameservers
        for protocol in ("udp", "tcp")
    ]
    forwarded = dns + [f"-d {network} -j REJECT" for network in PRIVATE_NETWORKS]
    lines = [f"-A {_FORWARDED} {rule}" for rule in forwarded]
    lines += [f"-A {_TO_HOST} {rule}" for rule in [*dns, "-j REJECT"]]
    return "\n".join(["*filter", f":{_FORWARDED} - [0:0]", f":{_TO_HOST} - [0:0]", *lines, "COMMIT", ""])


def resolvers(files: Iterable[Path] = _RESOLVER_FILES) -> tuple[str, ...]:
    """The IPv4 nameservers of this host, those on its loopback left out: the engine itself asks them."""
    found = []
    for file in files:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
        found += [words[1] for words in map(str.split, lines) if words[:1] == ["nameserver"] and words[1:]]
    return tuple(dict.fromkeys(server for server in found if _is_outside(server)))


def _is_outside(server: str) -> bool:
    try:
        return not ipaddress.IPv4Address(server).is_loopback
    except ValueError:
        return False


def obstacle_to_rules() -> str | None:
    """Why this process cannot put rules between the engine's containers and the host; None if it can."""
    if os.geteuid() != 0:
        return "only root can block them"
    if shutil.which("iptables") is None or shutil.which("iptables-restore") is None:
        return "iptables is not installed"
    if _iptables("--list-rules", "DOCKER-USER").returncode:
        return "iptables has no DOCKER-USER chain of this engine"
    return None


def _ensure_bridge(client: DockerClient) -> None:
    """The network is there; of two harnesses that make it at once, one takes the other's."""
    from docker.errors import APIError

    if _existing(client):
        return
    try:
        client.networks.create(
            BRIDGE,
            driver="bridge",
            check_duplicate=True,
            enable_ipv6=False,
            labels={LABEL: "build"},
            options={
                "com.docker.network.bridge.name": BRIDGE,
                "com.docker.network.bridge.enable_icc": "false",
            },
        )
    except APIError:
        if not _existing(client):
            raise


def _existing(client: DockerClient) -> list[Network]:
    found = client.networks.list(names=[BRIDGE], filters={"label": LABEL})
    return [network for network in found if network.name == BRIDGE]


def _ensure_rules(nameservers: Iterable[str]) -> None:
    _demand(_iptables_restore(rules(nameservers)))
    for hook, chain in _HOOKS:
        jump = (hook, "-i", BRIDGE, "-j", chain)
        if _iptables("--check", *jump).returncode:
            _demand(_iptables("--insert", *jump))


def _iptables(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["iptables", "--wait", *arguments], capture_output=True, text=True, check=False)


def _iptables_restore(text: str) -> subprocess.CompletedProcess[str]:
    command = ["iptables-restore", "--noflush", "--wait"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def _demand(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise SandboxFailed(
            f"{done.args[0]} refused to keep build.sh from private networks: {done.stderr.strip()[:300]}",
            fix="mend the packet filter, or grade with --build-network open if build.sh may reach them",
            code="sandbox.build_network",
        )


def _proxies_have_credentials() -> bool:
    """True when the operator's Docker settings name a proxy with a password, which is no business of an entry."""
    from docker.utils.config import load_general_config

    return "@" in str(load_general_config().get("proxies", ""))
