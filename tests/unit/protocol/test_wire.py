"""The stream: exact sizes, absolute deadlines."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from harness.errors import GuestFailed
from harness.protocol.guest import HEADER, Kind
from harness.protocol.wire import SocketChannel


@pytest.fixture
def pair() -> Iterator[tuple[SocketChannel, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield SocketChannel(ours), theirs


def test_a_message_is_its_header_and_its_payload(pair: tuple[SocketChannel, socket.socket]) -> None:
    channel, peer = pair
    channel.send(Kind.OBSERVE, 3, 7, b"ab", b"c", deadline=time.monotonic() + 5)
    assert peer.recv(100) == HEADER.pack(b"WMC1", Kind.OBSERVE, 3, 7, 3) + b"abc"


def test_a_payload_may_have_empty_parts(pair: tuple[SocketChannel, socket.socket]) -> None:
    """A clip without actions is a valid clip: what is sent with its frames has no bytes."""
    channel, peer = pair
    no_actions = np.zeros((2, 15, 0), np.float32)
    channel.send(Kind.OBSERVE, 0, 2, b"ab", no_actions, deadline=time.monotonic() + 5)
    assert peer.recv(100) == HEADER.pack(b"WMC1", Kind.OBSERVE, 0, 2, 2) + b"ab"


def test_a_slow_dribble_does_not_move_the_deadline(pair: tuple[SocketChannel, socket.socket]) -> None:
    """Control: absolute deadlines. With a timeout per recv this would take as long as the dribble lasts."""
    channel, peer = pair
    stop = threading.Event()

    def dribble() -> None:
        while not stop.wait(0.02):
            peer.send(b"x")

    thread = threading.Thread(target=dribble)
    thread.start()
    begin = time.monotonic()
    with pytest.raises(GuestFailed) as caught:
        channel.receive_into(memoryview(bytearray(1 << 20)), deadline=begin + 0.3)
    stop.set()
    thread.join()
    assert caught.value.code == "guest.timeout"


def test_a_peer_that_never_reads_runs_into_the_deadline(pair: tuple[SocketChannel, socket.socket]) -> None:
    channel, _ = pair
    with pytest.raises(GuestFailed) as caught:
        channel.send(Kind.OBSERVE, 0, 0, bytes(1 << 24), deadline=time.monotonic() + 0.2)
    assert caught.value.code == "guest.timeout"


def test_a_slow_reader_does_not_move_the_deadline(pair: tuple[SocketChannel, socket.socket]) -> None:
    """Control: small sends, each with what is left of the time. The kernel's own timeout starts anew per buffer."""
    channel, peer = pair
    stop = threading.Event()

    def sip() -> None:
        while not stop.wait(0.1):
            peer.recv(48 << 10)

    thread = threading.Thread(target=sip)
    thread.start()
    with pytest.raises(GuestFailed) as caught:
        channel.send(Kind.OBSERVE, 0, 0, bytes(8 << 20), deadline=time.monotonic() + 0.5)
    stop.set()
    peer.close()
    thread.join()
    assert caught.value.code == "guest.timeout"


def test_a_half_message_and_a_closed_stream_is_a_closed_gate(
    pair: tuple[SocketChannel, socket.socket],
) -> None:
    channel, peer = pair
    peer.sendall(b"half")
    peer.close()
    with pytest.raises(GuestFailed) as caught:
        channel.receive_into(memoryview(bytearray(20)), deadline=time.monotonic() + 5)
    assert caught.value.code == "guest.closed"


def test_unread_bytes_are_seen_and_left_alone(pair: tuple[SocketChannel, socket.socket]) -> None:
    channel, peer = pair
    assert not channel.has_unread()
    peer.sendall(b"x")
    assert channel.has_unread()
    received = bytearray(1)
    channel.receive_into(memoryview(received), deadline=time.monotonic() + 5)
    assert received == b"x"
    assert not channel.has_unread()
    peer.close()
    with pytest.raises(GuestFailed, match="closed"):
        channel.has_unread()
