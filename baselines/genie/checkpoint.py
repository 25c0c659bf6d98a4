"""Checkpoints in 1X's layout: a folder, or a Hub repository, of config.json and model.safetensors."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import torch
from config import FILE_NAME as CONFIG_NAME
from config import CheckpointError, read_config
from model import Genie
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

WEIGHTS_NAME = "model.safetensors"
SHOWN = 4  # of the names that are wrong


def load(where: Path | str, *, revision: str | None = None) -> Genie:
    """The Genie of a folder or of a Hub id such as `1x-technologies/GENIE_138M`, in float32, ready to predict."""
    folder = _folder(where, revision)
    config = read_config(folder / CONFIG_NAME)
    state = _read_weights(folder / WEIGHTS_NAME)
    with torch.device("meta"):
        model = Genie(config)
    check_fit(state, model.state_dict(), folder / WEIGHTS_NAME)
    model.load_state_dict(state, assign=True)
    return model.eval()


def save(model: Genie, folder: Path) -> None:
    """Write the two files; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with tempfile.TemporaryDirectory(prefix=".checkpoint-", dir=folder) as made:
        save_file(state, Path(made) / WEIGHTS_NAME, metadata={"format": "pt"})
        (Path(made) / CONFIG_NAME).write_text(model.config.to_json(), encoding="utf-8")
        # safetensors lets only us read what it writes
        shutil.copymode(Path(made) / CONFIG_NAME, Path(made) / WEIGHTS_NAME)
        for name in (WEIGHTS_NAME, CONFIG_NAME):
            os.replace(Path(made) / name, folder / name)


def is_hub_id(where: Path | str) -> bool:
    """Whether it names no folder here, but could be the Hub's OWNER/NAME."""
    return (
        isinstance(where, str)
        and not Path(where).is_dir()
        and where.count("/") == 1
        and not where.startswith(("/", "."))
    )


def _folder(where: Path | str, revision: str | None) -> Path:
    """Where the files lie on this machine, downloaded if they have to be."""
    if Path(where).is_dir():
        return Path(where)
    if not is_hub_id(where):
        raise CheckpointError(
            f"{where} is no folder", fix="name a checkpoint's folder, or a Hub id: OWNER/NAME"
        )
    try:
        from huggingface_hub import hf_hub_download  # noqa: PLC0415 - only a Hub id needs it
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise CheckpointError(
            f"{where} is no folder, and the Hub needs huggingface_hub",
            fix=".venv/bin/pip install -c constraints.txt -e '.[hub]'",
        ) from error
    try:
        paths = [hf_hub_download(str(where), name, revision=revision) for name in (CONFIG_NAME, WEIGHTS_NAME)]
    except (HfHubHTTPError, LocalEntryNotFoundError, ValueError, OSError) as error:
        raise CheckpointError(
            f"{where} is no folder, and the Hub did not give it: {error}",
            fix="check the name and the network, or download it and name the folder",
        ) from error
    return Path(paths[0]).parent


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing", fix=f"it belongs beside {CONFIG_NAME}") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", fix="copy or download it again") from error


def check_fit(state: dict[str, Tensor], expected: dict[str, Tensor], path: Path) -> None:
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
