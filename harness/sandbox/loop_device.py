"""A file as a block device of the kernel's, for as long as somebody holds it or has it mounted."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CONTROL = Path("/dev/loop-control")
_DEVICES = Path("/sys/block")
# linux/loop.h. LOOP_CONFIGURE (5.8 or later) sets file and flags in one step, so that there is no moment at which a
# killed harness would leave a device behind that nobody lets go.
_GET_FREE, _CONFIGURE, _GET_STATUS, _LET_GO = 0x4C82, 0x4C0A, 0x4C05, 0x4C01
_READ_ONLY, _LET_GO_WHEN_UNUSED = 1, 4
_STATUS = struct.Struct("=5Q4I64s64s32s2Q")
_CONFIGURATION = struct.Struct(f"=II{_STATUS.size}s8Q")
_MOST_TRIES = 20


def may_be_used() -> bool:
    """Whether this process may ask the kernel for one."""
    return os.access(_CONTROL, os.R_OK | os.W_OK)


@contextmanager
def attached(image: Path, link: Path) -> Iterator[None]:
    """Meanwhile `link` leads to a device that is the file; whoever else attaches it shares the one device.

    The kernel lets go of the device by itself when no process holds it and nothing of it is mounted, so a killed
    process leaves none. A file that may not be written, by its mode, makes a device that cannot be written.

    Raises: OSError.
    """
    with image.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        device = _find(image)
        if device is None:
            device = _attach(image)
            link.parent.mkdir(parents=True, exist_ok=True)
            draft = link.with_name(f"{link.name}.draft")
            draft.unlink(missing_ok=True)
            draft.symlink_to(_path(device))
            draft.replace(link)
    try:
        yield
    finally:
        os.close(device)


def devices_of(image: Path) -> list[Path]:
    """The devices that are this file now."""
    found = []
    for told in sorted(_DEVICES.glob("loop*/loop/backing_file")):
        with suppress(OSError):  # let go meanwhile
            if told.read_text().rstrip("\n").removesuffix(" (deleted)") == str(image.resolve()):
                found.append(Path("/dev", told.parts[-3]))
    return found


def let_go(device: Path) -> None:
    """The device is nobody's file any more, as soon as nothing of it is mounted.

    Raises: OSError.
    """
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _LET_GO)
    finally:
        os.close(descriptor)


def _find(image: Path) -> int | None:
    """An open descriptor of the device that is this file; held, it stays so."""
    wanted = image.stat()
    for path in devices_of(image):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            with suppress(OSError):
                status = _STATUS.unpack(fcntl.ioctl(descriptor, _GET_STATUS, bytes(_STATUS.size)))
                if status[:2] == (wanted.st_dev, wanted.st_ino):
                    return descriptor
            os.close(descriptor)
    return None


def _attach(image: Path) -> int:
    is_read_only = not image.stat().st_mode & 0o200
    flags = _LET_GO_WHEN_UNUSED | (_READ_ONLY if is_read_only else 0)
    access = os.O_RDONLY if is_read_only else os.O_RDWR
    name = os.fsencode(image.name)[:63]
    status = _STATUS.pack(0, 0, 0, 0, 0, 0, 0, 0, flags, name, b"", b"", 0, 0)
    backing = os.open(image, access | os.O_CLOEXEC)
    try:
        for _ in range(_MOST_TRIES):
            descriptor = os.open(f"/dev/loop{_free_number()}", access | os.O_CLOEXEC)
            try:
                fcntl.ioctl(descriptor, _CONFIGURE, _CONFIGURATION.pack(backing, 0, status, *[0] * 8))
            except OSError as error:
                os.close(descriptor)
                if error.errno != errno.EBUSY:  # somebody else was faster
                    raise
                continue
            return descriptor
    finally:
        os.close(backing)
    raise OSError("others take every loop device that the kernel offers")


def _free_number() -> int:
    control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        return fcntl.ioctl(control, _GET_FREE)
    finally:
        os.close(control)


def _path(descriptor: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))
