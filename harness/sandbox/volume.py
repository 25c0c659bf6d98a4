"""The entry's volume: filled, watched and metered by containers of ours, never by the host's own hands."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from harness.errors import SandboxFailed
from harness.sandbox import disk_image, failures, flags, program, source
from harness.sandbox.policy import MIB, SandboxPolicy
from harness.sandbox.tree import Measured
from harness.sandbox.workshop import Workshop, answer_of, broken, finish, trusted

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

SENDER_FOLDER = "/opt/wmc_sender"

_LAST_WORDS_S = 5
_SPOOL_BYTES = 64 * MIB
_TAKE_OWNERSHIP = """
import os, sys
try:
    os.rmdir("/entry/lost+found")  # of a new ext4; a folder of the entry's by that name has something in it
except OSError:
    pass
os.chmod("/entry", 0o755)
os.chown("/entry", *map(int, sys.argv[1:]))
"""


def fill(shop: Workshop, volume: str, files: Path) -> dict[str, source.Sent]:
    """Put `files` into the empty volume, owned by the entry's user; returns what they are. No entry code has run yet.

    Only folders and regular files are taken, with modes 0755 and 0644 (0755 where the owner may execute).

    Raises: BuildFailed when they are more than a volume of fixed size holds; SandboxFailed.
    """
    command = ["-c", _TAKE_OWNERSHIP, str(shop.policy.uid), str(shop.policy.uid)]
    mounts = [flags.entry_mount(volume, read_only=False)]
    with (
        trusted(shop, volume, command, mounts, capabilities=["CHOWN"], purpose="fill") as filler,
        tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as archive,
    ):
        sent = source.write_tar(archive, files, uid=shop.policy.uid)
        archive.seek(0)
        _put(filler, archive, _image(shop.client, volume), shop.policy)
        finish(filler)
    return sent


def measure(shop: Workshop, volume: str) -> Measured:
    """The digest and size of a volume in which nothing runs any more.

    Raises: BuildFailed when it is over the policy's caps or cannot be read; SandboxFailed.
    """
    with _meter(shop, volume, mode="measure") as meter:
        answer = finish(meter)
    check(answer, shop.policy)
    return Measured(**answer)


def settle(shop: Workshop, volume: str) -> None:
    """Every time that a listing shows is the same from now on.

    Raises: BuildFailed when it is over the policy's caps or cannot be read; SandboxFailed.
    """
    with _meter(shop, volume, mode="settle") as meter:
        check(finish(meter), shop.policy)


def look(shop: Workshop, volume: str) -> None:
    """Nothing, if the volume is within the policy's caps and not full.

    Raises: BuildFailed; SandboxFailed when it is the host's disk that is full.
    """
    image = _image(shop.client, volume)
    if image is not None:  # what cannot be written below it looks like a damaged volume from inside
        check_disk(image, shop.policy)
    with _meter(shop, volume, mode="look") as meter:
        check(finish(meter), shop.policy)


def check_disk(image: Path, policy: SandboxPolicy) -> None:
    """Nothing, if the disk has room to spare: a sparse file may promise more than there is.

    Raises: SandboxFailed.
    """
    if disk_image.free_bytes(image) < policy.disk_reserve_bytes:
        message = f"less than {policy.disk_reserve_bytes} bytes are free on its disk"
        raise failures.refused("disk", message, policy)


def exists(client: DockerClient, volume: str) -> bool:
    """True when the engine has it, its image too; to run a container on one it has not would make an empty one."""
    from docker.errors import NotFound

    try:
        image = _image(client, volume)
    except NotFound:
        return False
    return image is None or image.exists()


def remove(client: DockerClient, volume: str) -> None:
    """It is gone, if it was there, and so is the image of one that lost its volume."""
    from docker.errors import NotFound

    may_be_image = os.geteuid() == 0
    with suppress(NotFound):
        found = client.volumes.get(volume)
        may_be_image = disk_image.is_image(volume, found.attrs["Options"])
        found.remove(force=True)
    if may_be_image:
        disk_image.remove(disk_image.place(client, volume), volume)


@contextmanager
def watched(shop: Workshop, volume: str) -> Iterator[Watch]:
    """A look-out that ends as soon as the volume is over a cap."""
    image = _image(shop.client, volume)
    with _meter(shop, volume, mode="watch") as meter:
        meter.start()
        yield Watch(container=meter, policy=shop.policy, image=image)


@contextmanager
def sender(shop: Workshop, volume: str, *, mode: str, folder: str, socket: str) -> Iterator[Sender]:
    """A program that sends to the socket of that name in a folder of the host.

    In the mode `send` it sends the volume's files, in the mode `inventory` what they are.
    """
    door = flags.folder_mount(folder, SENDER_FOLDER)
    with _meter(shop, volume, mode=mode, door=door, socket=f"{SENDER_FOLDER}/{socket}") as meter:
        meter.start()
        yield Sender(container=meter)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """A program that sends files, or has ended."""

    container: Container

    def has_ended(self) -> bool:
        """Whether it sends nothing more."""
        self.container.reload()
        return not self.container.attrs["State"]["Running"]

    def why_it_broke(self) -> str:
        """In words, after its connection did."""
        import requests

        with suppress(requests.RequestException):  # it may still be about to end
            self.container.wait(timeout=_LAST_WORDS_S)
        if not self.has_ended():
            return "the program that reads them fell silent"
        return str(answer_of(self.container).get("message") or broken(self.container, "ended early").message)


@dataclass(kw_only=True)
class Watch:
    """A running look-out over a volume; the disk below an image is looked at from outside.

    What it has seen once it remembers: a disk that was full is not when the files of a killed build.sh are gone.
    """

    container: Container
    policy: SandboxPolicy
    image: Path | None = None
    _full: SandboxFailed | None = field(default=None, init=False)

    def is_content(self) -> bool:
        """False once a cap is broken, for good."""
        self._look_at_disk()
        self.container.reload()
        return bool(self.container.attrs["State"]["Running"]) and self._full is None

    def _look_at_disk(self) -> None:
        if self.image is None or self._full is not None:
            return
        try:
            check_disk(self.image, self.policy)
        except SandboxFailed as error:
            self._full = error

    def check(self) -> None:
        """Nothing while the look-out is content, and was.

        Raises: BuildFailed for a broken cap; SandboxFailed when it is the host's disk that is full, or when the
        look-out itself broke down: nobody knows then what was written.
        """
        is_content = self.is_content()
        if self._full is not None:
            raise self._full
        if not is_content:
            check(answer_of(self.container), self.policy)
            raise broken(self.container, "ended without a reason")


def check(answer: dict[str, Any], policy: SandboxPolicy) -> None:
    """Nothing, unless the meter's answer is that it refuses the volume.

    Raises: BuildFailed, SandboxFailed.
    """
    if "refused" in answer:
        raise failures.refused(answer["refused"], answer["message"], policy)


def _put(filler: Container, archive: IO[bytes], image: Path | None, policy: SandboxPolicy) -> None:
    from docker.errors import APIError

    try:
        filler.put_archive(flags.ENTRY_FOLDER, archive)
    except APIError as error:
        if image is None or not failures.is_disk_full(error):
            raise
        check_disk(image, policy)
        raise failures.refused("size", "its own files do not fit", policy) from error


def _meter(shop: Workshop, volume: str, *, mode: str, door: Any = None, socket: str | None = None) -> Any:
    policy = shop.policy
    settings = {
        "bytes": policy.entry_bytes,
        "files": policy.entry_files,
        "reserve": None if _image(shop.client, volume) else policy.disk_reserve_bytes,
        "socket": socket,
    }
    modules = ("tree", "installed", "inventory") if mode == "inventory" else ("tree",)
    command = [*program.command(*modules), mode, flags.ENTRY_FOLDER, json.dumps(settings)]
    settles = mode == "settle"
    mounts = [flags.entry_mount(volume, read_only=not settles), *([door] if door else [])]
    capabilities = ["DAC_READ_SEARCH", *(["FOWNER"] if settles else [])]
    return trusted(shop, volume, command, mounts, capabilities=capabilities, purpose=mode)


def _image(client: DockerClient, volume: str) -> Path | None:
    is_image = disk_image.is_image(volume, client.volumes.get(volume).attrs["Options"])
    return disk_image.place(client, volume) if is_image else None
