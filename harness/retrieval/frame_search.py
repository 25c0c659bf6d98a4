"""Runs of training frames in a stream of bytes, at any offset.

A run is training frames that touch, in any order, at least three different ones. So it is enough to find one frame in
three and to look at its neighbours next, and enough to ask about a third of all offsets: the keys of three frames that
touch lie a frame apart, and one of them lies in the first third of a period of three frames.

Axes: C offsets or frames, B bytes of a frame, R periods of a block, J words of one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.retrieval.engines import all_cores
from harness.retrieval.frame_index import FrameIndex
from harness.retrieval.frame_layouts import (
    INTEGERS,
    KEY_TOKENS,
    PACKED,
    WORD_BYTES,
    Layout,
    key_words,
)
from harness.retrieval.hamming import in_order
from harness.spec import CHALLENGE

MIN_RUN = 3

_LAYOUTS = (*INTEGERS, *PACKED)
_UNIT_BYTES = math.lcm(*(MIN_RUN * layout.frame_bytes for layout in _LAYOUTS))
_BLOCK_BYTES = 64 * _UNIT_BYTES
_MARGIN_BYTES = MIN_RUN * max(layout.frame_bytes for layout in _LAYOUTS)
_MOST_SUSPECTS = 8192
"""In a block and a layout; a block full of frames has 2,048. Whoever sows false ones does not make the scan endless:
of more than that, as many are looked at."""
_BATCH_FRAMES = 1024
_LOWEST_BYTE, _EVERY_BYTE = np.uint64(0xFF), np.uint64(0x0101010101010101)


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


@dataclass(frozen=True, kw_only=True)
class _Block:
    """A piece of a file between margins that its neighbours have too; beyond the file's ends there are zeros.

    Attributes:
        begin: where in the file `data[_MARGIN_BYTES]` lies.
        end: where the file ends, as far as this block knows.
    """

    begin: int
    end: int
    data: NDArray[np.uint8]


def find_runs(chunks: Iterable[bytes], index: FrameIndex) -> Iterator[Run]:
    """Every run of at least MIN_RUN different training frames in what the chunks make together."""
    open_runs: dict[tuple[str, int], Run] = {}
    for pieces in in_order(lambda block: _pieces(block, index), _blocks(chunks), all_cores()):
        for piece in pieces:
            place = piece.layout, piece.begin % ((piece.end - piece.begin) // piece.frames)
            earlier = open_runs.get(place)
            if earlier is None or earlier.end < piece.begin:
                if earlier is not None:
                    yield from _long_enough(earlier)
                open_runs[place] = piece
            else:
                open_runs[place] = _joined(earlier, piece)
    for run in open_runs.values():
        yield from _long_enough(run)


def _long_enough(run: Run) -> Iterator[Run]:
    if len(run.different) >= MIN_RUN:
        yield run


def _joined(earlier: Run, later: Run) -> Run:
    """Two runs of one layout that touch or overlap by whole frames."""
    frame_bytes = (later.end - later.begin) // later.frames
    begin, end = min(earlier.begin, later.begin), max(earlier.end, later.end)
    return replace(
        min(earlier, later, key=lambda run: run.begin),
        end=end,
        frames=(end - begin) // frame_bytes,
        different=frozenset(sorted(earlier.different | later.different)[:MIN_RUN]),
    )


def _blocks(chunks: Iterable[bytes]) -> Iterator[_Block]:
    begin, held = 0, bytearray(_MARGIN_BYTES)
    for chunk in chunks:
        held += chunk
        while len(held) >= _BLOCK_BYTES + 2 * _MARGIN_BYTES:
            data = np.frombuffer(bytes(held[: _BLOCK_BYTES + 2 * _MARGIN_BYTES]), np.uint8)
            yield _Block(begin=begin, end=begin + len(data) - _MARGIN_BYTES, data=data)
            del held[:_BLOCK_BYTES]
            begin += _BLOCK_BYTES
    left = len(held) - _MARGIN_BYTES
    size = -(-left // _UNIT_BYTES) * _UNIT_BYTES + 2 * _MARGIN_BYTES
    data = np.frombuffer(bytes(held) + bytes(size - len(held)), np.uint8)
    yield _Block(begin=begin, end=begin + left, data=data)


def _pieces(block: _Block, index: FrameIndex) -> list[Run]:
    """The runs of one block in the order in which they begin; single frames too, for they may go on in the next."""
    if block.data.min() == block.data.max():  # a hole in a sparse file
        return []
    packed_C = _packed_keys(block.data, index)
    found: list[Run] = []
    for layout in _LAYOUTS:
        key_C = packed_C if layout in PACKED else _integer_keys(block.data, layout, index)
        found += _runs(block, layout, key_C - layout.key_offset, index)
    return sorted(found, key=lambda run: run.begin)


def _packed_keys(data: NDArray[np.uint8], index: FrameIndex) -> NDArray[np.int64]:
    """Where in the block packed keys may begin, one of them a frame before or after the other."""
    frame_bytes = PACKED[0].frame_bytes
    found = []
    for shift in range(WORD_BYTES):
        word_RJ = _first_thirds(data, WORD_BYTES, shift, frame_bytes)
        word_C = word_RJ.ravel()
        (hit_C,) = np.nonzero(index.may_begin_a_key(word_C))
        hit_C = hit_C[word_C[hit_C] != (word_C[hit_C] & _LOWEST_BYTE) * _EVERY_BYTE]
        row_C, column_C = np.divmod(hit_C, word_RJ.shape[1])
        found.append(_offsets(row_C, column_C, WORD_BYTES, shift, frame_bytes))
    key_C = np.concatenate(found)
    is_next_C = np.zeros(len(key_C), np.bool_)
    for step in (-frame_bytes, frame_bytes):
        is_next_C |= index.may_begin_a_key(_read(data, key_C + step, WORD_BYTES, 1)[:, 0])
    return key_C[is_next_C]


def _integer_keys(data: NDArray[np.uint8], layout: Layout, index: FrameIndex) -> NDArray[np.int64]:
    """The same for keys of four integers: so many small ones in a row are rare in weights."""
    item = layout.token_bits // 8
    found = []
    for shift in range(item):
        small_RJ = _first_thirds(data, item, shift, layout.frame_bytes) < CHALLENGE.vocab
        row_C, column_C = np.nonzero(small_RJ)
        found.append(_offsets(row_C, column_C, item, shift, layout.frame_bytes))
    key_C = np.concatenate(found)
    key_C = key_C[_are_integer_keys(_read(data, key_C, item, KEY_TOKENS), index)]
    is_next_C = np.zeros(len(key_C), np.bool_)
    for step in (-layout.frame_bytes, layout.frame_bytes):
        is_next_C |= _are_integer_keys(_read(data, key_C + step, item, KEY_TOKENS), index)
    return key_C[is_next_C]


def _are_integer_keys(value_CK: NDArray[np.unsignedinteger], index: FrameIndex) -> NDArray[np.bool_]:
    """Not for four equal ones: what is constant says nothing, and there is much of it in files."""
    may_C: NDArray[np.bool_] = (value_CK < CHALLENGE.vocab).all(1) & (value_CK != value_CK[:, :1]).any(1)
    may_C[may_C] = index.may_begin_a_key(key_words(value_CK[may_C]))
    return may_C


def _first_thirds(
    data: NDArray[np.uint8], item_bytes: int, shift: int, frame_bytes: int
) -> NDArray[np.unsignedinteger]:
    """The numbers that begin `shift` bytes after a multiple of their size, of the first frame in every MIN_RUN."""
    size = len(data) - 2 * _MARGIN_BYTES
    numbers = np.frombuffer(data, f"<u{item_bytes}", size // item_bytes, _MARGIN_BYTES + shift)
    return numbers.reshape(-1, MIN_RUN * frame_bytes // item_bytes)[:, : frame_bytes // item_bytes]


def _offsets(
    row_C: NDArray[np.intp], column_C: NDArray[np.intp], item_bytes: int, shift: int, frame_bytes: int
) -> NDArray[np.intp]:
    """Where in the block the numbers of `_first_thirds` lie."""
    return row_C * (MIN_RUN * frame_bytes) + column_C * item_bytes + (_MARGIN_BYTES + shift)


def _read(
    data: NDArray[np.uint8], offset_C: NDArray[np.int64], item_bytes: int, count: int
) -> NDArray[np.unsignedinteger]:
    """`count` numbers at each offset."""
    byte_CB = data[offset_C[:, None] + np.arange(count * item_bytes)]
    numbers: NDArray[np.unsignedinteger] = byte_CB.view(f"<u{item_bytes}")
    return numbers


def _runs(block: _Block, layout: Layout, start_C: NDArray[np.int64], index: FrameIndex) -> list[Run]:
    """Training frames that begin at these places of the block, and up to two on either side of each, as runs."""
    if len(start_C) > _MOST_SUSPECTS:
        start_C = start_C[np.linspace(0, len(start_C) - 1, _MOST_SUSPECTS).astype(np.int64)]
    size = layout.frame_bytes
    start_C, frame_C = _verified(block, layout, start_C, index)
    steps = size * np.array([step for step in range(1 - MIN_RUN, MIN_RUN) if step])
    around_C = np.setdiff1d(start_C[:, None] + steps, start_C)
    more_C, more_frame_C = _verified(block, layout, around_C, index)
    start_C, frame_C = np.concatenate([start_C, more_C]), np.concatenate([frame_C, more_frame_C])
    order_C = np.lexsort((start_C, start_C % size))
    start_C, frame_C = start_C[order_C], frame_C[order_C]
    cuts = np.flatnonzero(np.diff(start_C) != size) + 1
    return [
        _run(layout, block.begin - _MARGIN_BYTES + int(starts_C[0]), frames_C)
        for starts_C, frames_C in zip(np.split(start_C, cuts), np.split(frame_C, cuts), strict=True)
        if len(starts_C)
    ]


def _run(layout: Layout, begin: int, frame_C: NDArray[np.int64]) -> Run:
    return Run(
        layout=layout.name,
        begin=begin,
        end=begin + len(frame_C) * layout.frame_bytes,
        first_frame=int(frame_C[0]),
        frames=len(frame_C),
        different=frozenset(np.unique(frame_C)[:MIN_RUN].tolist()),
    )


def _verified(
    block: _Block, layout: Layout, start_C: NDArray[np.int64], index: FrameIndex
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those of the starts at which a training frame begins that lies wholly in the file, and which frame that is."""
    offset_C = start_C + (block.begin - _MARGIN_BYTES)
    start_C = start_C[(offset_C >= 0) & (offset_C + layout.frame_bytes <= block.end)]
    frame_C = np.empty(len(start_C), np.int64)
    byte_B = np.arange(layout.frame_bytes)
    for begin in range(0, len(start_C), _BATCH_FRAMES):
        batch = slice(begin, begin + _BATCH_FRAMES)
        frame_C[batch] = index.find(layout.decode(block.data[start_C[batch, None] + byte_B]))
    return start_C[frame_C >= 0], frame_C[frame_C >= 0]
