"""This machine itself: Python and its packages, GPUs, and what the kernel lets us do."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.doctor.check import Check, broken, warned, well
from harness.extras import install
from harness.sandbox import cgroup, network, page_cache

_EXTRAS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "codec": (("torch",), "1X's tokens are not decoded, and LPIPS is not measured"),
    "pictures": (("PIL", "skimage"), "PSNR and SSIM are not measured"),
    "retrieval": (("numba", "scipy"), "the retrieval check is not made"),
    "sign": (("cryptography",), "records are not signed"),
    "hub": (("huggingface_hub",), "data is not fetched with `wmc data pull`"),
    "demo": (("vizdoom",), "demo data is not rendered"),
    "video": (("av",), "1X's raw video is not read"),
}
"""Each optional part of the distribution: what it imports, and what goes without it."""

_LIST_GPUS = ("nvidia-smi", "-L")
_GPU_PATIENCE_S = 30.0
_LOOP_CONTROL = Path("/dev/loop-control")


def machine_checks(*, gpu_device_ids: tuple[str, ...]) -> Iterator[Check]:
    """Every check that needs neither an engine nor data."""
    yield well("Python", f"{platform.python_version()} at {sys.executable}")
    yield from package_checks()
    yield gpu_check(is_asked_for=bool(gpu_device_ids))
    yield page_cache_check(may_be_dropped=page_cache.may_be_dropped())
    yield cgroup_check(are_visible=cgroup.are_visible())
    yield build_network_check(network.obstacle_to_rules())
    yield loop_device_check(_LOOP_CONTROL)


def package_checks() -> Iterator[Check]:
    """The optional packages: a line for those that are there, and one for each part that is not whole."""
    lacking = {extra: _missing(modules) for extra, (modules, _) in _EXTRAS.items()}
    if whole := [extra for extra, missing in lacking.items() if not missing]:
        yield well("packages", f"those of {', '.join(whole)} are there")
    for extra, missing in lacking.items():
        if missing:
            consequence = _EXTRAS[extra][1]
            yield warned(
                f"packages of {extra}",
                f"{' and '.join(missing)} missing: {consequence}",
                install(extra),
            )


def gpu_check(*, is_asked_for: bool, command: tuple[str, ...] = _LIST_GPUS) -> Check:
    """The GPUs that this machine's driver shows."""
    found: list[str] = []
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_GPU_PATIENCE_S)
    except FileNotFoundError:
        obstacle = f"{command[0]} is not installed"
    except (OSError, subprocess.TimeoutExpired) as error:
        obstacle = str(error)
    else:
        found = [line for line in done.stdout.splitlines() if line.startswith("GPU ")]
        obstacle = (done.stderr or done.stdout).strip()[:200] or f"{command[0]} names none"
    if found:
        return well("GPU", "; ".join(found))
    if is_asked_for:
        return broken("GPU", f"none is seen: {obstacle}", "install the driver until `nvidia-smi -L` names it")
    return well("GPU", f"none is seen ({obstacle}): entries run without one")


def page_cache_check(*, may_be_dropped: bool) -> Check:
    """Whether a container can leave bits in memory for the next one."""
    if may_be_dropped:
        return well("page cache", "it may be dropped between runs")
    seen = "it may not be dropped: a run can leave bits there for the next, and every record says so"
    return warned("page cache", seen, "grade as root: sudo wmc grade ...")


def cgroup_check(*, are_visible: bool) -> Check:
    """Whether the dead can be counted."""
    if are_visible:
        return well("control groups", "visible: nothing outlives its container unseen")
    seen = "not visible: what outlives its container is not seen, and every record says so"
    return warned("control groups", seen, "mount them, or grade on the engine's own host: ls /sys/fs/cgroup")


def build_network_check(obstacle: str | None) -> Check:
    """Whether build.sh can be kept from private networks."""
    if obstacle is None:
        return well("build network", "build.sh can be kept from this host and private networks")
    fixes = {"root": "grade as root: sudo wmc grade ...", "installed": "sudo apt-get install -y iptables"}
    fix = next((fix for word, fix in fixes.items() if word in obstacle), "sudo systemctl restart docker")
    return warned("build network", f"build.sh can reach this host and private networks: {obstacle}", fix)


def loop_device_check(control: Path) -> Check:
    """Whether a volume can be a file system of its own, which is a hard cap on what an entry may write."""
    if os.access(control, os.W_OK):
        return well("loop devices", "may be made")
    seen = f"{control} cannot be used: the cap on what build.sh writes is looked at, not enforced"
    return warned("loop devices", seen, "grade as root, with the kernel's module: sudo modprobe loop")


def _missing(modules: tuple[str, ...]) -> list[str]:
    return [name for name in modules if importlib.util.find_spec(name) is None]
