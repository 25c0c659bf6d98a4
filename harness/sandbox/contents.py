"""The files of a built entry. Those of a volume are read by a program of ours in a container and sent over a socket
that the host listens on: the host itself follows no path in it.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from harness.disk import scratch
from harness.errors import SandboxFailed
from harness.sandbox import tree, volume
from harness.sandbox.contract import BuiltFile
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.workshop import Workshop

_SOCKET_NAME = "socket"
_CHUNK_BYTES = 1 << 20
_POLL_S = 0.1
_CONNECT_TIMEOUT_S = 60.0
_SILENCE_S = 300.0  # sorting the names of half a million files, or a disk that has to wake up
_HASHING_S = 1800.0  # of the largest file: nothing is said meanwhile
_LONGEST_LINE_BYTES = 1 << 24


@contextmanager
def of_volume(shop: Workshop, name: str) -> Iterator[Iterator[BuiltFile]]:
    """Every regular file of a volume in which nothing runs any more; it is mounted read-only, without a network.

    Raises: SandboxFailed, also while the files are read.
    """
    with _sent_from(shop, name, mode="send") as (stream, why_it_broke):
        yield received(stream, why_it_broke=why_it_broke)


@contextmanager
def inventory_of_volume(shop: Workshop, name: str) -> Iterator[Iterator[dict[str, Any]]]:
    """What `inventory.send` says of a volume in which nothing runs any more; its last words are the sum.

    Raises: SandboxFailed, also while the lines are read.
    """
    with _sent_from(shop, name, mode="inventory", silence_s=_HASHING_S) as (stream, why_it_broke):
        yield lines(stream, why_it_broke=why_it_broke)


def lines(stream: IO[bytes], *, why_it_broke: Callable[[], str]) -> Iterator[dict[str, Any]]:
    """The JSON objects that `inventory.send` puts on a stream; the last one has no path.

    Raises: SandboxFailed when the stream ends before it, or breaks.
    """
    is_whole = False
    try:
        while line := stream.readline(_LONGEST_LINE_BYTES):
            item = json.loads(line)
            is_whole = "path" not in item
            yield item
    except (ValueError, OSError) as error:
        raise unreadable(why_it_broke()) from error
    if not is_whole:
        raise unreadable(why_it_broke())


@contextmanager
def _sent_from(
    shop: Workshop, name: str, *, mode: str, silence_s: float = _SILENCE_S
) -> Iterator[tuple[IO[bytes], Callable[[], str]]]:
    """What a program of ours sends of a volume, and who can say why it stopped."""
    with (
        _listening() as (folder, listener),
        volume.sender(shop, name, mode=mode, folder=folder, socket=_SOCKET_NAME) as program,
        _connection(listener, program.has_ended, program.why_it_broke, silence_s=silence_s) as stream,
    ):
        yield stream, program.why_it_broke


def received(stream: IO[bytes], *, why_it_broke: Callable[[], str]) -> Iterator[BuiltFile]:
    """The files that `tree.send` puts on a stream; each is read to its end before the next comes.

    Raises: SandboxFailed when the stream ends early, also while chunks are taken.
    """
    try:
        while (header := json.loads(stream.readline())) is not None:
            path, size_bytes = header
            chunks = _chunks(stream, size_bytes, why_it_broke)
            yield BuiltFile(path=path, size_bytes=size_bytes, chunks=chunks)
            for _ in chunks:
                pass
    except (ValueError, OSError) as error:
        raise unreadable(why_it_broke()) from error


def of_folder(folder: Path, policy: SandboxPolicy) -> Iterator[BuiltFile]:
    """Every regular file of a folder of the host's own.

    Raises: SandboxFailed, also while chunks are taken.
    """
    caps = {"max_bytes": policy.entry_bytes, "max_files": policy.entry_files}
    with _as_ours():
        for path, size_bytes, chunks in tree.contents(str(folder), **caps):
            yield BuiltFile(path=path, size_bytes=size_bytes, chunks=_readable(chunks))


def unreadable(why: str) -> SandboxFailed:
    """What the host says when it cannot read an entry that it has built."""
    return SandboxFailed(
        f"the files of the built entry cannot be read: {why}",
        fix="look at the engine and its disk, then grade again",
        code="sandbox.files_unreadable",
    )


def _readable(chunks: Iterator[bytes]) -> Iterator[bytes]:
    with _as_ours():
        yield from chunks


@contextmanager
def _as_ours() -> Iterator[None]:
    try:
        yield
    except tree.TreeRefused as error:
        raise unreadable(error.message) from error


def _chunks(stream: IO[bytes], size_bytes: int, why_it_broke: Callable[[], str]) -> Iterator[bytes]:
    left = size_bytes
    while left:
        try:
            chunk = stream.read(min(left, _CHUNK_BYTES))
        except OSError as error:
            raise unreadable(why_it_broke()) from error
        if not chunk:
            raise unreadable(why_it_broke())
        left -= len(chunk)
        yield chunk


@contextmanager
def _listening() -> Iterator[tuple[str, socket.socket]]:
    """A folder with a socket in it that any user may call."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch.folder("reading"))
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(folder / _SOCKET_NAME))
            listener.listen(1)
            (folder / _SOCKET_NAME).chmod(0o666)
            folder.chmod(0o755)
        except OSError as error:
            raise unreadable(f"no socket can be made for them: {error}") from error
        yield str(folder), listener


@contextmanager
def _connection(
    listener: socket.socket,
    has_ended: Callable[[], bool],
    why_it_broke: Callable[[], str],
    *,
    silence_s: float = _SILENCE_S,
) -> Iterator[IO[bytes]]:
    """What the first caller sends."""
    listener.settimeout(_POLL_S)
    deadline = time.monotonic() + _CONNECT_TIMEOUT_S
    is_last_look = False
    while True:
        try:
            caller, _ = listener.accept()
            break
        except TimeoutError:
            if is_last_look:
                raise unreadable(why_it_broke()) from None
            # A short entry is sent, and its sender gone, between two looks: its call still waits.
            is_last_look = has_ended() or time.monotonic() > deadline
    with caller:
        caller.settimeout(silence_s)
        with caller.makefile("rb") as stream:
            yield stream
