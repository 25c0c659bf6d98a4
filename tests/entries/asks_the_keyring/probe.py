"""The kernel's keyrings outlive a process, and are not all told apart by namespaces."""

from syscalls import call


def attempts():
    return {
        "keyctl": call(250, 0, -4, 0),
        "add_key": call(248, b"user", b"wmc", b"x", 1, -4),
        "request_key": call(249, b"user", b"wmc", 0, -4),
    }
