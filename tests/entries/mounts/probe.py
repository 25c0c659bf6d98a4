"""Mounting over what it must not change, by the old calls and the new."""

from syscalls import call


def attempts():
    return {
        "mount": call(165, b"none", b"/tmp", b"tmpfs", 0, 0),
        "remount": call(165, b"none", b"/entry", 0, 0x1020, 0),
        "umount2": call(166, b"/dev/mqueue", 2),
        "open_tree": call(428, -100, b"/", 1),
        "fsopen": call(430, b"tmpfs", 0),
        "move_mount": call(429, -1, b"", -100, b"/tmp", 4),
        "pivot_root": call(155, b"/nowhere", b"/nowhere"),
        "chroot": call(161, b"/tmp"),
    }
