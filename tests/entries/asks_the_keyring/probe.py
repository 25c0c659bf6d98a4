"""The kernel's keyrings outlive a process, and are not all told apart by namespaces."""

from syscalls import call


def attempts():
    return {
        "keyctl": call(250, 0, -2, 1),
        "add_key": call(248, b"user", b"wmc", b"x", 1, -2),
        "request_key": call(249, b"user", b"wmc", 0, -2),
    }
