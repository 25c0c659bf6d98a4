"""A container may have what is on the list and nothing else; each thing beyond it is named."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.errors import SandboxFailed
from harness.sandbox.inspection import Allowed, check, differences
from harness.sandbox.policy import seccomp_profile

ALLOWED = Allowed(
    user="210000:210000",
    image="sha256:base",
    mounts={"/entry": "wmc-volume", "/held_out": "/tmp/gate"},
    tmpfs=frozenset({"/tmp"}),
    environment={"HOME": "/tmp"},
    memory_bytes=1 << 30,
    pids=64,
    gpus=(),
    runtime="runc",
)
IMAGE = ["PATH=/bin", "HOME=/root"]
MADE = {
    "Image": "sha256:base",
    "Config": {"User": "210000:210000", "Env": ["HOME=/tmp", "PATH=/bin"]},
    "NetworkSettings": {"Networks": {"none": {}}},
    "Mounts": [
        {"Type": "volume", "Name": "wmc-volume", "Source": "/var/x", "Destination": "/entry", "RW": False},
        {"Type": "bind", "Source": "/tmp/gate", "Destination": "/held_out", "RW": False},
    ],
    "HostConfig": {
        "Privileged": False,
        "ReadonlyRootfs": True,
        "NetworkMode": "none",
        "IpcMode": "private",
        "PidMode": "",
        "UTSMode": "",
        "UsernsMode": "",
        "CgroupParent": "",
        "CapDrop": ["ALL"],
        "PublishAllPorts": False,
        "OomKillDisable": False,
        "Init": True,
        "Runtime": "runc",
        "Memory": 1 << 30,
        "MemorySwap": 1 << 30,
        "PidsLimit": 64,
        "Binds": None,
        "CapAdd": None,
        "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp_profile()}"],
        "Tmpfs": {"/tmp": "rw"},
        "DeviceRequests": None,
    },
}
HOST = (
    *(("Privileged", True), ("ReadonlyRootfs", False), ("NetworkMode", "bridge"), ("IpcMode", "host")),
    *(("PidMode", "host"), ("UTSMode", "host"), ("UsernsMode", "host"), ("CgroupParent", "/x")),
    *(("CapDrop", None), ("CapAdd", ["SYS_ADMIN"]), ("Binds", ["/:/host"]), ("GroupAdd", ["docker"])),
    *(("Devices", [{"PathOnHost": "/dev/kvm"}]), ("DeviceCgroupRules", ["a *:* rwm"])),
    *(("VolumesFrom", ["other"]), ("ExtraHosts", ["a:1.2.3.4"]), ("Links", ["x"])),
    *(("Memory", 0), ("MemorySwap", -1), ("PidsLimit", None), ("OomKillDisable", True), ("Init", None)),
    *(("SecurityOpt", ["no-new-privileges", "seccomp=unconfined"]), ("SecurityOpt", None)),
    *(("Tmpfs", {"/tmp": "", "/more": ""}), ("Runtime", "other"), ("Sysctls", {"net.x": "1"})),
    ("DeviceRequests", [{"DeviceIDs": None, "Count": -1}]),
)


def found(made):
    return list(differences(made, ALLOWED, IMAGE))


def test_what_was_asked_for_is_in_order():
    assert found(MADE) == []


def test_engines_that_leave_out_what_is_empty_are_in_order_too():
    """On control groups of version 2 OomKillDisable is null; API 1.52 leaves empty fields out."""
    host = {key: value for key, value in MADE["HostConfig"].items() if value}
    assert found({**MADE, "HostConfig": host | {"OomKillDisable": None}}) == []


@pytest.mark.parametrize(("key", "value"), HOST)
def test_every_right_beyond_the_list_is_named(key, value):
    made = copy.deepcopy(MADE)
    made["HostConfig"][key] = value
    [words] = found(made)
    assert words.startswith(f"{key} is ")


def test_a_mount_more_one_less_and_one_that_may_be_written_are_named():
    socket = {"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/sock", "RW": False}
    for mounts in (
        [*MADE["Mounts"], socket],
        MADE["Mounts"][:1],
        [{**MADE["Mounts"][0], "RW": True}, MADE["Mounts"][1]],
    ):
        [words] = found({**MADE, "Mounts": mounts})
        assert words.startswith("Mounts is ")


def test_another_source_in_an_allowed_place_is_named():
    other = {**MADE["Mounts"][1], "Source": "/data/heldout"}
    assert "/data/heldout" in found({**MADE, "Mounts": [MADE["Mounts"][0], other]})[0]


def test_another_user_image_network_or_variable_is_named():
    config = MADE["Config"]
    assert "User" in found({**MADE, "Config": {**config, "User": ""}})[0]
    assert "Env" in found({**MADE, "Config": {**config, "Env": [*config["Env"], "HTTP_PROXY=x"]}})[0]
    assert "Image" in found({**MADE, "Image": "sha256:other"})[0]
    networks = {"Networks": {"none": {}, "bridge": {}}}
    assert "Networks" in found({**MADE, "NetworkSettings": networks})[0]


def test_nothing_long_is_quoted():
    [words] = found({**MADE, "Image": "x" * 5000})
    assert len(words) < 400


def test_where_outputs_are_saved_may_be_written_and_nothing_else() -> None:
    saving = {
        "Type": "volume",
        "Name": "wmc-outputs",
        "Source": "/var/y",
        "Destination": "/outputs",
        "RW": True,
    }
    made = {**MADE, "Mounts": [*MADE["Mounts"], saving]}
    allowed = replace(ALLOWED, writable={"/outputs": "wmc-outputs"})
    assert list(differences(made, allowed, IMAGE)) == []
    assert list(differences(made, ALLOWED, IMAGE)), "of the gate there is no such place"
    assert list(
        differences({**made, "Mounts": [{**each, "RW": True} for each in made["Mounts"]]}, allowed, IMAGE)
    )


class Made:
    """A container that was made on a host whose kernel does not count swap."""

    def __init__(self) -> None:
        self.attrs = copy.deepcopy(MADE)
        self.attrs["HostConfig"]["MemorySwap"] = -1  # type: ignore[index]
        self.image = SimpleNamespace(attrs={"Config": {"Env": IMAGE}})

    def reload(self) -> None:
        """As it is."""


def test_a_host_that_does_not_count_swap_is_told_so_and_how_it_does() -> None:
    with pytest.raises(SandboxFailed) as refused:
        check(Made(), ALLOWED)  # type: ignore[arg-type]
    assert "MemorySwap is -1" in refused.value.message
    assert "does not count swap" in refused.value.message
    assert "swapaccount=1" in refused.value.fix
