"""What a report says of an entry's files."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import pytest

from harness.errors import SandboxFailed, SandboxUnavailable
from harness.progress import Silent
from harness.retrieval import entry_scan
from harness.retrieval.entry_scan import LARGEST, scan_entry
from harness.retrieval.report import EntryFile, TrainingRun

RNG = np.random.default_rng(0)
GONE = SandboxFailed("the engine \x1b[2J is gone", fix="start it")


@dataclass
class File:
    """A file in memory."""

    path: str
    content: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    @property
    def chunks(self) -> Iterator[bytes]:
        stream = io.BytesIO(self.content)
        return iter(lambda: stream.read(10_000), b"")


@pytest.fixture
def scan(index):
    def run(*files, opened=None, **words):
        facts = {"size_bytes": 9, "num_files": 2, "sent_bytes": 5, "parameters": None, "progress": Silent()}
        return scan_entry(opened or nullcontext(files), index, **{**facts, **words})

    return run


def test_a_planted_shard_is_named_with_its_place_and_frame(scan, frames, layout, write):
    found = scan(File("weights.bin", RNG.bytes(777) + write(frames[120:150]) + RNG.bytes(50)))
    assert found.runs == (
        TrainingRun(path="weights.bin", offset=777, layout=layout, frames=30, train_frame=120),
    )
    assert found.missing is None


@pytest.mark.parametrize("save", [np.save, np.savez], ids=["npy", "npz"])
def test_numpys_own_files_hide_nothing_unless_they_are_compressed(scan, frames, save):
    buffer = io.BytesIO()
    save(buffer, frames[:40].reshape(-1, 16, 16).astype(np.int64))
    (run,) = scan(File("shard", buffer.getvalue())).runs
    assert (run.layout, run.frames, run.train_frame) == ("uint64", 40, 0)


def test_an_entry_without_training_frames_is_searched_and_clean(scan):
    found = scan(
        File("a", RNG.normal(size=20_000).astype("<f4").tobytes()), size_bytes=80_000, parameters=2e4
    )
    assert (found.runs, found.missing) == ((), None)
    assert (found.size_bytes, found.num_files, found.sent_bytes, found.parameters) == (80_000, 2, 5, 2e4)


def test_the_largest_files_are_named_the_largest_first(scan):
    files = [File(f"f{size}", bytes(size)) for size in RNG.permutation(40)]
    found = scan(*files)
    assert found.largest == tuple(EntryFile(path=f"f{size}", size_bytes=size) for size in range(39, 29, -1))
    assert len(found.largest) == LARGEST


def test_the_longest_runs_are_named_and_no_more_than_a_report_holds(scan, frames, monkeypatch):
    monkeypatch.setattr(entry_scan, "MOST_RUNS", 2)
    data = b"x".join(frames[:count].astype("<u4").tobytes() for count in (4, 9, 3, 6))
    assert [run.frames for run in scan(File("a", data)).runs] == [9, 6]


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "\udcff", "\u202ecod.exe", "x" * 5000])
def test_a_name_cannot_act_on_whoever_reads_the_report(scan, frames, name):
    found = scan(File(name, frames[:5].astype("<u4").tobytes()))
    for path in (found.largest[0].path, found.runs[0].path):
        assert path.isprintable()
        assert len(path) < 300


@pytest.mark.parametrize(
    "error", [GONE, SandboxUnavailable("no engine \x1b[2J", fix="start it", code="sandbox.no_engine")]
)
def test_an_entry_that_cannot_be_opened_is_said_to_be_missing(scan, error):
    @contextmanager
    def broken():
        raise error
        yield

    found = scan(opened=broken())
    assert (found.runs, found.largest, found.size_bytes) == (None, (), 9)
    assert found.missing.isprintable()
    assert "engine" in found.missing


def test_what_was_found_before_the_engine_broke_stays_found(scan, frames):
    def files(first):
        yield File("a", first)
        yield File("b", RNG.bytes(100))
        raise GONE

    clean = scan(opened=nullcontext(files(RNG.bytes(5000))))
    assert (clean.runs, len(clean.largest)) == (None, 2)
    found = scan(opened=nullcontext(files(frames[:5].astype("<u4").tobytes())))
    assert (found.runs[0].frames, found.missing) == (5, clean.missing)


def test_a_bug_is_not_taken_for_a_broken_engine(scan):
    def files():
        yield None

    with pytest.raises(AttributeError):
        scan(opened=nullcontext(files()))


def test_progress_counts_every_byte(scan):
    class Listener(Silent):
        done = 0

        @contextmanager
        def step(self, title, *, total=None):
            def advance(amount=1, /):
                self.done += amount

            yield advance

    listener = Listener()
    scan(File("a", bytes(123_456)), File("b", b""), progress=listener)
    assert listener.done == 123_456
