"""Whom build.sh speaks to, read off its network interface by a program of ours that stands on the same network.

A program of its own, as `harness.sandbox.tree`. Nothing passes through it: it changes neither what a build can reach
nor how. Addresses, ports and whether somebody answered are facts. A name is what a resolver answered, or what the
client asked for in the clear (TLS server name, HTTP host), and a client may make up both.
"""

from __future__ import annotations

import ctypes
import json
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any, NamedTuple, Tuple  # noqa: UP035 - runs on Python 3.8 too

READY = "listening"
_MOST_FLOWS = 20_000
_MOST_NAMES = 20_000
_MOST_DESTINATIONS = 200
_NAME_CHARACTERS = 100
_SNAP_BYTES = 8192
_TCP, _UDP = 6, 17
_IPV4, _IPV6 = 0x0800, 0x86DD
_SYN, _ACK = 0x02, 0x10
_DNS_PORT = 53
_ETH_P_ALL, _PACKET_OUTGOING, _SOL_PACKET, _PACKET_STATISTICS, _SO_ATTACH_FILTER = 3, 4, 263, 6, 26

# UDP, every SYN, and what goes out over TCP with something in it: of a download next to nothing is looked at here.
_FILTER = (
    (0x28, 0, 0, 0xFFFFF000),  # 0 the protocol
    (0x15, 16, 0, _IPV6),  # 1 take all of IPv6
    (0x15, 0, 16, _IPV4),  # 2 and else IPv4 only
    (0x30, 0, 0, 9),  # 3 what is in it
    (0x15, 13, 0, _UDP),  # 4
    (0x15, 0, 13, _TCP),  # 5
    (0xB1, 0, 0, 0),  # 6 X = length of the IP header
    (0x50, 0, 0, 13),  # 7 flags of TCP
    (0x45, 9, 0, _SYN),  # 8
    (0x28, 0, 0, 0xFFFFF004),  # 9 the direction
    (0x15, 0, 8, _PACKET_OUTGOING),  # 10
    (0x50, 0, 0, 12),  # 11 A = length of the TCP header
    (0x74, 0, 0, 2),  # 12
    (0x54, 0, 0, 0x3C),  # 13
    (0x0C, 0, 0, 0),  # 14 X = where the content begins
    (0x07, 0, 0, 0),  # 15
    (0x28, 0, 0, 2),  # 16 A = length of all of it
    (0x2D, 0, 1, 0),  # 17
    (0x06, 0, 0, 0xFFFF),  # 18 take it: it has content
    (0x06, 0, 0, 0),  # 19 leave it
)

Flow = Tuple[str, str, int, int]  # noqa: UP006 - evaluated
"""`tcp` or `udp`, the other side's address and port, and the port on this side."""


class Packet(NamedTuple):
    """What of an IP packet is looked at; `flags` are TCP's."""

    protocol: str
    source: str
    source_port: int
    target: str
    target_port: int
    flags: int
    content: bytes


class Log:
    """Whom packets went to, and who answered; what it holds is capped."""

    def __init__(self) -> None:
        self._flows: dict[Flow, bool] = {}
        self._asked: dict[Flow, str] = {}
        self._resolved: dict[str, str] = {}
        self._is_full = False

    def saw(self, data: bytes, *, is_outgoing: bool) -> None:
        """One packet, from its IP header on; what cannot be read is not looked at."""
        try:
            packet = parsed(data)
            if packet and is_outgoing:
                self._went_out(packet)
            elif packet:
                self._came_in(packet)
        except (struct.error, IndexError, ValueError):
            return

    def report(self) -> dict[str, Any]:
        """The destinations, those with most flows first, and how many there are."""
        counts: dict[tuple[str, str, int, str], list[int]] = {}
        for flow, is_answered in self._flows.items():
            protocol, address, port, _ = flow
            count = counts.setdefault((protocol, address, port, self._asked.get(flow, "")), [0, 0])
            count[0] += 1
            count[1] += is_answered
        ordered = sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))
        return {
            "destinations": [
                {
                    "protocol": protocol,
                    "address": address,
                    "port": port,
                    "asked": asked,
                    "resolved": self._resolved.get(address, ""),
                    "tried": tried,
                    "answered": answered,
                }
                for (protocol, address, port, asked), (tried, answered) in ordered[:_MOST_DESTINATIONS]
            ],
            "found": len(counts),
            "is_full": self._is_full,
        }

    def _went_out(self, packet: Packet) -> None:
        flow = (packet.protocol, packet.target, packet.target_port, packet.source_port)
        if flow not in self._flows:
            if len(self._flows) >= _MOST_FLOWS:
                self._is_full = True
                return
            self._flows[flow] = False
        if packet.protocol == "tcp" and packet.content and flow not in self._asked:
            self._asked[flow] = _readable(server_name(packet.content) or http_host(packet.content))

    def _came_in(self, packet: Packet) -> None:
        flow = (packet.protocol, packet.source, packet.source_port, packet.target_port)
        if flow in self._flows and (packet.protocol == "udp" or packet.flags & _ACK):
            self._flows[flow] = True
        if packet.protocol == "udp" and packet.source_port == _DNS_PORT and flow in self._flows:
            name, addresses = dns_answer(packet.content)
            for address in addresses:
                if len(self._resolved) < _MOST_NAMES:
                    self._resolved.setdefault(address, _readable(name))


def parsed(data: bytes) -> Packet | None:
    """An IP packet's ends and content; None for what is neither TCP nor UDP, or a later fragment.

    Raises: IndexError, struct.error, ValueError where it is cut short.
    """
    if data[0] >> 4 == 4:
        begin, protocol = (data[0] & 15) * 4, data[9]
        if struct.unpack_from("!H", data, 6)[0] & 0x1FFF:
            return None
        family, source, target = socket.AF_INET, data[12:16], data[16:20]
    else:
        begin, protocol = 40, data[6]
        family, source, target = socket.AF_INET6, data[8:24], data[24:40]
    if protocol not in (_TCP, _UDP):
        return None
    source_port, target_port = struct.unpack_from("!HH", data, begin)
    flags = data[begin + 13] if protocol == _TCP else 0
    content = begin + ((data[begin + 12] >> 4) * 4 if protocol == _TCP else 8)
    return Packet(
        "tcp" if protocol == _TCP else "udp",
        socket.inet_ntop(family, source),
        source_port,
        socket.inet_ntop(family, target),
        target_port,
        flags,
        data[content:],
    )


def server_name(content: bytes) -> str:
    """The server name of a TLS client's first words; empty where there is none, or they are cut short before it."""
    if content[:1] != b"\x16" or content[5:6] != b"\x01":
        return ""
    try:
        at = 43 + 1 + content[43]  # record, handshake, version, random; session
        at += 2 + struct.unpack_from("!H", content, at)[0]  # cipher suites
        at += 1 + content[at]  # compression methods
        end = at + 2 + struct.unpack_from("!H", content, at)[0]
        at += 2
        while at < end:
            kind, length = struct.unpack_from("!HH", content, at)
            if kind == 0:
                name_length = struct.unpack_from("!H", content, at + 7)[0]
                return content[at + 9 : at + 9 + name_length].decode("latin-1")
            at += 4 + length
    except (IndexError, struct.error):
        return ""
    return ""


def http_host(content: bytes) -> str:
    """The host that an HTTP/1 request names; empty for anything else."""
    head = content.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
    if b" HTTP/1." not in head[0]:
        return ""
    for line in head[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"host":
            return value.strip().decode("latin-1")
    return ""


def dns_answer(content: bytes) -> tuple[str, list[str]]:
    """The name that was asked for, and the addresses that are the answer.

    Raises: IndexError, struct.error, ValueError where it is none.
    """
    answers = struct.unpack_from("!H", content, 6)[0]
    labels, at = [], 12
    while length := content[at]:
        labels.append(content[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    at += 5
    addresses = []
    for _ in range(answers):
        while content[at] and content[at] < 0xC0:
            at += 1 + content[at]
        at += 2 if content[at] else 1
        kind, length = struct.unpack_from("!H6xH", content, at)
        at += 10
        if (kind, length) in ((1, 4), (28, 16)):
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            addresses.append(socket.inet_ntop(family, content[at : at + length]))
        at += length
    return ".".join(labels), addresses


def _readable(name: str) -> str:
    """A host's name has no other characters; what has is not one."""
    name = name[:_NAME_CHARACTERS].lower()
    return name if all(character.isalnum() or character in "-._:[]" for character in name) else ""


class _Stopped(Exception):
    """Whoever started this wants to know."""


def _stop(*_: Any) -> None:
    raise _Stopped


def _listen(log: Log) -> int:
    """Log what is on the interface until the signal comes; returns how many packets were missed."""
    # AF_PACKET is in Linux' socket module only; protocol 0 hears nothing until it is bound, with its filter in place.
    with socket.socket(getattr(socket, "AF_PACKET"), socket.SOCK_DGRAM, 0) as ear:  # noqa: B009
        program = b"".join(struct.pack("HBBI", *line) for line in _FILTER)
        buffer = ctypes.create_string_buffer(program, len(program))
        ear.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("HL", len(program) // 8, ctypes.addressof(buffer)),
        )
        ear.bind((_interface(), _ETH_P_ALL))
        _say(READY)
        try:
            while True:
                data, (_, _, kind, _, _) = ear.recvfrom(_SNAP_BYTES)
                log.saw(data, is_outgoing=kind == _PACKET_OUTGOING)
        except _Stopped:
            return int(struct.unpack("II", ear.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1])


def _interface() -> str:
    return next(name for _, name in socket.if_nameindex() if name != "lo")


def main(_: Any) -> int:
    """Say READY, listen until SIGTERM, then say in one line of JSON what was heard.

    It never ends before: the network would end with it.
    """
    signal.signal(signal.SIGTERM, _stop)
    log = Log()
    try:
        answer = {"missed": _listen(log), **log.report()}
    except (OSError, StopIteration) as error:
        _say(READY)
        answer = {"deaf": str(error) or "there is no network interface"}
        with suppress(_Stopped):
            while True:
                signal.pause()
    _say(json.dumps(answer))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
