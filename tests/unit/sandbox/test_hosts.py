"""Whom a build speaks to, read off packets made here."""

import random
import socket
import ssl
import struct

import pytest

from harness.sandbox import hosts, traffic
from harness.sandbox.supply import Traffic

US, THEM, RESOLVER = "172.19.0.2", "203.0.113.80", "10.0.0.53"
SYN, SYN_ACK, PUSH = 0x02, 0x12, 0x18


def ip(source, target, protocol, payload):
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0,
        socket.inet_aton(source), socket.inet_aton(target),
    )  # fmt: skip
    return head + payload


def tcp(flags, content=b"", *, port=443, own=40000, comes_in=False, them=THEM):
    ports = (port, own) if comes_in else (own, port)
    segment = struct.pack("!HHIIBBHHH", *ports, 0, 0, 5 << 4, flags, 0, 0, 0) + content
    return ip(*((them, US) if comes_in else (US, them)), 6, segment)


def udp(content, *, port=53, own=5000, comes_in=False, them=RESOLVER):
    ports = (port, own) if comes_in else (own, port)
    return ip(
        *((them, US) if comes_in else (US, them)),
        17,
        struct.pack("!HHHH", *ports, 8 + len(content), 0) + content,
    )


def client_hello(name):
    """What Python's own TLS says first."""
    out = ssl.MemoryBIO()
    talk = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        talk.do_handshake()
    return out.read()


def answer(name, *addresses):
    question = (
        b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        + b"\0"
        + struct.pack("!HH", 1, 1)
    )
    alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 4) + b"\x01x\xc0\x0c"
    records = [b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(each) for each in addresses]
    return struct.pack("!HHHHHH", 1, 0x8180, 1, 1 + len(records), 0, 0) + question + alias + b"".join(records)


def said(*packets):
    log = hosts.Log()
    for is_outgoing, data in packets:
        log.saw(data, is_outgoing=is_outgoing)
    return log.report()


def test_a_download_is_told_with_its_names():
    told = said(
        (True, udp(b"q")),
        (False, udp(answer("files.example.org", THEM), comes_in=True)),
        (True, tcp(SYN)),
        (False, tcp(SYN_ACK, comes_in=True)),
        (True, tcp(PUSH, client_hello("files.example.org"))),
    )
    assert told["found"] == 2
    assert told["destinations"][0] == {
        "protocol": "tcp", "address": THEM, "port": 443, "asked": "files.example.org",
        "resolved": "files.example.org", "tried": 1, "answered": 1,
    }  # fmt: skip
    assert (told["destinations"][1]["address"], told["destinations"][1]["port"]) == (RESOLVER, 53)


def test_a_name_that_the_client_made_up_does_not_hide_the_address():
    """Control: the address is the packet's own. The name alone would send an organiser to the wrong host."""
    (told,) = said((True, tcp(SYN)), (True, tcp(PUSH, client_hello("pypi.org"))))["destinations"]
    assert (told["asked"], told["address"], told["resolved"]) == ("pypi.org", THEM, "")


def test_a_request_in_the_clear_is_told_by_its_host():
    request = b"GET /weights HTTP/1.1\r\nUser-Agent: x\r\nHost: Example.org:8080\r\n\r\n"
    (told,) = said((True, tcp(SYN, port=8080)), (True, tcp(PUSH, request, port=8080)))["destinations"]
    assert told["asked"] == "example.org:8080"


def test_a_destination_that_never_answered_is_told_as_tried():
    (told,) = said((True, tcp(SYN)), (True, tcp(SYN)), (False, tcp(0x04, comes_in=True)))["destinations"]
    assert (told["tried"], told["answered"]) == (1, 0)


def test_an_answer_that_nobody_asked_for_names_nothing():
    told = said((False, udp(answer("evil.example", THEM), comes_in=True)), (True, tcp(SYN)))
    assert [each["resolved"] for each in told["destinations"]] == [""]


def test_connections_are_counted_together_by_where_they_go():
    told = said(*((True, tcp(SYN, own=own)) for own in range(40000, 40030)))
    assert [(each["tried"], each["port"]) for each in told["destinations"]] == [(30, 443)]


def test_what_is_held_is_capped_and_said_to_be(monkeypatch):
    monkeypatch.setattr(hosts, "_MOST_FLOWS", 10)
    told = said(*((True, tcp(SYN, own=own)) for own in range(40000, 40030)))
    assert (told["destinations"][0]["tried"], told["is_full"]) == (10, True)


@pytest.mark.parametrize("name", ["\x1b[2J.example", "a b", "<script>", "ex\u202eample"])
def test_a_name_that_is_no_hosts_is_left_out(name):
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
    (told,) = said((True, tcp(SYN)), (True, tcp(PUSH, request)))["destinations"]
    assert told["asked"] == ""


def test_no_packet_stops_the_listener():
    """Cut short at every length, and with every byte changed."""
    rng = random.Random(0)
    log = hosts.Log()
    for packet in (
        tcp(PUSH, client_hello("a.example")),
        udp(answer("a.example", THEM), comes_in=True),
        b"\x60" + bytes(60),
    ):
        for length in range(1, len(packet)):
            log.saw(packet[:length], is_outgoing=bool(length % 2))
        for _ in range(3000):
            broken = bytearray(packet)
            broken[rng.randrange(len(packet))] = rng.randrange(256)
            log.saw(bytes(broken), is_outgoing=bool(rng.randrange(2)))
    log.report()


def test_what_may_have_gone_unheard_is_said():
    counted = Traffic(received_bytes=1, sent_bytes=1)
    whole = '{"destinations": [], "found": 0, "missed": %d, "is_full": false}\n'
    assert traffic.heard(counted, "listening\n" + whole % 0).unheard == ""
    assert "3 packets" in traffic.heard(counted, "listening\n" + whole % 3).unheard
    for text in ("", "listening\n", "listening\n{}", "listening\n[]", 'listening\n{"deaf": "no right"}'):
        told = traffic.heard(counted, text)
        assert told.unheard
        assert told.destinations_found is None
        assert told.received_bytes == 1


def test_a_listener_lets_only_what_it_needs_through():
    """The filter, run by the kernel on a pair of loopback sockets: see the Docker tests for packets of a real build."""
    ends = {
        index + 1 + max(line[1:3])
        for index, line in enumerate(hosts._FILTER)
        if line[0] in (0x15, 0x45, 0x2D)
    }
    assert max(ends) == len(hosts._FILTER) - 1
