"""Fitting the patch codec: principal components, bits shared out over them, cells along each.

Axes as in `harness.codec.patch`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.spec import CHALLENGE

PATCH = 16  # pixels a side
FACTORS = CHALLENGE.factors
FACTOR_BITS = CHALLENGE.factor_vocab.bit_length() - 1
BITS = FACTOR_BITS * FACTORS

VALUES = PATCH * PATCH * 3
# A component's weights are integers of this scale. A unit vector of 768 weights then sums to less than 2^16 in
# magnitude, so a projection of uint8 pixels stays below 2^24 and float32 adds it up exactly, in whatever order a
# BLAS adds: a codec gives an image the same tokens on every machine.
SCALE = 2048
CHUNK = 32
_BINS = 4096


def check_images(images_BYXC: NDArray[np.uint8]) -> None:
    """Raise ValueError unless these are uint8 RGB images made of whole patches."""
    shape = images_BYXC.shape
    if (
        images_BYXC.dtype != np.uint8
        or len(shape) != 4
        or shape[3] != 3
        or shape[1] % PATCH
        or shape[2] % PATCH
    ):
        raise ValueError(f"expected uint8 [B,{PATCH}*H,{PATCH}*W,3], got {images_BYXC.dtype} {list(shape)}")


def chunks(images_BYXC: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Views of a few images each, so that their float copies stay small."""
    return [images_BYXC[start : start + CHUNK] for start in range(0, len(images_BYXC), CHUNK)]


def _patches(images_BYXC: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The patches of images in raster order: float32 [P,D], P = B*H*W."""
    batch, height, width, _ = images_BYXC.shape
    blocks = images_BYXC.reshape(batch, height // PATCH, PATCH, width // PATCH, PATCH, 3)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(-1, VALUES).astype(np.float32)


def project(images_BYXC: NDArray[np.uint8], weights_KD: NDArray[np.float32]) -> NDArray[np.float32]:
    """Exact integer projections [P,K] in float32."""
    projections_PK: NDArray[np.float32] = _patches(images_BYXC) @ weights_KD.T
    return projections_PK


def principal_components(
    images_BYXC: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean patch [D], and the variances [K] and unit vectors [K,D] of its first `BITS` components, largest first."""
    check_images(images_BYXC)
    # The sums are exact whatever the order, being integers below 2^53.
    total_D, products_DD, count = np.zeros(VALUES), np.zeros((VALUES, VALUES)), 0
    for chunk in chunks(images_BYXC):
        patches_PD = _patches(chunk).astype(np.float64)
        total_D += patches_PD.sum(0)
        products_DD += patches_PD.T @ patches_PD
        count += len(patches_PD)
    if count == 0:
        raise ValueError("a codec needs at least one image")
    mean_D = total_D / count
    variance_D, vectors_DD = np.linalg.eigh(products_DD / count - np.outer(mean_D, mean_D))
    variance_K, components_KD = variance_D[::-1][:BITS], vectors_DD.T[::-1][:BITS]
    # An eigenvector's sign is the solver's whim; ours has its largest weight positive.
    largest_K1 = np.take_along_axis(components_KD, np.abs(components_KD).argmax(1)[:, None], 1)
    return mean_D, variance_K, components_KD * np.where(largest_K1 < 0, -1.0, 1.0)


def share_bits(
    variance_K: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """How `BITS` bits are shared out over components of these variances, which fall.

    Each bit goes to the component with the largest error left (variance / 4^bits) whose factor has room.

    Returns: the bits of each component that got some, where its lowest one lies, and which component it is.
    """
    factor_K = np.arange(len(variance_K)) % FACTORS
    bits_K = np.zeros(len(variance_K), np.int64)
    for _ in range(BITS):
        used_F = np.bincount(factor_K, weights=bits_K, minlength=FACTORS)
        error_K = np.where(used_F[factor_K] < FACTOR_BITS, variance_K / 4.0**bits_K, -np.inf)
        bits_K[error_K.argmax()] += 1
    shift_K = np.zeros(len(variance_K), np.int64)
    for factor in range(FACTORS):
        mine_K = factor_K == factor
        shift_K[mine_K] = FACTOR_BITS * (factor + 1) - np.cumsum(bits_K[mine_K])
    kept_K = np.flatnonzero(bits_K)
    return bits_K[kept_K], shift_K[kept_K], kept_K


def cut_cells(
    projections_PK: NDArray[np.float32], bits_K: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Edges [K,L-1] and levels [K,L] of each component's cells, in units of the projection.

    Cells hold equal shares of the cube root of the density, which is the least squared error for many cells
    (Panter and Dite, 1951); a cell's level is the mean of what fell into it.
    """
    cells = 2 ** int(bits_K.max())
    edges_KL = np.full((len(bits_K), cells - 1), np.inf, np.float32)
    levels_KL = np.zeros((len(bits_K), cells))
    for k, bits in enumerate(bits_K.tolist()):
        values_P = projections_PK[:, k].astype(np.float64)
        edges_L = _companded(values_P, 2**bits).astype(np.float32)
        cell_P = np.searchsorted(edges_L, projections_PK[:, k], side="right")
        count_L = np.bincount(cell_P, minlength=2**bits)
        middle_L = np.convolve(np.concatenate([edges_L[:1], edges_L, edges_L[-1:]]), [0.5, 0.5], "valid")
        mean_L = np.bincount(cell_P, weights=values_P, minlength=2**bits) / np.maximum(count_L, 1)
        edges_KL[k, : 2**bits - 1] = edges_L
        levels_KL[k, : 2**bits] = np.where(count_L > 0, mean_L, middle_L)
    return edges_KL, levels_KL


def _companded(values_P: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """The `cells - 1` edges that give each cell the same share of the density's cube root."""
    count, edge = np.histogram(values_P, bins=_BINS)
    share = np.concatenate([[0.0], np.cumsum(np.cbrt(count))])
    wanted = np.linspace(0, share[-1], cells + 1)[1:-1]
    edges_L: NDArray[np.float64] = np.interp(wanted, share, edge)
    return edges_L
