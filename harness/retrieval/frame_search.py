"""Runs of training frames in a stream of bytes, at any offset.

A run is training frames that touch, in any order, at least three different ones: what stands still proves little, and a
frame or two may be an example.

Axes: C places or frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.retrieval.frame_index import FrameIndex
from harness.retrieval.frame_layouts import Layout
from harness.retrieval.frame_suspects import LEAST_BYTES, MARGIN_BYTES, MIN_RUN, UNIT_BYTES, read, suspects
from harness.retrieval.hamming import in_order
from harness.workers import cores

_BLOCK_BYTES = 64 * UNIT_BYTES
_MOST_THREADS = 8  # of some 60 MB each
_MOST_SUSPECTS = 8192
"""In a block and a layout; a block full of frames has 2,048. Whoever sows false ones does not make the scan endless:
of more than that, as many are looked at."""
_BATCH_FRAMES = 1024
_MOST_ROUNDS = 16
"""Of looking at neighbours; more would be for long stretches of frames whose keys are of one colour."""
_NO_FRAME = b"\xff"
"""As integers these bytes are no tokens, so they are passed over at once, as zeros would not be."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Training frames that touch in a file.

    Attributes:
        layout: its name.
        begin, end: in bytes from the file's start.
        first_frame: the training frame at `begin`.
        frames: how many there are.
        different: up to MIN_RUN different ones of them.
    """

    layout: str
    begin: int
    end: int
    first_frame: int
    frames: int
    different: frozenset[int]

    @property
    def frame_bytes(self) -> int:
        """Of one frame."""
        return (self.end - self.begin) // self.frames


@dataclass(frozen=True, kw_only=True)
class _Block:
    """A piece of a file between margins that its neighbours have too; beyond the file's ends there is _NO_FRAME.

    Attributes:
        begin: where in the file `data[MARGIN_BYTES]` lies.
        end: where the file ends, as far as this block knows.
    """

    begin: int
    end: int
    data: NDArray[np.uint8]

    @property
    def seen_again(self) -> int:
        """From here on the next block looks at everything once more, in bytes from the file's start."""
        return self.begin + len(self.data) - 3 * MARGIN_BYTES


def find_runs(chunks: Iterable[bytes], index: FrameIndex) -> Iterator[Run]:
    """Every run of at least MIN_RUN different training frames in what the chunks make together."""
    waiting: list[Run] = []
    searched = in_order(
        lambda block: (block.seen_again, _pieces(block, index)),
        _blocks(chunks),
        min(cores(), _MOST_THREADS),
    )
    for seen_again, pieces in searched:
        runs = _joined([*waiting, *pieces])
        waiting = [run for run in runs if run.end >= seen_again]  # they may go on, or come once more
        yield from _long_enough(run for run in runs if run.end < seen_again)
    yield from _long_enough(waiting)


def _long_enough(runs: Iterable[Run]) -> Iterator[Run]:
    return (run for run in runs if len(run.different) >= MIN_RUN)


def _joined(pieces: list[Run]) -> list[Run]:
    """Pieces of one layout that touch or overlap by whole frames as one run each; in the order of their beginnings."""
    last_at: dict[tuple[str, int], Run] = {}
    runs = []
    for piece in sorted(pieces, key=lambda run: run.begin):
        place = piece.layout, piece.begin % piece.frame_bytes
        last = last_at.get(place)
        if last is None:
            last_at[place] = piece
        elif last.end < piece.begin:
            runs.append(last)
            last_at[place] = piece
        else:
            last_at[place] = _one_run(last, piece)
    return sorted([*runs, *last_at.values()], key=lambda run: run.begin)


def _one_run(earlier: Run, later: Run) -> Run:
    end = max(earlier.end, later.end)
    return replace(
        earlier,
        end=end,
        frames=(end - earlier.begin) // earlier.frame_bytes,
        different=frozenset(sorted(earlier.different | later.different)[:MIN_RUN]),
    )


def _blocks(chunks: Iterable[bytes]) -> Iterator[_Block]:
    begin, held = 0, bytearray(_NO_FRAME * MARGIN_BYTES)
    for chunk in chunks:
        held += chunk
        while len(held) >= _BLOCK_BYTES + 2 * MARGIN_BYTES:
            data = np.frombuffer(bytes(held[: _BLOCK_BYTES + 2 * MARGIN_BYTES]), np.uint8)
            yield _Block(begin=begin, end=begin + len(data) - MARGIN_BYTES, data=data)
            del held[:_BLOCK_BYTES]
            begin += _BLOCK_BYTES
    left = len(held) - MARGIN_BYTES
    if begin + left < LEAST_BYTES:
        return
    size = -(-left // UNIT_BYTES) * UNIT_BYTES + 2 * MARGIN_BYTES
    data = np.frombuffer(bytes(held) + _NO_FRAME * (size - len(held)), np.uint8)
    yield _Block(begin=begin, end=begin + left, data=data)


def _pieces(block: _Block, index: FrameIndex) -> list[Run]:
    """The runs of one block; single frames too, for they may go on in the next."""
    own = block.data[max(0, MARGIN_BYTES - block.begin) : block.end - block.begin + MARGIN_BYTES]
    if own.min() == own.max():  # a hole in a sparse file
        return []
    return [
        run for layout, place_C in suspects(block.data, index) for run in _runs(block, layout, place_C, index)
    ]


def _runs(block: _Block, layout: Layout, place_C: NDArray[np.intp], index: FrameIndex) -> list[Run]:
    """Training frames that begin at these places of the block, and those that go on from them, as runs."""
    if len(place_C) > _MOST_SUSPECTS:
        place_C = place_C[np.linspace(0, len(place_C) - 1, _MOST_SUSPECTS).astype(np.intp)]
    size = layout.frame_bytes
    place_C, frame_C = _with_neighbours(block, layout, place_C, index)
    order_C = np.lexsort((place_C, place_C % size))
    place_C, frame_C = place_C[order_C], frame_C[order_C]
    cuts = np.flatnonzero(np.diff(place_C) != size) + 1
    return [
        _run(layout, block.begin - MARGIN_BYTES + int(places_C[0]), frames_C)
        for places_C, frames_C in zip(np.split(place_C, cuts), np.split(frame_C, cuts), strict=True)
        if len(places_C)
    ]


def _with_neighbours(
    block: _Block, layout: Layout, place_C: NDArray[np.intp], index: FrameIndex
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where training frames begin, at these places and near every one that is found, and which frames they are."""
    steps = layout.frame_bytes * np.array([step for step in range(1 - MIN_RUN, MIN_RUN) if step])
    asked_C = place_C
    new = _verified(block, layout, place_C, index)
    found = [new]
    for _ in range(_MOST_ROUNDS):
        around_C = np.setdiff1d(new[0][:, None] + steps, asked_C)
        if not len(around_C):
            break
        asked_C = np.union1d(asked_C, around_C)
        new = _verified(block, layout, around_C, index)
        found.append(new)
    return np.concatenate([place_C for place_C, _ in found]), np.concatenate(
        [frame_C for _, frame_C in found]
    )


def _run(layout: Layout, begin: int, frame_C: NDArray[np.intp]) -> Run:
    return Run(
        layout=layout.name,
        begin=begin,
        end=begin + len(frame_C) * layout.frame_bytes,
        first_frame=int(frame_C[0]),
        frames=len(frame_C),
        different=frozenset(np.unique(frame_C)[:MIN_RUN].tolist()),
    )


def _verified(
    block: _Block, layout: Layout, place_C: NDArray[np.intp], index: FrameIndex
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Those of the places at which a training frame begins that lies wholly in the file, and which frame that is."""
    first = max(0, MARGIN_BYTES - block.begin)
    last = min(len(block.data), block.end - block.begin + MARGIN_BYTES) - layout.frame_bytes
    place_C = place_C[(place_C >= first) & (place_C <= last)]
    frame_C = np.empty(len(place_C), np.int64)
    for begin in range(0, len(place_C), _BATCH_FRAMES):
        batch = slice(begin, begin + _BATCH_FRAMES)
        frame_C[batch] = index.find(layout.decode(read(block.data, place_C[batch], layout.frame_bytes)))
    return place_C[frame_C >= 0], frame_C[frame_C >= 0]
