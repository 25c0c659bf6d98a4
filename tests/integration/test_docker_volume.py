"""The room an entry is given: it cannot grow, cannot be written once it is built, and leaves nothing behind."""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext

import pytest

from harness.errors import BuildFailed, SandboxFailed
from harness.sandbox import disk_image, loop_device, volume
from harness.sandbox.clean import clean_docker
from harness.sandbox.container import DockerSandbox

pytestmark = [pytest.mark.docker]

MIB = 1 << 20
UNSEEN = "#!/bin/sh\nexec 3>unseen; rm unseen; dd if=/dev/zero bs=1M count=256 status=none >&3; sleep 1\n"


@pytest.fixture
def box(bench, policy):
    """A sandbox with a cache of its own; what it built is thrown away."""
    sandbox = DockerSandbox(policy=policy, cache=bench.folder / "cache")
    yield sandbox
    sandbox.discard_builds()


@pytest.fixture(autouse=True)
def allowed(docker_client):
    """Elsewhere the cap is soft, and a record says why."""
    if obstacle := disk_image.obstacle(docker_client):
        pytest.fail(f"run the Docker tests as root, with loop devices and mkfs.ext4: {obstacle}")


@pytest.fixture
def largest(docker_client):
    """The most that images took of the host's disk, in bytes, as often as could be looked."""
    folder = disk_image.place(docker_client, "any").parent
    seen, is_over = [0], threading.Event()

    def look():
        while not is_over.wait(0.01):
            for image in folder.glob("*.ext4"):
                try:
                    seen.append(image.stat().st_blocks * 512)
                except OSError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    yield lambda: max(seen)
    is_over.set()
    watcher.join()


def test_what_no_listing_shows_is_bounded_to_the_byte(bench, box, policy, largest):
    """Guards the file system of the allowed size: four times as much was to be written."""
    with pytest.raises(BuildFailed) as caught:
        bench.build(bench.entry(build=UNSEEN), sandbox=box)
    assert caught.value.code == "build.size"
    assert "full" in caught.value.message
    assert policy.entry_bytes // 2 < largest() <= policy.entry_bytes
    assert box.details["build_volume"] == f"a hard cap: ext4 of {policy.entry_bytes:,} bytes on a loop device"


def test_without_it_nobody_sees_what_is_written(bench, box, monkeypatch):
    monkeypatch.setattr(disk_image, "obstacle", lambda _client: "switched off")
    built = bench.build(bench.entry(build=UNSEEN), sandbox=box)
    assert built.size_bytes < MIB
    assert box.details["build_volume"].endswith("a soft cap: looked at while build.sh runs (switched off)")


def test_a_script_that_fails_of_a_full_disk_is_told_so(bench, box):
    """However fast it ends: between two looks of the watch."""
    script = "#!/bin/sh\nset -e\ndd if=/dev/zero of=big bs=1M count=80 status=none\n"
    with pytest.raises(BuildFailed) as caught:
        bench.build(bench.entry(build=script), sandbox=box)
    assert caught.value.code == "build.size"


def test_files_that_do_not_fit_are_the_entrys(bench, box):
    files = bench.entry()
    (files / "weights").write_bytes(os.urandom(70 * MIB))
    with pytest.raises(BuildFailed) as caught:
        bench.build(files, sandbox=box)
    assert caught.value.code == "build.size"


def test_what_is_deleted_is_given_back_to_the_host(bench, box):
    script = "#!/bin/sh\nhead -c 40000000 /dev/urandom > big; sync; rm big\n"
    built = bench.build(bench.entry(build=script), sandbox=box)
    assert disk_image.place(bench.client, built.handle).stat().st_blocks * 512 < 5 * MIB


def test_once_built_it_cannot_be_written(bench, box, base_image):
    """Neither by a container that may write to its mounts, nor through the device."""
    built = bench.build(bench.entry(), sandbox=box)
    image = disk_image.place(bench.client, built.handle)
    with disk_image.at_hand(bench.client, built.handle):
        said = bench.client.containers.run(
            base_image,
            ["sh", "-c", "touch /entry/more 2>&1; true"],
            volumes={built.handle: {"bind": "/entry", "mode": "rw"}},
            network_mode="none",
            remove=True,
        )
        [device] = loop_device.devices_of(image)
        is_read_only = (loop_device._DEVICES / device.name / "ro").read_text()
    assert b"Read-only file system" in said
    assert is_read_only == "1\n"


def test_two_who_use_it_share_a_device_and_the_last_lets_it_go(bench, box):
    built = bench.build(bench.entry(), sandbox=box)
    image = disk_image.place(bench.client, built.handle)
    with disk_image.at_hand(bench.client, built.handle):
        with disk_image.at_hand(bench.client, built.handle):
            assert len(loop_device.devices_of(image)) == 1
        assert len(loop_device.devices_of(image)) == 1
    assert loop_device.devices_of(image) == []


def test_no_times_of_birth_are_told(bench, box):
    """Times of a file that nobody can set would be another place to hide things in."""
    built = bench.build(bench.entry(build="#!/bin/sh\nstat -c %W evaluate.py\n"), sandbox=box)
    assert bench.build_log.read_text() == "0\n"
    assert built.size_cap.startswith("a hard cap")


def test_an_engine_that_cannot_mount_it_gets_a_folder(bench, box, monkeypatch):
    """As one on another machine, or in a virtual one."""
    monkeypatch.setattr(loop_device, "attached", lambda _image, _link: nullcontext())
    built = bench.build(bench.entry(), sandbox=box)
    assert "the engine cannot mount a loop device" in built.size_cap
    assert not disk_image.place(bench.client, built.handle).exists()
    assert bench.play(built, "print('runs')") == ("exited with status 0", "runs\n")


def test_an_image_that_lost_its_volume_is_an_orphan(bench, box, monkeypatch):
    """As `docker volume prune` makes them."""
    built = bench.build(bench.entry(), sandbox=box)
    image = disk_image.place(bench.client, built.handle)
    bench.client.volumes.get(built.handle).remove()
    assert not volume.exists(bench.client, built.handle)
    assert image.stem not in disk_image.orphans(bench.client), "it is young"
    monkeypatch.setattr(disk_image, "_TIME_TO_BE_KNOWN_S", -1)
    monkeypatch.setattr(disk_image, "SUFFIX", f"{image.stem[-8:]}.ext4")  # of this cache only
    monkeypatch.setattr(disk_image, "place", lambda _client, _name: image)
    clean_docker(bench.folder / "none", unused_s=0)
    assert not image.exists()


def test_an_image_that_is_gone_is_the_operators_matter(bench, box):
    built = bench.build(bench.entry(), sandbox=box)
    disk_image.remove(disk_image.place(bench.client, built.handle), built.handle)
    with pytest.raises(SandboxFailed) as caught:
        bench.play(built, "")
    assert caught.value.code == "sandbox.entry_gone"
