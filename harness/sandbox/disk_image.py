"""A file system of exactly so many bytes, in a sparse file of ours: more than it holds nobody can write.

The host's kernel mounts it, so it must never be an image that an entry could have made. It is made here, empty; an
entry changes it through the file system only, while build.sh runs; after that neither its file nor its device nor
its mount can be written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SandboxFailed
from harness.sandbox import loop_device

if TYPE_CHECKING:
    from docker import DockerClient

SUFFIX = ".ext4"
LOST_AND_FOUND = "lost+found"

_FOLDER = "wmc"  # of the engine's own: on its disk, and gone when its volumes are
_LINKS = Path("/run/wmc")  # what a mount shows of the host: no user's name, no folder of theirs
_LOCAL = "http+docker://"  # what the client makes of a unix socket
_FREEZE_MODE = 0o400
_RESERVED_INODES = 11
# One more than allowed must fit, so that too many are counted and named, and not met as a full disk.
_SPARE_INODES = 64
# The same for every image: names stand in a folder in the order of their salted hashes.
_SALT = "3a7a6c69-6e67-4d65-8e74-000000000001"
# Inodes of 128 bytes have no time of birth and no room for attributes. No journal: what was cut short is not used.
_LAYOUT = (
    "-b",
    "4096",
    "-I",
    "128",
    "-m",
    "0",
    "-O",
    "^has_journal,^resize_inode,metadata_csum",
    "-U",
    _SALT,
)
# A new sparse file reads as zeros: its tables need not be written, neither now nor by the kernel later.
_HASTE = f"lazy_itable_init=1,nodiscard,hash_seed={_SALT}"
_MOUNT = "nodev,nosuid,noatime,noinit_itable"
_MKFS_TIMEOUT_S = 600
_TIME_TO_BE_KNOWN_S = 3600


def place(client: DockerClient, name: str) -> Path:
    """Where the image of an engine's volume is, if it is one."""
    return Path(client.info()["DockerRootDir"], _FOLDER, f"{name}{SUFFIX}")


def obstacle(client: DockerClient) -> str | None:
    """Why this process can give the engine none; None when nothing is known to be in the way."""
    if os.geteuid() != 0:
        return "the harness is not root"
    if not client.api.base_url.startswith(_LOCAL) or not Path(client.info()["DockerRootDir"]).is_dir():
        return "the engine is on another machine"
    if not loop_device.may_be_used():
        return "this machine has no loop devices"
    if _mkfs() is None:
        return "mkfs.ext4 is missing"
    return None


def make(image: Path, *, size_bytes: int, num_files: int) -> None:
    """An empty file system in a new file. It takes as much of the disk as is written to it, and gives it back.

    Raises: SandboxFailed.
    """
    inodes = num_files + _RESERVED_INODES + _SPARE_INODES
    command = [_mkfs() or "mkfs.ext4", "-q", "-F", *_LAYOUT, "-N", str(inodes), "-E", _HASTE, str(image)]
    try:
        image.parent.mkdir(mode=0o700, exist_ok=True)
        image.unlink(missing_ok=True)
        with image.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.truncate(size_bytes)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_MKFS_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unmade(image, str(error)) from error
    if done.returncode != 0:
        raise _unmade(image, done.stderr.strip()[-300:])


def freeze(image: Path) -> None:
    """From the next time on it is attached as a device that cannot be written."""
    image.chmod(_FREEZE_MODE)


def driver_options(name: str, *, read_only: bool) -> dict[str, str]:
    """What the engine's `local` driver needs to mount the image of that name while it is `attached`."""
    # Freed blocks go back to the host's disk at once.
    options = f"ro,{_MOUNT}" if read_only else f"{_MOUNT},discard"
    return {"type": "ext4", "device": str(_LINKS / name), "o": options}


def is_image(name: str, options: dict[str, str] | None) -> bool:
    """Whether an engine's volume, by its options, is an image of ours."""
    return (options or {}).get("device") == str(_LINKS / name)


@contextmanager
def attached(image: Path, name: str) -> Iterator[None]:
    """Meanwhile the engine may mount it.

    Raises: SandboxFailed.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(loop_device.attached(image, _LINKS / name))
        except OSError as error:
            raise SandboxFailed(
                f"the volume's file {image} cannot be made a loop device: {error.strerror or error}",
                fix="free loop devices (losetup -a shows them), then grade again",
                code="sandbox.loop",
            ) from error
        yield


@contextmanager
def at_hand(client: DockerClient, volume: str) -> Iterator[None]:
    """Meanwhile the engine can mount this volume of its own, whether it is an image of ours or a folder.

    Raises: SandboxFailed.
    """
    if is_image(volume, client.volumes.get(volume).attrs["Options"]):
        with attached(place(client, volume), volume):
            yield
    else:
        yield


def orphans(client: DockerClient) -> list[str]:
    """Names of volumes that the engine has no more, and of which the image was left.

    One that is younger than an hour may be about to get its volume.
    """
    if obstacle(client) is not None:
        return []
    known = {volume.name for volume in client.volumes.list()}
    newest = time.time() - _TIME_TO_BE_KNOWN_S
    images = place(client, "*").parent.glob(f"*{SUFFIX}")
    return sorted(each.stem for each in images if each.stem not in known and each.stat().st_ctime < newest)


def remove(image: Path, name: str) -> None:
    """Neither it nor a way to it is there any more; what the kernel still has mounted goes with its mount."""
    (_LINKS / name).unlink(missing_ok=True)
    image.unlink(missing_ok=True)


def free_bytes(image: Path) -> int:
    """Of the disk that it takes its room from."""
    return shutil.disk_usage(image.parent).free


def _mkfs() -> str | None:
    return shutil.which("mkfs.ext4", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def _unmade(image: Path, why: str) -> SandboxFailed:
    return SandboxFailed(
        f"no file system can be made in {image}: {why}",
        fix="free space on the engine's disk, and see that mkfs.ext4 works there, then grade again",
        code="sandbox.loop",
    )
