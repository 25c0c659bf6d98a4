"""Any way out: the engine's bridge, a name, a machine on the internet, a cloud's metadata service."""

import socket

import kit

ADDRESSES = {"bridge": "172.17.0.1", "internet": "1.1.1.1", "metadata service": "169.254.169.254"}


def send(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"held-out", (address, 53))


def connect(address):
    with socket.socket() as stream:
        stream.settimeout(2)
        stream.connect((address, 53))


def attempts():
    found = {f"udp to {name}": kit.tried(send, address) for name, address in ADDRESSES.items()}
    found |= {f"tcp to {name}": kit.tried(connect, address) for name, address in ADDRESSES.items()}
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    return {
        **found,
        "name": kit.tried(socket.getaddrinfo, "example.org", 80),
        "raw packets": kit.tried(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1),
        "interfaces": "worked" if others else "loopback only",
    }
