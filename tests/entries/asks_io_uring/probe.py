"""io_uring runs system calls that no filter sees."""

import ctypes

from syscalls import call


def attempts():
    return {
        "io_uring_setup": call(425, 1, ctypes.create_string_buffer(4096)),
        "io_uring_enter": call(426, -1, 0, 0, 0, 0, 0),
        "io_uring_register": call(427, -1, 0, 0, 0),
    }
