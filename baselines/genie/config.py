"""The shape of a Genie, as 1X's `config.json` gives it."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

FILE_NAME = "config.json"
PUBLISHED_MUP_WIDTH = 256
"""The width at which muP changes nothing: 1X tuned there."""

CHALLENGE_VOCAB = 2**18
CHALLENGE_POSITIONS = 256
CHALLENGE_FRAMES = 16
_FIX = "correct it; for weights you were given, take the config.json that came with them"


class CheckpointError(Exception):
    """A checkpoint that cannot be used: what is wrong with it, and what to do."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(f"{message}; {fix}")
        self.message = message
        self.fix = fix


@dataclass(frozen=True, kw_only=True)
class GenieConfig:
    """Names and defaults are 1X's; what only training needs is here too, so that the file survives a round trip.

    Attributes:
        num_layers, num_heads, d_model: depth, heads of each attention, width D.
        T, S: frames of a window, positions of a frame (a square number).
        image_vocab_size: token ids; the id after the last one stands for "masked".
        num_factored_vocabs, factored_vocab_size: how many digits a token has, and in which base.
        use_mup: attention scaled by 8 / head width, readout by 256 / D.
        qk_norm: one LayerNorm over each head's queries and keys instead of two over the width.
        mlp_ratio: inner width of the MLP over D.
        num_prompt_frames, max_corrupt_rate, non_mlm_ratio: see masking.py.
        action_width: columns of the actions it is told; 0, as in all of 1X's, for none. In the file only if there are
            some.
    """

    num_layers: int
    num_heads: int
    d_model: int
    T: int = 16
    S: int = 256
    image_vocab_size: int = 262144
    use_mup: bool = False
    num_factored_vocabs: int = 2
    factored_vocab_size: int = 512
    max_corrupt_rate: float = 0.2
    non_mlm_ratio: float = 0.5
    num_prompt_frames: int = 8
    qkv_bias: bool = False
    proj_bias: bool = True
    attn_drop: float = 0.0
    qk_norm: bool = False
    mlp_ratio: float = 4.0
    mlp_drop: float = 0.0
    mlp_bias: bool = True
    action_width: int = 0

    def __post_init__(self) -> None:
        for mistake in _mistakes(self):
            raise CheckpointError(mistake, fix=_FIX)

    @property
    def side(self) -> int:
        """Rows of a frame, and columns: H = W."""
        return math.isqrt(self.S)

    @property
    def head_width(self) -> int:
        """Channels of one head: E."""
        return self.d_model // self.num_heads

    @property
    def mask_id(self) -> int:
        """The id that stands for a masked position."""
        return self.image_vocab_size

    @property
    def attention_scale(self) -> float:
        """What the product of a query and a key is multiplied by."""
        return 8 / self.head_width if self.use_mup else self.head_width**-0.5

    @property
    def readout_scale(self) -> float:
        """What the readout's input is multiplied by."""
        return PUBLISHED_MUP_WIDTH / self.d_model if self.use_mup else 1.0

    def to_json(self) -> str:
        """The text of `config.json`, keys in 1X's order."""
        values = asdict(self)
        if not self.action_width:
            del values["action_width"]
        return json.dumps(values, indent=2, sort_keys=True)


def read_config(path: Path) -> GenieConfig:
    """The config in a `config.json`; CheckpointError if it is not one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing", fix="it belongs beside model.safetensors") from error
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ones
        raise CheckpointError(f"{path} is not JSON: {error}", fix=_FIX) from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds no table", fix=_FIX)
    known = {field.name: field for field in fields(GenieConfig)}
    missing = [name for name, field in known.items() if field.default is MISSING and name not in values]
    unknown = sorted(set(values) - set(known))
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}", fix="is this the config of a Genie?")
    if unknown:
        raise CheckpointError(
            f"{path} has keys of no Genie known here: {', '.join(unknown)}",
            fix="is this the config of a Genie? One that needs such keys, or another model, cannot be run by this code",
        )
    try:
        return GenieConfig(**values)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.message}", fix=error.fix) from error


def check_challenge(config: GenieConfig) -> None:
    """CheckpointError if this Genie speaks of other frames than the challenge's, or of too few."""
    if (config.image_vocab_size, config.S) != (CHALLENGE_VOCAB, CHALLENGE_POSITIONS):
        raise CheckpointError(
            f"the Genie is for frames of {config.S} tokens out of {config.image_vocab_size}; "
            f"the challenge's have {CHALLENGE_POSITIONS} out of {CHALLENGE_VOCAB}",
            fix="take one for the challenge's data",
        )
    if config.T < CHALLENGE_FRAMES:
        raise CheckpointError(
            f"the Genie knows windows of {config.T} frames; the challenge's have {CHALLENGE_FRAMES}",
            fix="take one for the challenge's data",
        )


def _mistakes(config: GenieConfig) -> list[str]:
    """What cannot be right, in words; empty if nothing."""
    wrong_types = [
        f"{field.name} is {getattr(config, field.name)!r}, not {_TYPES[str(field.type)][1]}"
        for field in fields(config)
        if not _is_a(getattr(config, field.name), _TYPES[str(field.type)][0])
    ]
    if wrong_types:
        return wrong_types
    found = [
        f"{name} is {getattr(config, name)}, it must be positive"
        for name in ("num_layers", "num_heads", "d_model", "T", "S", "factored_vocab_size")
        if getattr(config, name) < 1
    ]
    if found:
        return found
    if config.action_width < 0:
        found.append(f"action_width is {config.action_width}, it must not be negative")
    if config.d_model % config.num_heads:
        found.append(f"d_model {config.d_model} is no multiple of num_heads {config.num_heads}")
    if config.side**2 != config.S:
        found.append(f"S is {config.S}; a frame is a square, 256 for one of 16x16")
    if config.num_factored_vocabs != 2 or config.factored_vocab_size**2 != config.image_vocab_size:
        found.append(
            f"a vocabulary of {config.image_vocab_size} in {config.num_factored_vocabs} factors of "
            f"{config.factored_vocab_size}; two factors must make up a token, as 512 * 512 = 262144"
        )
    if not 0 < config.num_prompt_frames < config.T:
        found.append(
            f"num_prompt_frames is {config.num_prompt_frames} of {config.T} frames, it must be 1 to {config.T - 1}"
        )
    if config.d_model * config.mlp_ratio < 1:
        found.append(f"mlp_ratio is {config.mlp_ratio}: of a d_model of {config.d_model} it leaves nothing")
    return found


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
}


def _is_a(value: Any, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))
