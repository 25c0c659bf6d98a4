"""AF_ALG hands data to the kernel's ciphers, and other families to drivers that nobody looks at."""

import socket

import kit

FAMILIES = {
    "alg": 38,
    "packet": 17,
    "can": 29,
    "bluetooth": 31,
    "nfc": 39,
    "kcm": 41,
    "xdp": 44,
    "rds": 21,
    "tipc": 30,
}


def attempts():
    return {
        name: kit.tried(socket.socket, family, socket.SOCK_SEQPACKET) for name, family in FAMILIES.items()
    }
