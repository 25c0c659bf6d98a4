"""Hash, size and content of a folder, links never followed. A program of its own too: it is what runs in the
container that meters an entry, so it uses the standard library only and nothing else of this package.

    python3 -I -S -c "$(cat tree.py)" measure ROOT '{"bytes": ..., "files": ...}'
    python3 -I -S -c "$(cat tree.py)" settle ROOT '{"bytes": ..., "files": ...}'
    python3 -I -S -c "$(cat tree.py)" watch ROOT '{"bytes": ..., "files": ..., "reserve": ...}'
    python3 -I -S -c "$(cat tree.py)" look ROOT '{"bytes": ..., "files": ..., "reserve": ...}'
    python3 -I -S -c "$(cat tree.py)" send ROOT '{"bytes": ..., "files": ..., "socket": ...}'
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import sys
import time
from typing import Callable, Iterator, NamedTuple  # noqa: UP035 - runs on Python 3.8 too

_CHUNK_BYTES = 1 << 20
_WATCH_INTERVAL_S = 0.25
_FULL_BYTES = 1 << 20
EPOCH_S = 1_577_836_800  # 2020, and in every zone late enough for a zip
_MOST_PATH_CHARACTERS = 1 << 27
"""Of all paths together. They are held in memory, and half a million of the longest would be some gigabytes."""


class TreeRefused(Exception):
    """The folder is over a cap or cannot be read; `reason` is `size`, `files`, `disk` or `unreadable`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Content(NamedTuple):
    """A regular file: its path below the root, its size, and as many bytes, a chunk at a time."""

    path: str
    size_bytes: int
    chunks: Iterator[bytes]


Found = Callable[[str, os.stat_result, bytes], None]
"""Is told of a path below the root, its status, and the sha256 of a file's content or a link's target, else b""."""


class Measured(NamedTuple):
    """What a folder holds: a digest over all of it, bytes, and how many files and folders."""

    tree_sha256: str
    size_bytes: int
    num_files: int


def measure(root: str, *, max_bytes: int, max_files: int, found: Found | None = None) -> Measured:
    """The measure of everything below `root`; `found` is told of every path while it is hashed.

    The digest is over kind, permission bits, path and content (a link's target) of every entry in byte order of
    the paths; times and owners are left out. Sizes are apparent ones, so that a sparse file cannot make the
    hashing endless; a file with several names counts once.

    Raises: TreeRefused.
    """
    paths = _list(root, max_bytes=max_bytes, max_files=max_files)
    digest = hashlib.sha256()
    hashes: dict[tuple[int, int], bytes] = {}
    for path, info in sorted(paths, key=lambda item: os.fsencode(item[0])):
        content = _content_sha256(os.path.join(root, path), info, hashes)
        kind, mode = stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode)
        digest.update(b"%o %o %s\0%s" % (kind, mode, os.fsencode(path), content))
        if found:
            found(path, info, content)
    return Measured(digest.hexdigest(), _size(paths), len(paths))


def settle(root: str, *, max_bytes: int, max_files: int) -> None:
    """Give everything below `root`, and `root`, the same times, so that they say nothing of who made it when.

    Not settled, and not in the digest either: inode numbers, the order of names in a folder, holes in files, which
    names are one file, flags (`chattr`), and for programs that look for them the place of blocks on the disk. The
    time of change is when this ran, to the second or better; a time of birth is there where the file system has one.

    Raises: TreeRefused.
    """
    paths = _list(root, max_bytes=max_bytes, max_files=max_files)
    for path in (os.path.join(root, path) for path in ["", *(path for path, _ in paths)]):
        try:
            os.utime(path, (EPOCH_S, EPOCH_S), follow_symlinks=False)
        except OSError as error:
            raise TreeRefused(
                "unreadable", f"its times cannot be set: {error.strerror}: {path[:200]!r}"
            ) from error


def watch(root: str, *, max_bytes: int, max_files: int, reserve_bytes: int | None) -> None:
    """Look at `root` again and again; the only way out is TreeRefused."""
    while True:
        look(root, max_bytes=max_bytes, max_files=max_files, reserve_bytes=reserve_bytes)
        time.sleep(_WATCH_INTERVAL_S)


def look(root: str, *, max_bytes: int, max_files: int, reserve_bytes: int | None) -> None:
    """Nothing, if the moving tree below `root` is within its caps and leaves `reserve_bytes` of the disk.

    None says that the file system is the tree's own and of the size that is allowed: then it must not be full.

    Raises: TreeRefused.
    """
    if reserve_bytes is None:
        _check_own_room(root, max_bytes=max_bytes, max_files=max_files)
    else:
        _check_free_space(root, reserve_bytes=reserve_bytes)
    _list(root, max_bytes=max_bytes, max_files=max_files, is_moving=True)


def contents(root: str, *, max_bytes: int, max_files: int) -> Iterator[Content]:
    """Every regular file below `root` in byte order of the paths; one with several names comes under the first.

    Raises: TreeRefused, also while chunks are taken.
    """
    paths = _list(root, max_bytes=max_bytes, max_files=max_files)
    seen: set[tuple[int, int]] = set()
    for path, info in sorted(paths, key=lambda item: os.fsencode(item[0])):
        if stat.S_ISREG(info.st_mode) and (info.st_dev, info.st_ino) not in seen:
            seen.add((info.st_dev, info.st_ino))
            yield Content(path, info.st_size, _chunks(os.path.join(root, path), info.st_size))


def send(root: str, address: str, *, max_bytes: int, max_files: int) -> None:
    """All of `contents` to whoever listens on the unix socket: a line of JSON before each file, `null` at the end.

    Raises: TreeRefused.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.connect(address)
        with listener.makefile("wb") as stream:
            for content in contents(root, max_bytes=max_bytes, max_files=max_files):
                stream.write(json.dumps([content.path, content.size_bytes]).encode() + b"\n")
                for chunk in content.chunks:
                    stream.write(chunk)
            stream.write(b"null\n")


def _list(
    root: str, *, max_bytes: int, max_files: int, is_moving: bool = False
) -> list[tuple[str, os.stat_result]]:
    """Every path below `root` with its status; what goes away meanwhile is left out if the tree `is_moving`."""
    found: list[tuple[str, os.stat_result]] = []
    seen: set[tuple[int, int]] = set()
    size_bytes = path_characters = 0
    folders = [""]
    while folders:
        folder = folders.pop()
        for name, info in _list_folder(os.path.join(root, folder), is_moving=is_moving):
            path = os.path.join(folder, name)
            found.append((path, info))
            path_characters += len(path)
            if path_characters > _MOST_PATH_CHARACTERS:
                raise TreeRefused(
                    "unreadable", f"its paths have more than {_MOST_PATH_CHARACTERS} characters"
                )
            if stat.S_ISDIR(info.st_mode):
                folders.append(path)
            elif (info.st_dev, info.st_ino) not in seen:
                seen.add((info.st_dev, info.st_ino))
                size_bytes += info.st_size
            _check_caps(size_bytes, len(found), max_bytes=max_bytes, max_files=max_files)
    return found


def _list_folder(folder: str, *, is_moving: bool) -> Iterator[tuple[str, os.stat_result]]:
    gone = (FileNotFoundError, NotADirectoryError) if is_moving else ()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    yield entry.name, entry.stat(follow_symlinks=False)
                except gone:
                    continue
    except gone:
        return
    except OSError as error:
        raise TreeRefused("unreadable", f"{error.strerror}: {folder[:200]!r}") from error


def _check_caps(size_bytes: int, num_files: int, *, max_bytes: int, max_files: int) -> None:
    if size_bytes > max_bytes:
        raise TreeRefused("size", f"it holds more than {max_bytes} bytes")
    if num_files > max_files:
        raise TreeRefused("files", f"it holds more than {max_files} files and folders")


def _check_free_space(root: str, *, reserve_bytes: int) -> None:
    space = os.statvfs(root)
    if space.f_bavail * space.f_frsize < reserve_bytes:
        raise TreeRefused("disk", f"less than {reserve_bytes} bytes are free on its disk")


def _check_own_room(root: str, *, max_bytes: int, max_files: int) -> None:
    space = os.statvfs(root)
    if space.f_bavail * space.f_frsize < _FULL_BYTES:
        raise TreeRefused(
            "size", f"its disk of {max_bytes} bytes is full; a deleted file counts until nobody has it open"
        )
    if space.f_favail == 0:
        raise TreeRefused("files", f"it holds more than {max_files} files and folders")


def _size(paths: list[tuple[str, os.stat_result]]) -> int:
    files = {(info.st_dev, info.st_ino): info.st_size for _, info in paths if not stat.S_ISDIR(info.st_mode)}
    return sum(files.values())


def _content_sha256(path: str, info: os.stat_result, hashes: dict[tuple[int, int], bytes]) -> bytes:
    if stat.S_ISLNK(info.st_mode):
        return hashlib.sha256(os.fsencode(os.readlink(path))).digest()
    if not stat.S_ISREG(info.st_mode):
        return b""  # folders, pipes, sockets: kind, mode and path say it all
    key = (info.st_dev, info.st_ino)
    if key not in hashes:
        digest = hashlib.sha256()
        for chunk in _chunks(path, info.st_size):
            digest.update(chunk)
        hashes[key] = digest.digest()
    return hashes[key]


def _chunks(path: str, size_bytes: int) -> Iterator[bytes]:
    """The first `size_bytes` of a file."""
    left = size_bytes
    try:
        with open(path, "rb", opener=_open_file_itself) as file:
            while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk
    except OSError as error:
        raise TreeRefused("unreadable", f"{error.strerror}: {path[:200]!r}") from error
    if left:
        raise TreeRefused("unreadable", f"it became shorter while it was read: {path[:200]!r}")


def _open_file_itself(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def main(arguments: list[str]) -> int:
    """Write one JSON object to standard output: a measurement, or why there is none. What is sent needs no words."""
    mode, root, caps_text = arguments
    caps = json.loads(caps_text)
    try:
        if mode == "settle":
            settle(root, max_bytes=caps["bytes"], max_files=caps["files"])
            return 0
        if mode in ("watch", "look"):
            is_once = mode == "look"
            (look if is_once else watch)(
                root, max_bytes=caps["bytes"], max_files=caps["files"], reserve_bytes=caps["reserve"]
            )
            return 0
        if mode == "send":
            send(root, caps["socket"], max_bytes=caps["bytes"], max_files=caps["files"])
            return 0
        answer = measure(root, max_bytes=caps["bytes"], max_files=caps["files"])._asdict()
    except TreeRefused as refused:
        answer = {"refused": refused.reason, "message": refused.message}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
