"""Where in a block of bytes training frames may begin: few places are asked about, and very few are left.

A run is frames that touch, at least three different ones. So it is enough to find one frame in three, and a third of
all offsets is asked about: the keys of three frames that touch lie a frame apart, and one of them lies in the first
third of a period of three frames. A place is left where a frame before or after it may begin too.

Axes: C places, B bytes, R periods of a block, J numbers of a period, K the key's tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from harness.retrieval.frame_index import FrameIndex
from harness.retrieval.frame_layouts import INTEGERS, KEY_TOKENS, PACKED, WORD_BYTES, Layout, key_words
from harness.spec import CHALLENGE

MIN_RUN = 3

_LAYOUTS = (*INTEGERS, *PACKED)

UNIT_BYTES = math.lcm(*(MIN_RUN * layout.frame_bytes for layout in _LAYOUTS))
"""Blocks begin at a multiple of it, so that every layout's periods go on from one to the next."""

MARGIN_BYTES = MIN_RUN * max(layout.frame_bytes for layout in _LAYOUTS)
"""What a block shows of its neighbours: the rest of a frame, and two more."""

LEAST_BYTES = MIN_RUN * min(layout.frame_bytes for layout in _LAYOUTS)
"""A shorter file holds no run."""

_LOWEST_BYTE, _EVERY_BYTE = np.uint64(0xFF), np.uint64(0x0101010101010101)


def suspects(data: NDArray[np.uint8], index: FrameIndex) -> Iterator[tuple[Layout, NDArray[np.intp]]]:
    """For each layout the places in the block, margins included, at which a frame of a run may begin."""
    packed_C = _packed_keys(data, index)
    for layout in _LAYOUTS:
        key_C = packed_C if layout in PACKED else _integer_keys(data, layout, index)
        yield layout, key_C - layout.key_offset


def read(data: NDArray[np.uint8], place_C: NDArray[np.intp], count: int) -> NDArray[np.uint8]:
    """`count` bytes at each place: `[C, count]`."""
    return sliding_window_view(data, count)[place_C]


def _packed_keys(data: NDArray[np.uint8], index: FrameIndex) -> NDArray[np.intp]:
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
        is_next_C |= index.may_begin_a_key(read(data, key_C + step, WORD_BYTES).view("<u8")[:, 0])
    return key_C[is_next_C]


def _integer_keys(data: NDArray[np.uint8], layout: Layout, index: FrameIndex) -> NDArray[np.intp]:
    """The same for keys of four integers: so many small ones in a row are rare in weights."""
    item = layout.token_bits // 8
    found = []
    for shift in range(item):
        small_RJ = _first_thirds(data, item, shift, layout.frame_bytes) < CHALLENGE.vocab
        row_C, column_C = np.nonzero(small_RJ)
        key_C = _offsets(row_C, column_C, item, shift, layout.frame_bytes)
        found.append(key_C[_are_integer_keys(data, key_C, item, index, constant=False)])
    key_C = np.concatenate(found)
    is_next_C = np.zeros(len(key_C), np.bool_)
    for step in (-layout.frame_bytes, layout.frame_bytes):
        is_next_C |= _are_integer_keys(data, key_C + step, item, index, constant=True)
    return key_C[is_next_C]


def _are_integer_keys(
    data: NDArray[np.uint8], place_C: NDArray[np.intp], item_bytes: int, index: FrameIndex, *, constant: bool
) -> NDArray[np.bool_]:
    """Four equal ones count only if `constant`: there is much of that in files, and it says nothing."""
    value_CK = read(data, place_C, KEY_TOKENS * item_bytes).view(f"<u{item_bytes}")
    may_C = np.asarray((value_CK < CHALLENGE.vocab).all(1))
    if not constant:
        may_C[(value_CK == value_CK[:, :1]).all(1)] = False
    may_C[may_C] = index.may_begin_a_key(key_words(value_CK[may_C]))
    return may_C


def _first_thirds(
    data: NDArray[np.uint8], item_bytes: int, shift: int, frame_bytes: int
) -> NDArray[np.unsignedinteger]:
    """The numbers that begin `shift` bytes after a multiple of their size, of the first frame in every MIN_RUN."""
    size = len(data) - 2 * MARGIN_BYTES
    numbers = np.frombuffer(data, f"<u{item_bytes}", size // item_bytes, MARGIN_BYTES + shift)
    return numbers.reshape(-1, MIN_RUN * frame_bytes // item_bytes)[:, : frame_bytes // item_bytes]


def _offsets(
    row_C: NDArray[np.intp], column_C: NDArray[np.intp], item_bytes: int, shift: int, frame_bytes: int
) -> NDArray[np.intp]:
    """Where in the block the numbers of `_first_thirds` lie."""
    return row_C * (MIN_RUN * frame_bytes) + column_C * item_bytes + (MARGIN_BYTES + shift)
