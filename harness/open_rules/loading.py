"""A program of its own: gives up its rights, loads one tensor that a stranger saved, and writes it out as raw numbers.

    python -I loading.py FILE '{"windows": ..., "frames": ..., "height": ..., ..., "uid": ..., "cpu_s": ...}'

To standard output goes float32, little endian, `[B, T, H, W, F, V]`, or nothing: a host that reads exactly so many
bytes learns nothing else from what was saved. It imports nothing else of this package. `torch.load` with `weights_only`
runs no code of the file's, as far as torch keeps its word; that is why it does not run where the truth and records are.

Axes: B windows, T frames, H and W tokens, F factors of a token, V values of a factor.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import resource
import sys
from typing import Any

WRONG_KIND, WRONG_SHAPE = 10, 11
"""Exit statuses; every other one but 0 means that torch would not load it within the limits."""

_ROOM_BYTES = 1 << 30
_FILES = 64
_NEW_NETWORK = 0x40000000
_NO_NEW_RIGHTS = 38


def main(arguments: list[str]) -> int:
    """Write the tensor; the exit status says why not."""
    path, settings = arguments[0], json.loads(arguments[1])
    import torch

    torch.set_num_threads(1)
    _warm_up(torch)
    give_up_rights(settings["uid"], room_bytes=os.stat(path).st_size + _ROOM_BYTES, cpu_s=settings["cpu_s"])
    logits = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if type(logits) not in (torch.Tensor, torch.nn.Parameter) or logits.layout is not torch.strided:
        return WRONG_KIND
    if logits.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        return WRONG_KIND
    wanted = tuple(settings[name] for name in ("windows", "values", "factors", "frames", "height", "width"))
    if tuple(logits.shape) != wanted:
        return WRONG_SHAPE
    for logits_VFTHW in logits.detach():
        logits_THWFV = logits_VFTHW.to(torch.float32).permute(2, 3, 4, 1, 0).contiguous()
        sys.stdout.buffer.write(logits_THWFV.numpy().astype("<f4", copy=False).data)
    sys.stdout.buffer.flush()
    return 0


def give_up_rights(uid: int, *, room_bytes: int, cpu_s: int) -> None:
    """From here on: no file is written, no process started, nothing of another user's read, so much memory and time.

    Where this process is root it becomes the user `uid`, without a network; elsewhere only the limits hold.
    """
    used_bytes = _address_space_bytes()
    limits = {
        resource.RLIMIT_AS: used_bytes + room_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_CORE: 0,
    }
    for which, limit in limits.items():
        resource.setrlimit(which, (limit, limit))
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        libc.unshare(_NEW_NETWORK)  # a kernel that does not know it leaves the rest in force
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if sys.platform == "linux":
        libc.prctl(_NO_NEW_RIGHTS, 1, 0, 0, 0)


def _warm_up(torch: Any) -> None:
    """What loading imports is imported while it may still be read."""
    saved = io.BytesIO()
    torch.save(torch.zeros(2, 2, dtype=torch.float16), saved)
    saved.seek(0)
    torch.load(saved, weights_only=True).to(torch.float32).permute(1, 0).contiguous().numpy()


def _address_space_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no /proc: a guess that is large enough for torch
        return 16 << 30


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
