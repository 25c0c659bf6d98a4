"""Checkpoints: a folder of config.json and model.safetensors."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from config import FILE_NAME as CONFIG_NAME
from config import CheckpointError, read_config
from model import CausalLM
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

WEIGHTS_NAME = "model.safetensors"
SHOWN = 4  # of the names that are wrong


def load(folder: Path) -> CausalLM:
    """The model of a folder, in float32, ready to predict."""
    model = CausalLM(read_config(folder / CONFIG_NAME))
    load_weights(model, folder)
    return model.eval()


def load_weights(model: CausalLM, folder: Path) -> None:
    """Give the model the weights of a folder. Raises: CheckpointError, if there are none that fit."""
    path = folder / WEIGHTS_NAME
    try:
        state = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing", fix=f"it belongs beside {CONFIG_NAME}") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", fix="copy it again") from error
    _check_fit(state, model.state_dict(), path)
    model.load_state_dict(state)


def save(model: CausalLM, folder: Path) -> None:
    """Write the two files; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with tempfile.TemporaryDirectory(prefix=".checkpoint-", dir=folder) as work:
        made = Path(work)
        save_file(state, made / WEIGHTS_NAME, metadata={"format": "pt"})
        (made / CONFIG_NAME).write_text(model.config.to_json(), encoding="utf-8")
        shutil.copymode(made / CONFIG_NAME, made / WEIGHTS_NAME)  # safetensors lets only us read it
        for name in (WEIGHTS_NAME, CONFIG_NAME):
            os.replace(made / name, folder / name)


def _check_fit(state: dict[str, Tensor], expected: dict[str, Tensor], path: Path) -> None:
    """CheckpointError that names what the file lacks, what it has too much, or which shapes differ."""
    missing = sorted(expected.keys() - state.keys())
    unknown = sorted(state.keys() - expected.keys())
    shapes = [
        f"{name} is {list(state[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    for what, names in (
        ("lacks", missing),
        ("has, of no use to this config,", unknown),
        ("does not fit:", shapes),
    ):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise CheckpointError(
                f"{path} {what} {', '.join(names[:SHOWN])}{more}",
                fix=f"do {CONFIG_NAME} and {WEIGHTS_NAME} belong together?",
            )
