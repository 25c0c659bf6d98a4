"""The gate's folder and its one connection."""

from __future__ import annotations

import json
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import GuestFailed, SandboxFailed
from harness.protocol.gate import open_gate
from harness.protocol.guest import SOCKET_NAME


def never_ends() -> None:
    return None


@contextmanager
def connected(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(folder / SOCKET_NAME))
        yield stream


def test_the_folder_holds_metadata_and_a_socket_that_any_user_may_use() -> None:
    with open_gate({"regime": "r"}) as gate:
        assert json.loads((gate.folder / "metadata.json").read_text()) == {"regime": "r"}
        assert sorted(path.name for path in gate.folder.iterdir()) == [SOCKET_NAME, "metadata.json"]
        assert stat.S_IMODE(gate.folder.stat().st_mode) == 0o755
        assert stat.S_IMODE((gate.folder / SOCKET_NAME).stat().st_mode) == 0o666
    assert not gate.folder.exists()


def test_only_the_first_connection_is_taken() -> None:
    """Control: the listener is closed after one accept."""
    with open_gate({}) as gate, connected(gate.folder) as first:
        with gate.accept(ready_by=time.monotonic() + 60, how_it_ended=never_ends) as channel:
            with pytest.raises(ConnectionRefusedError), connected(gate.folder):
                pass
            first.sendall(b"x")
            received = bytearray(1)
            channel.receive_into(memoryview(received), deadline=time.monotonic() + 60)
        assert received == b"x"


def test_a_guest_that_ended_is_noticed_before_the_deadline() -> None:
    with (
        open_gate({}) as gate,
        pytest.raises(GuestFailed, match=r"evaluate\.py exited with status 1 before") as caught,
        gate.accept(ready_by=time.monotonic() + 60, how_it_ended=lambda: "exited with status 1"),
    ):
        pass
    assert caught.value.code == "guest.no_connection"


def test_a_guest_that_never_connects_runs_into_the_deadline() -> None:
    with (
        open_gate({}) as gate,
        pytest.raises(GuestFailed, match="in time"),
        gate.accept(ready_by=time.monotonic() + 0.2, how_it_ended=never_ends),
    ):
        pass


def test_a_path_too_long_for_a_socket_is_a_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with pytest.raises(SandboxFailed, match="too long"), open_gate({}, folder):
        pass
