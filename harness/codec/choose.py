"""Which codec a clip's tokens are read with: the one its metadata names, or the one that was asked for."""

from __future__ import annotations

import json
from pathlib import Path

from harness.codec.codec import Codec
from harness.codec.magvit2 import Magvit2Codec, Precision
from harness.codec.magvit2_checkpoint import PULL
from harness.codec.patch import PatchCodec
from harness.data.published import CODEC_FILE
from harness.errors import DataInvalid, UsageError

_PATCH, _MAGVIT2 = ".npz", ".ckpt"


def open_codec(
    clip_folder: Path,
    choice: str | None = None,
    *,
    device: str | None = None,
    precision: Precision = Precision.FLOAT32,
) -> Codec:
    """The codec at the path `choice`, or else the one that made the tokens in `clip_folder`.

    A name that ends in .npz is a patch codec's, .ckpt MAGVIT2's; `device` and `precision` are MAGVIT2's.
    Raises: DataInvalid, DependencyMissing, UsageError.
    """
    path = _named(clip_folder) if choice is None else Path(choice)
    if path.suffix == _PATCH:
        return PatchCodec.load(path)
    if path.suffix == _MAGVIT2:
        if not path.is_file():  # said before torch is looked for: it may be missing as well
            raise DataInvalid(
                f"there is no codec at {path}",
                code="codec.missing",
                fix=f"fetch it with `{PULL}`, or say where it is with --codec PATH",
            )
        return Magvit2Codec.load(path, device=device, precision=precision)
    raise UsageError(
        f"{path} is no codec: its name ends neither in {_PATCH} nor in {_MAGVIT2}",
        code="usage.codec",
        fix=f"--codec takes the codec.npz of demo data or {CODEC_FILE}",
    )


def _named(clip_folder: Path) -> Path:
    """Where the codec is that a clip's metadata names.

    The demo names its codec from the clip's folder; 1X's data names data/magvit2.ckpt from where its programs are
    started, which is beside the split's folder.
    """
    path = clip_folder / "metadata.json"
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataInvalid(
            f"{path} cannot be read: {error}",
            code="data.metadata_unreadable",
            fix="name a split's own folder, such as data/val_v1.1",
        ) from error
    name = metadata.get("tokenizer_ckpt") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise DataInvalid(
            f"{path} names no codec (tokenizer_ckpt)",
            code="codec.not_named",
            fix="say which one made these tokens with --codec PATH",
        )
    beside = clip_folder.absolute().parent / Path(name).name
    places = (clip_folder / name, beside, Path(name))
    return next((place for place in places if place.is_file()), beside)
