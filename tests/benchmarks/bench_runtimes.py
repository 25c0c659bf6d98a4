"""What a runtime costs an entry: its start until it connects to the gate, and how fast its answers come through.

`python tests/benchmarks/bench_runtimes.py [--runtime runsc] [--rounds 7]`, on a Docker engine that has it and a base
image (WMC_BASE_IMAGE). The engine's default and the other runtime take turns.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from harness.errors import SandboxUnavailable
from harness.progress import Silent
from harness.sandbox.container import DockerSandbox
from harness.sandbox.policy import GIB, Limits, SandboxPolicy

REPLY_BYTES, REPLIES = 16 << 20, 60
ENTRY = """#!/usr/bin/env python3
import socket
data = memoryview(bytes(%d))
with socket.socket(socket.AF_UNIX) as stream:
    stream.connect("/held_out/gate.sock")
    stream.sendall(b"r")
    for _ in range(%d):
        stream.recv(1)
        stream.sendall(data)
"""


def main() -> None:
    """Print a table: medians over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", default="runsc")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    small = Limits(memory_bytes=GIB, pids=256, tmp_bytes=GIB >> 4, tmp_inodes=1000, shm_bytes=GIB >> 4)
    policy = SandboxPolicy(run=small, build=small)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        try:
            sandboxes = {
                name or "default": DockerSandbox(policy=replace(policy, runtime=name), cache=folder / "cache")
                for name in (None, args.runtime)
            }
        except SandboxUnavailable as error:
            print(f"not measured: {error.message}; {error.fix}")
            return
        (entry := folder / "entry").mkdir()
        (entry / "build.sh").write_text("#!/bin/sh\ntrue\n")
        (entry / "evaluate.py").write_text(ENTRY % (REPLY_BYTES, REPLIES))
        for path in entry.iterdir():
            path.chmod(0o755)
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in sandboxes}
        for round_number in range(args.rounds + 1):
            for name, sandbox in sandboxes.items():
                figure = measure(sandbox, entry, folder)
                if round_number:  # the first of each warms the engine up
                    figures[name].append(figure)
        sandboxes["default"].discard_builds()
    medians = {
        name: [statistics.median(each) for each in zip(*runs, strict=True)] for name, runs in figures.items()
    }
    for name, (start_s, gb_per_s) in medians.items():
        print(f"{name}: {start_s:.3f} s until it connects, {gb_per_s:.2f} GB/s in answers of 16 MiB")
    plain, other = medians.values()
    print(f"start {other[0] / plain[0]:.2f} times, throughput {other[1] / plain[1]:.2f} times the default's")


def measure(sandbox: DockerSandbox, entry: Path, folder: Path) -> tuple[float, float]:
    """Seconds until the entry connects, and GB/s of what it answers."""
    named = {"grade_id": "bench", "log": folder / "log"}
    built = sandbox.build(entry, entry_sha256="b" * 64, progress=Silent(), **named)
    with tempfile.TemporaryDirectory() as gate, socket.socket(socket.AF_UNIX) as listener:
        Path(gate).chmod(0o755)
        listener.bind(f"{gate}/gate.sock")
        Path(gate, "gate.sock").chmod(0o666)
        listener.listen()
        listener.settimeout(60)
        begin = time.perf_counter()
        with sandbox.run(built, gate=Path(gate), **named):
            stream, _ = listener.accept()
            with stream:
                stream.recv(1)
                start_s = time.perf_counter() - begin
                begin, buffer = time.perf_counter(), bytearray(REPLY_BYTES)
                for _ in range(REPLIES):
                    stream.sendall(b"a")
                    left = memoryview(buffer)
                    while left:
                        left = left[stream.recv_into(left) :]
                seconds = time.perf_counter() - begin
    return start_s, REPLY_BYTES * REPLIES / seconds / 1e9


if __name__ == "__main__":
    main()
