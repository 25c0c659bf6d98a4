"""Held-out truth in a text or file: two neighbours of a frame, in any form they are likely to be written in."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np

from harness.data.clips import open_clip

_NUMBERS = re.compile(rb"(?<![0-9])([0-9]{1,6})[^0-9a-zA-Z]{1,3}(?=([0-9]{1,6})(?![0-9]))")
_TOGETHER = 10**6
TOKEN_BYTES = 4


def found_in(content: bytes, clip: Path) -> list[str]:
    """What gives truth away: decimal numbers side by side, hexadecimal ones, and the bytes of two tokens."""
    pairs, raw, together = _needles(clip)
    decimal = {(int(first), int(second)) for first, second in _NUMBERS.findall(content)} & pairs
    lowered = content.lower()
    hexadecimal = [f"{first:x}{second:x}" for first, second in pairs]
    return [
        *map(str, sorted(decimal)),
        *(text for text in hexadecimal if len(text) >= 9 and text.encode() in lowered),
        *(
            number
            for number in map(bytes.decode, re.findall(rb"[0-9]{7,12}", content))
            if int(number) in together
        ),
        *(str(each) for each in _windows(content) & raw),
    ]


def _windows(content: bytes) -> set[bytes]:
    size = 2 * TOKEN_BYTES
    zeros = [
        match.start() for match in re.finditer(rb"(?=\0.{3}\0)", content, re.DOTALL)
    ]  # tokens end in a zero
    return {content[at - 3 : at + 5] for at in zeros if at >= 3 and len(content[at - 3 : at + 5]) == size}


@cache
def _needles(clip: Path) -> tuple[set[tuple[int, int]], set[bytes], set[int]]:
    tokens_NHW = np.unique(open_clip(clip).tokens_NHW[::15], axis=0)
    firsts, seconds = tokens_NHW[:, :, :-1].ravel(), tokens_NHW[:, :, 1:].ravel()
    pairs = set(zip(map(int, firsts), map(int, seconds), strict=True))
    raw = {np.array(pair, "<u4").tobytes() for pair in pairs}
    return pairs, raw, {first * _TOGETHER + second for first, second in pairs}
