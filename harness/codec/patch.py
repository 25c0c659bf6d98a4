"""The demo data's codec: 18 bits for each 16x16 patch of an image, fitted in closed form.

A patch is projected on its principal components. The 18 bits are shared out over the components by variance (each
bit goes to the component with the largest remaining error, which a bit quarters) and a component with b bits is cut
into 2^b cells, narrow where patches are many, numbered along a Gray code: neighbouring values differ in one bit, so
the Hamming distance between tokens grows with the distance between patches.

Where the bits go matters to every entry, because a prediction is a product over the token's two factors (tok % 512 is
bits 0..8, tok // 512 bits 9..17): what one factor says about the other cannot be expressed. So a component never
straddles the two. Principal components are uncorrelated, which leaves the factors nearly independent, and components
take turns (first to factor 1, second to factor 2, ...), so each factor holds about half of what is to be predicted.
Within a factor the components with more variance have the higher bits, and a component's coarsest bit is its highest.

Axes: B images, H and W patches, Y and X pixels, C colours, D = 16*16*3 values of a patch, P patches,
K components, L levels (cells) of a component.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.codec.patch_fit import (
    BITS,
    CHUNK,
    PATCH,
    SCALE,
    VALUES,
    check_images,
    chunks,
    cut_cells,
    principal_components,
    project,
    share_bits,
)
from harness.errors import DataInvalid


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchCodec:
    """Images to tokens and back; make one with `fit` or `load`.

    Attributes:
        mean_D: float32, the mean patch.
        weights_KD: float32 holding integers, `SCALE` times the principal components, most variance first.
        bits_K: int64, bits of each component (at least 1, `BITS` in all).
        shift_K: int64, the place of each component's lowest bit in the token.
        edges_KL: float32, where a component's cells end, in units of the projection; +inf where there are fewer.
        levels_KL: float32, what a cell decodes to, in pixel units about the mean.
    """

    mean_D: NDArray[np.float32]
    weights_KD: NDArray[np.float32]
    bits_K: NDArray[np.int64]
    shift_K: NDArray[np.int64]
    edges_KL: NDArray[np.float32]
    levels_KL: NDArray[np.float32]

    @property
    def name(self) -> str:
        """What records and metadata call it."""
        return "patch"

    @property
    def digest(self) -> str:
        """sha256 of every array with its name, type and shape."""
        digest = hashlib.sha256(self.name.encode())
        for field in fields(self):
            array = getattr(self, field.name)
            digest.update(f"\0{field.name} {array.dtype.str} {array.shape}\0".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @staticmethod
    def fit(images_BYXC: NDArray[np.uint8]) -> PatchCodec:
        """The codec of these images: uint8 [B,Y,X,3], Y and X multiples of 16.

        Deterministic: the same images in the same order give the same codec.
        """
        mean_D, variance_K, components_KD = principal_components(images_BYXC)
        bits_K, shift_K, kept_K = share_bits(variance_K)
        weights_KD = np.rint(components_KD[kept_K] * SCALE).astype(np.float32)
        projections_PK = np.concatenate([project(chunk, weights_KD) for chunk in chunks(images_BYXC)])
        edges_KL, levels_KL = cut_cells(projections_PK, bits_K)
        offset_K = weights_KD.astype(np.float64) @ mean_D / SCALE
        return PatchCodec(
            mean_D=mean_D.astype(np.float32),
            weights_KD=weights_KD,
            bits_K=bits_K,
            shift_K=shift_K,
            edges_KL=edges_KL,
            levels_KL=(levels_KL / SCALE - offset_K[:, None]).astype(np.float32),
        )

    def encode(self, images_BYXC: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Tokens uint32 [B,H,W] of images uint8 [B,Y,X,3]."""
        check_images(images_BYXC)
        batch, height, width, _ = images_BYXC.shape
        tokens_P = [self._tokens(project(chunk, self.weights_KD)) for chunk in chunks(images_BYXC)]
        return np.concatenate(tokens_P).reshape(batch, height // PATCH, width // PATCH)

    def decode(self, tokens_BHW: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Images uint8 [B,16*H,16*W,3] of tokens [B,H,W]: each patch the middle of its cell."""
        batch, height, width = tokens_BHW.shape
        out_BHYWXC = np.empty((batch, height, PATCH, width, PATCH, 3), np.uint8)
        for start in range(0, batch, CHUNK):
            chunk_BHW = tokens_BHW[start : start + CHUNK]
            cells_BHWK = gray_decode((chunk_BHW[..., None].astype(np.int64) >> self.shift_K) & self._masks_K)
            levels_BHWK = self.levels_KL[np.arange(len(self.bits_K)), cells_BHWK]
            pixels_BHWD = levels_BHWK @ (self.weights_KD / np.float32(SCALE)) + self.mean_D
            patches = np.clip(np.rint(pixels_BHWD), 0, 255).astype(np.uint8)
            out_BHYWXC[start : start + CHUNK] = patches.reshape(
                len(chunk_BHW), height, width, PATCH, PATCH, 3
            ).transpose(0, 1, 3, 2, 4, 5)
        return out_BHYWXC.reshape(batch, height * PATCH, width * PATCH, 3)

    def save(self, path: Path) -> None:
        """Write the codec; the same codec gives the same bytes."""
        with path.open("wb") as stream:
            np.savez(stream, **{field.name: getattr(self, field.name) for field in fields(self)})

    @staticmethod
    def load(path: Path) -> PatchCodec:
        """The codec in a file that `save` wrote. Raises DataInvalid for any other file."""
        fix = "point to a codec.npz that `wmc data demo` wrote, or make the demo data again"
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                codec = PatchCodec(**{field.name: stored[field.name] for field in fields(PatchCodec)})
        except FileNotFoundError as error:
            raise DataInvalid(f"there is no codec at {path}", fix=fix, code="codec.missing") from error
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            EOFError,
            zipfile.BadZipFile,
        ) as error:
            raise DataInvalid(
                f"{path} is not a patch codec: {error}", fix=fix, code="codec.invalid"
            ) from error
        problem = codec._problem()
        if problem is not None:
            raise DataInvalid(f"{path} is not a patch codec: {problem}", fix=fix, code="codec.invalid")
        return codec

    @property
    def _masks_K(self) -> NDArray[np.int64]:
        return (1 << self.bits_K) - 1

    def _tokens(self, projections_PK: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Tokens uint32 [P] of exact projections [P,K]."""
        tokens_P = np.zeros(len(projections_PK), np.uint32)
        for k, (bits, shift) in enumerate(zip(self.bits_K.tolist(), self.shift_K.tolist(), strict=True)):
            edges_L = self.edges_KL[k, : 2**bits - 1]
            cells_P = np.searchsorted(edges_L, projections_PK[:, k], side="right")
            tokens_P |= (gray_encode(cells_P) << shift).astype(np.uint32)
        return tokens_P

    def _problem(self) -> str | None:
        """What keeps these arrays from being a codec, None when nothing does."""
        for name in ("bits_K", "shift_K"):
            array_K = getattr(self, name)
            if array_K.ndim != 1 or not np.issubdtype(array_K.dtype, np.integer):
                return f"{name} is not a list of integers"
        for name in ("mean_D", "weights_KD", "edges_KL", "levels_KL"):
            if getattr(self, name).dtype != np.float32:
                return f"{name} is not float32"
        if (
            self.bits_K.shape != self.shift_K.shape
            or self.bits_K.min(initial=1) < 1
            or self.bits_K.sum() != BITS
        ):
            return f"bits_K and shift_K do not share out {BITS} bits"
        if np.bitwise_or.reduce(self._masks_K << self.shift_K.clip(0, BITS)) != 2**BITS - 1:
            return "two components claim the same bit"
        cells = 2 ** int(self.bits_K.max())
        shapes = {"mean_D": (VALUES,), "weights_KD": (len(self.bits_K), VALUES)}
        shapes |= {"edges_KL": (len(self.bits_K), cells - 1), "levels_KL": (len(self.bits_K), cells)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                return f"{name} has shape {getattr(self, name).shape}, not {shape}"
        return None


def gray_encode(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """The Gray code of cell numbers: neighbours differ in exactly one bit."""
    codes: NDArray[np.int64] = cells ^ (cells >> 1)
    return codes


def gray_decode(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cell numbers of Gray codes of at most 18 bits; undoes `gray_encode`."""
    cells = codes
    for shift in (1, 2, 4, 8, 16):
        cells = cells ^ (cells >> shift)
    return cells
