"""Files of a network's weights, read without running anything that is in them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, BinaryIO

from harness.errors import DataInvalid, DependencyMissing
from harness.extras import install


def require_torch(who: str) -> None:
    """Nothing, where torch is installed; `who` needs it.

    Raises: DependencyMissing.
    """
    if importlib.util.find_spec("torch") is None:
        raise DependencyMissing(f"{who} needs the package torch", fix=install("codec"))


def read_weights(source: Path | BinaryIO, *, name: str, code: str, fix: str) -> dict[Any, Any]:
    """The dictionary in a file of torch's: tensors on the CPU, and what else torch takes for harmless.

    `name`, `code` and `fix` are the error's: what the file is called, and what to do where it holds anything else.
    Raises: DataInvalid; OSError where the file cannot be opened.
    """
    import torch

    serialization: Any = torch.serialization
    refused = (
        *(EOFError, RuntimeError, ValueError, KeyError, TypeError, AttributeError),
        serialization.pickle.UnpicklingError,  # what torch says of a file that is more than weights
    )
    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
    except refused as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataInvalid(f"{name} does not hold weights alone: {why}", code=code, fix=fix) from error
    if not isinstance(found, dict):
        raise DataInvalid(f"{name} holds no dictionary of weights", code=code, fix=fix)
    return found
