"""The look-out over a volume; the containers themselves are tried in tests/integration/test_docker_build.py."""

import io
import json
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from docker.errors import APIError

from harness.errors import BuildFailed, SandboxFailed
from harness.sandbox import allotment, build_script, disk_image, volume
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.volume import Watch
from harness.sandbox.workshop import Workshop


class Container:
    """A look-out's container in one of its states."""

    name = "look-out"

    def __init__(self, *, running: bool, said: str = "") -> None:
        self.attrs = {"State": {"Running": running}}
        self.said = said

    def reload(self) -> None:
        pass

    def logs(self, *, stdout: bool, stderr: bool, tail: int | None = None) -> bytes:
        return self.said.encode() if stdout else b"Traceback"


def watch(**state) -> Watch:
    return Watch(container=Container(**state), policy=SandboxPolicy())


def test_a_look_out_that_runs_is_content():
    assert watch(running=True).is_content()
    watch(running=True).check()


def test_a_broken_cap_is_the_entrys():
    refused = json.dumps({"refused": "size", "message": "it holds too much"})
    with pytest.raises(BuildFailed) as caught:
        watch(running=False, said=refused).check()
    assert caught.value.code == "build.size"


@pytest.mark.parametrize("said", ["", "{}", "no json"])
def test_a_look_out_that_broke_down_is_never_taken_for_a_good_build(said):
    with pytest.raises(SandboxFailed) as caught:
        watch(running=False, said=said).check()
    assert caught.value.code == "sandbox.helper"
    assert "Traceback" in caught.value.message


POLICY = SandboxPolicy()
RESERVE = POLICY.disk_reserve_bytes
IMAGE = Path("/nowhere/volume.ext4")


def a_disk(monkeypatch: pytest.MonkeyPatch, *free_bytes: int) -> None:
    """A host's disk that has so much room at each look, and the last of it from then on."""
    looks = list(free_bytes)
    monkeypatch.setattr(disk_image, "free_bytes", lambda _image: looks.pop(0) if len(looks) > 1 else looks[0])


def test_a_build_that_was_cut_short_on_a_full_disk_is_not_finished_when_there_is_room_again(monkeypatch):
    """Control: the look-out remembers. What a killed build.sh had open goes back to the disk."""
    a_disk(monkeypatch, RESERVE, RESERVE - 1, 2 * RESERVE)
    look_out = Watch(container=Container(running=True), policy=POLICY, image=IMAGE)
    assert not build_script._wait(Container(running=True), look_out, timeout_s=100)
    assert not look_out.is_content()
    with pytest.raises(SandboxFailed) as caught:
        look_out.check()
    assert caught.value.code == "sandbox.disk"


def test_a_script_that_ended_while_the_disk_was_full_is_not_blamed(monkeypatch):
    """Control: the disk is looked at when the script has ended too, before its files are gone."""
    a_disk(monkeypatch, RESERVE - 1)
    look_out = Watch(container=Container(running=True), policy=POLICY, image=IMAGE)
    assert not build_script._wait(Container(running=False), look_out, timeout_s=100)
    a_disk(monkeypatch, 2 * RESERVE)
    with pytest.raises(SandboxFailed) as caught:
        look_out.check()
    assert caught.value.code == "sandbox.disk"


def test_a_look_back_at_a_volume_on_a_full_disk_blames_nobody_for_what_is_in_it(monkeypatch):
    """Control: the disk below the image is looked at before the volume."""

    @contextmanager
    def damaged(*_, **__):
        yield Container(running=False)

    a_disk(monkeypatch, RESERVE - 1)
    monkeypatch.setattr(volume, "_image", lambda *_: IMAGE)
    monkeypatch.setattr(volume, "_meter", damaged)
    monkeypatch.setattr(volume, "finish", lambda _: {"refused": "unreadable", "message": "EIO"})
    shop = Workshop(client=None, engine=None, policy=POLICY, grade="g")
    with pytest.raises(SandboxFailed) as caught:
        volume.look(shop, "v")
    assert caught.value.code == "sandbox.disk"


FULL = APIError("500", explanation="write /entry/weights: no space left on device")


class Filler(Container):
    """Our helper, in whose volume nothing more fits."""

    def put_archive(self, *_):
        raise FULL


@pytest.mark.parametrize(
    ("free_bytes", "image", "error", "code"),
    [
        (RESERVE, IMAGE, BuildFailed, "build.size"),
        (RESERVE - 1, IMAGE, SandboxFailed, "sandbox.disk"),
        (RESERVE, None, APIError, None),
    ],
)
def test_files_that_do_not_fit_are_the_entrys_only_where_the_disk_has_room(
    monkeypatch, free_bytes, image, error, code
):
    """Control: the disk below the image is looked at before the entry is blamed."""
    a_disk(monkeypatch, free_bytes)
    with pytest.raises(error) as caught:
        volume._put(Filler(running=False), io.BytesIO(), image, POLICY)
    assert getattr(caught.value, "code", None) == code


@pytest.mark.parametrize("obstacle", [None, "no loop devices"])
def test_no_room_for_our_own_helper_is_never_the_entrys(monkeypatch, obstacle):
    """Control: only what was put into the volume can be too much for it."""

    def refuses(*_):
        raise APIError("500", explanation="OCI runtime create failed: mkdir: no space left on device")

    monkeypatch.setattr(disk_image, "obstacle", lambda _: obstacle)
    monkeypatch.setattr(allotment, "_create_image", lambda *_: None)
    monkeypatch.setattr(volume, "remove", lambda *_: None)
    monkeypatch.setattr(volume, "fill", refuses)
    client = SimpleNamespace(volumes=SimpleNamespace(create=lambda **_: None))
    shop = Workshop(client=client, engine=None, policy=POLICY, grade="g")
    with pytest.raises(SandboxFailed) as caught:
        allotment.create_filled(shop, "v", Path("files"), entry_sha256="e", record=Path("record"))
    assert caught.value.code == "sandbox.disk"
