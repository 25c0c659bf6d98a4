"""Zips with anything wrong in them end in an entry that every reader agrees on, or in a refusal, within every cap."""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "entries" / "zips"))
import mutants
from watching import CHUNK_BYTES, LIMITS, open_watched

ROOT = Path(__file__).parents[2]
SHORT, LONG = 400, 20_000
MEMORY_BYTES = 8 << 20
"""What opening may allocate at once: a few pieces of what is unpacked, and the directory."""
ADDRESS_SPACE_BYTES = 1 << 30
PROCESSOR_S = 1200
LARGEST_FILE_BYTES = LIMITS.file_bytes + CHUNK_BYTES


@pytest.fixture(scope="module")
def originals() -> mutants.Sources:
    return mutants.sources()


def test_what_mutants_are_made_of_is_opened_or_refused(originals: mutants.Sources, tmp_path: Path) -> None:
    opened = 0
    for number, data in enumerate(originals.every):
        folder = tmp_path / str(number) / "work"
        folder.mkdir(parents=True)
        entry, _ = open_watched(folder, data)
        opened += entry is not None
    assert opened == len(originals.valid)


def test_mutants_cost_no_more_than_they_may(originals: mutants.Sources) -> None:
    """A fixed budget, the same mutants every time; `test_many_mutants_cost_no_more_than_they_may` goes on."""
    opened = []
    tracemalloc.start()

    @settings(max_examples=SHORT, deadline=None, derandomize=True, database=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def check(seed: int) -> None:
        data = mutants.mutant(random.Random(seed), originals)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "work")
            folder.mkdir()
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            entry, _ = open_watched(folder, data)
            assert tracemalloc.get_traced_memory()[1] - before < MEMORY_BYTES
        opened.append(entry is not None)

    try:
        check()
    finally:
        tracemalloc.stop()
    assert len(opened) >= SHORT * 0.9
    assert any(opened), "some are still valid: the mutants are not all broken in the first byte"


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_many_mutants_cost_no_more_than_they_may(tmp_path: Path) -> None:
    """In a process that the kernel holds to an address space, to processor time, and to a size of files."""

    def hold() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE_BYTES, LARGEST_FILE_BYTES))

    done = subprocess.run(
        [sys.executable, __file__, str(LONG), str(tmp_path)],
        env={"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        preexec_fn=hold,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    print(done.stdout)


def _open_many(count: int, place: Path) -> None:
    originals = mutants.sources()
    opened = most_written = 0
    for seed in range(count):
        folder = place / "outer" / "work"
        folder.mkdir(parents=True)
        try:
            entry, counts = open_watched(folder, mutants.mutant(random.Random(seed), originals))
        except BaseException:
            print(f"seed {seed}")
            raise
        opened += entry is not None
        most_written = max(most_written, counts.written_bytes)
        shutil.rmtree(place / "outer")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{count} mutants, {opened} opened, {most_written} bytes written at most, {peak_mib} MiB resident")


if __name__ == "__main__":
    _open_many(int(sys.argv[1]), Path(sys.argv[2]))
