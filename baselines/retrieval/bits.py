"""Frames as factors and as bits: packed, unpacked, compared.

Axes: N frames, Q queries, H rows, W columns, P positions (H*W), F the two factors of a token, K the 18 bits of a token,
X 64-bit words of a packed frame, C frames of a chunk, D cells of a 4x4 grid times K.
"""

from __future__ import annotations

import numpy as np

FRAME_BITS = 16 * 16 * 18
CHUNK = 1024  # frames compared at once: what a processor's cache holds

_ONES = np.array([bin(bits).count("1") for bits in range(1 << 16)], np.uint8)


def factors(tokens_NHW: np.ndarray) -> np.ndarray:
    """The two 9-bit digits of each token, the lower first: int64 [...,P,F] of [...,H,W]."""
    factor_NHWF = np.stack([tokens_NHW % 512, tokens_NHW // 512], -1).astype(np.int64)
    return factor_NHWF.reshape(*tokens_NHW.shape[:-2], 256, 2)


def pack(tokens_NHW: np.ndarray) -> np.ndarray:
    """Uint64 [N,X]: 18 bits a token, one token after the other, lowest bits first."""
    words = [np.zeros((0, FRAME_BITS // 64), "<u8")]
    for start in range(0, len(tokens_NHW), CHUNK):
        tokens_CHW = np.asarray(tokens_NHW[start : start + CHUNK])
        bits_CHWK = (tokens_CHW[..., None] >> np.arange(18, dtype=np.uint32) & 1).astype(np.uint8)
        bytes_C = np.packbits(bits_CHWK.reshape(len(tokens_CHW), -1), axis=1, bitorder="little")
        words.append(np.ascontiguousarray(bytes_C).view("<u8"))
    return np.concatenate(words)


def unpack_bits(words_NX: np.ndarray) -> np.ndarray:
    """Uint8 [N,H,W,K], each 0 or 1."""
    bytes_N = np.ascontiguousarray(words_NX).view(np.uint8)
    return np.unpackbits(bytes_N, axis=1, bitorder="little").reshape(len(words_NX), 16, 16, 18)


def tokens_of(bits_NHWK: np.ndarray) -> np.ndarray:
    """Uint32 [N,H,W] of a frame's bits."""
    return (bits_NHWK.astype(np.uint32) << np.arange(18, dtype=np.uint32)).sum(-1, dtype=np.uint32)


def distances(queries_QX: np.ndarray, frames_NX: np.ndarray) -> np.ndarray:
    """In how many bits each query differs from each frame: int32 [Q,N]."""
    found_QN = np.empty((len(queries_QX), len(frames_NX)), np.int32)
    for start in range(0, len(frames_NX), CHUNK):
        frames_CX = frames_NX[start : start + CHUNK]
        for query_X, found_N in zip(queries_QX, found_QN):  # noqa: B905 - Python 3.8
            found_N[start : start + CHUNK] = count_ones(frames_CX ^ query_X)
    return found_QN


def count_ones(words_NX: np.ndarray) -> np.ndarray:
    """How many bits of each row are set: int [N]."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count(words_NX).sum(1, dtype=np.int32)
    return count_ones_by_table(words_NX)


def count_ones_by_table(words_NX: np.ndarray) -> np.ndarray:
    """The same where numpy is older than 2."""
    return _ONES[words_NX.view(np.uint16)].sum(1, dtype=np.int32)


def pooled(words_NX: np.ndarray) -> np.ndarray:
    """How often each bit is set in each cell of a 4x4 grid: float32 [N,D]."""
    sums = [np.zeros((0, 16 * 18), np.float32)]
    for start in range(0, len(words_NX), CHUNK):
        bits_CHWK = unpack_bits(words_NX[start : start + CHUNK])
        grid = bits_CHWK.reshape(len(bits_CHWK), 4, 4, 4, 4, 18)
        sums.append(grid.sum((2, 4), dtype=np.float32).reshape(len(grid), -1))
    return np.concatenate(sums)
