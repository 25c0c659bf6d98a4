"""A checkpoint's tensors, read without running anything in the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.weights import read_weights
from harness.errors import DataInvalid

if TYPE_CHECKING:
    from torch import Tensor

PULL = "wmc data pull --codec"


def read_state(path: Path) -> Mapping[str, Tensor]:
    """The tensors of the encoder and the decoder in a checkpoint; what else it holds is left out.

    Raises: DataInvalid.
    """
    import torch

    fix = f"fetch the checkpoint again: {PULL}"
    try:
        loaded = read_weights(path, name=str(path), code="codec.invalid", fix=fix)
    except FileNotFoundError as error:
        raise DataInvalid(
            f"there is no codec at {path}", fix=f"fetch it: {PULL}", code="codec.missing"
        ) from error
    except OSError as error:
        raise DataInvalid(
            f"{path} cannot be read: {error.strerror or error}", fix=fix, code="codec.invalid"
        ) from error
    state = loaded.get("state_dict")
    if not isinstance(state, dict):
        raise DataInvalid(f"{path} holds no state_dict", fix=fix, code="codec.invalid")
    return {
        key: value
        for key, value in state.items()
        if isinstance(key, str) and key.startswith(("encoder.", "decoder.")) and torch.is_tensor(value)
    }
