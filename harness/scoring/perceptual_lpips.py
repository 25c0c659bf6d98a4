"""LPIPS with AlexNet: how differently two images look to a network (Zhang et al., CVPR 2018, version 0.1).

Needs torch, and two files of weights: torchvision's AlexNet and the linear heads that the authors published.

Axes: B images, Y and X pixels, C colours or channels.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.data.published import LPIPS_FILES, PublishedFile
from harness.data.weights import read_weights, require_torch
from harness.errors import DataInvalid

if TYPE_CHECKING:
    from torch import Tensor

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_TINY = 1e-10  # as the authors': keeps a position without any activation from dividing by zero
_AT_ONCE = 32  # images: about 100 MiB of activations
# Per convolution: its key, [out, in, size] of its kernel, stride, padding, and whether a 3x3 maximum comes before it.
_LAYERS = (
    ("features.0", (64, 3, 11), 4, 2, False),
    ("features.3", (192, 64, 5), 1, 2, True),
    ("features.6", (384, 192, 3), 1, 1, True),
    ("features.8", (256, 384, 3), 1, 1, False),
    ("features.10", (256, 256, 3), 1, 1, False),
)


class Lpips:
    """Distances of images, 0 for equal ones; make one with `load`.

    Attributes:
        sha256: of the two files of weights, None for weights that came from no file.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], *, device: str | None = None, sha256: str | None = None
    ) -> None:
        """`weights` has torchvision's `features.*` and the heads' `lin*.model.1.weight`; other keys are ignored.

        Raises: DataInvalid, DependencyMissing.
        """
        require_torch("LPIPS")
        import torch

        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._weights = _checked(weights, self._device)
        self.sha256 = sha256

    @classmethod
    def load(
        cls, folder: Path, *, files: Sequence[PublishedFile] = LPIPS_FILES, device: str | None = None
    ) -> Lpips:
        """The metric with the published weights, `files` in `folder`; entries are ranked by no other ones.

        On the GPU where there is one, unless `device` says otherwise.
        Raises: DataInvalid when a file is missing or has other bytes; DependencyMissing without torch.
        """
        require_torch("LPIPS")
        digest, weights = hashlib.sha256(), {}
        for file in files:
            content = _content(folder / file.name, file)
            digest.update(content)
            weights.update(_unpacked(content, folder / file.name))
        return cls(weights, device=device, sha256=digest.hexdigest())

    def __call__(self, a_BYXC: NDArray[np.uint8], b_BYXC: NDArray[np.uint8]) -> NDArray[np.float64]:
        """LPIPS of each pair of images, uint8 `[B,Y,X,3]` -> `[B]`, in float32 and any number at once."""
        distances_B = np.empty(len(a_BYXC))
        for begin in range(0, len(a_BYXC), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            distances_B[part] = self._distances(a_BYXC[part], b_BYXC[part])
        return distances_B

    def _distances(self, a_BYXC: NDArray[np.uint8], b_BYXC: NDArray[np.uint8]) -> NDArray[np.float32]:
        import torch

        both_BYXC = np.concatenate([a_BYXC, b_BYXC])
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            x_BCYX = self._normalised(torch.from_numpy(both_BYXC).to(self._device))
            total_B = torch.zeros(len(a_BYXC), device=self._device)
            for index, layer in enumerate(_LAYERS):
                x_BCYX = self._convolved(x_BCYX, *layer)
                total_B += self._layer_distances(x_BCYX, index)
        distances_B: NDArray[np.float32] = total_B.cpu().numpy()
        return distances_B

    def _normalised(self, images_BYXC: Tensor) -> Tensor:
        import torch

        shift_C, scale_C = (torch.tensor(values, device=self._device) for values in (_SHIFT, _SCALE))
        x_BYXC = images_BYXC.float() / 127.5 - 1
        return ((x_BYXC - shift_C) / scale_C).permute(0, 3, 1, 2).contiguous()

    def _convolved(
        self, x_BCYX: Tensor, key: str, _: tuple[int, int, int], stride: int, padding: int, pooled: bool
    ) -> Tensor:
        from torch.nn import functional

        if pooled:
            x_BCYX = functional.max_pool2d(x_BCYX, kernel_size=3, stride=2)
        weight, bias = self._weights[f"{key}.weight"], self._weights[f"{key}.bias"]
        return functional.conv2d(x_BCYX, weight, bias, stride=stride, padding=padding).relu_()

    def _layer_distances(self, features_BCYX: Tensor, index: int) -> Tensor:
        """The head's mean over positions of squared differences between unit vectors: `[2B,C,Y,X]` -> `[B]`."""
        norm_BYX = features_BCYX.square().sum(1, keepdim=True).sqrt()
        a_BCYX, b_BCYX = (features_BCYX / (norm_BYX + _TINY)).chunk(2)
        head_C = self._weights[_head(index)].reshape(-1, 1, 1)
        return ((a_BCYX - b_BCYX).square() * head_C).sum(1).mean((1, 2))


def _head(index: int) -> str:
    return f"lin{index}.model.1.weight"


def _checked(weights: Mapping[str, Tensor], device: str) -> dict[str, Tensor]:
    """The tensors that count, in float32 on the device."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, (key, (out, into, size), *_) in enumerate(_LAYERS):
        shapes |= {f"{key}.weight": (out, into, size, size), f"{key}.bias": (out,)}
        shapes[_head(index)] = (1, out, 1, 1)
    for key, shape in shapes.items():
        found = tuple(weights[key].shape) if key in weights else None
        if found != shape:
            raise DataInvalid(
                f"these are not the weights of LPIPS: {key} is {found or 'missing'}, not {shape}",
                code="lpips.invalid",
                fix="fetch them again: wmc data pull --lpips",
            )
    return {key: weights[key].to(device).float() for key in shapes}


def _content(path: Path, file: PublishedFile) -> bytes:
    """The bytes at `path`, which are those that were published."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataInvalid(
            f"{path} cannot be read: {error.strerror or error}",
            code="lpips.missing",
            fix="fetch the weights: wmc data pull --lpips",
        ) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DataInvalid(
            f"{path} is not the published file: its sha256 does not start with {file.sha256[:12]}",
            code="lpips.not_published",
            fix="fetch it again: wmc data pull --lpips",
        )
    return content


def _unpacked(content: bytes, path: Path) -> dict[str, Tensor]:
    import torch

    fix = "fetch it again: wmc data pull --lpips"
    weights = read_weights(io.BytesIO(content), name=str(path), code="lpips.invalid", fix=fix)
    if not all(isinstance(item, torch.Tensor) for item in weights.values()):
        raise DataInvalid(f"{path} does not hold weights alone", code="lpips.invalid", fix=fix)
    return weights
