"""The shape of a causal language model, as its `config.json` gives it."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

FILE_NAME = "config.json"
CHALLENGE = (16, 16, 512)
"""Frames of a window, side of a frame, values of a factor."""
ROTARY_STEP = 8
"""A head's width is a multiple of it: pairs of channels for each of frame, row and column."""
_FIX = "correct it; for weights you were given, take the config.json that came with them"


class CheckpointError(Exception):
    """A checkpoint that cannot be used: what is wrong with it, and what to do."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(f"{message}; {fix}")
        self.message = message
        self.fix = fix


@dataclass(frozen=True, kw_only=True)
class CausalConfig:
    """How large the model is, what windows it reads, and which tokens it is given side by side.

    Attributes:
        num_layers, num_heads, d_model: depth, heads of each attention, width D.
        frames, side, factor_vocab: T, H = W, V. A token has two factors.
        mlp_ratio: inner width of the MLP over D.
        neighbours: a step's input is the sum of the embeddings of the tokens so many places before its target: 1 is
            the token before it, 16 the one above, 256 the one in its place a frame ago. (1,) is a plain language model.
    """

    num_layers: int
    num_heads: int
    d_model: int
    frames: int = 16
    side: int = 16
    factor_vocab: int = 512
    mlp_ratio: float = 4.0
    neighbours: tuple[int, ...] = (1, 16, 256)

    def __post_init__(self) -> None:
        for mistake in _mistakes(self):
            raise CheckpointError(mistake, fix=_FIX)

    @property
    def frame_tokens(self) -> int:
        """Tokens of a frame: N."""
        return self.side**2

    @property
    def window_tokens(self) -> int:
        """Tokens of a window: P."""
        return self.frames * self.frame_tokens

    @property
    def head_width(self) -> int:
        """Channels of one head: E."""
        return self.d_model // self.num_heads

    def to_json(self) -> str:
        """The text of `config.json`."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)


def read_config(path: Path) -> CausalConfig:
    """The config in a `config.json`; CheckpointError if it is not one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing", fix="it belongs beside model.safetensors") from error
    except (ValueError, OSError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise CheckpointError(f"{path} is not JSON: {error}", fix=_FIX) from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds no table", fix=_FIX)
    known = {field.name: field for field in fields(CausalConfig)}
    missing = [name for name, field in known.items() if field.default is MISSING and name not in values]
    unknown = sorted(set(values) - set(known))
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}", fix="is this the config of a causal_lm?")
    if unknown:
        raise CheckpointError(
            f"{path} has keys that no causal_lm has: {', '.join(unknown)}",
            fix="a checkpoint that needs them cannot be run by this code",
        )
    if isinstance(values.get("neighbours"), list):
        values["neighbours"] = tuple(values["neighbours"])
    try:
        return CausalConfig(**values)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.message}", fix=error.fix) from error


def check_challenge(config: CausalConfig) -> None:
    """CheckpointError if this model speaks of other windows than the challenge's."""
    found = (config.frames, config.side, config.factor_vocab)
    if found != CHALLENGE:
        raise CheckpointError(
            "the checkpoint is for {} frames of {side}x{side} tokens in base {}; the challenge has "
            "{} of {other}x{other} in base {}".format(
                found[0], found[2], CHALLENGE[0], CHALLENGE[2], side=found[1], other=CHALLENGE[1]
            ),
            fix="take a checkpoint that was trained on the challenge's data",
        )


def _mistakes(config: CausalConfig) -> list[str]:
    """What cannot be right, in words; empty if nothing."""
    whole = ("num_layers", "num_heads", "d_model", "frames", "side", "factor_vocab")
    found = [
        f"{name} is {getattr(config, name)!r}, not a positive whole number"
        for name in whole
        if not _is_positive_int(getattr(config, name))
    ]
    if not _is_number(config.mlp_ratio) or config.mlp_ratio <= 0:
        found.append(f"mlp_ratio is {config.mlp_ratio!r}, not a positive number")
    places = config.neighbours
    if not isinstance(places, tuple) or not all(map(_is_positive_int, places)) or 1 not in places:
        found.append(f"neighbours is {places!r}, not positive whole numbers with 1 among them")
    elif len(set(places)) != len(places):
        found.append(f"neighbours is {places!r}: one is named twice")
    if found:
        return found
    if config.d_model % (config.num_heads * ROTARY_STEP):
        found.append(
            f"d_model {config.d_model} is no multiple of {ROTARY_STEP} times num_heads {config.num_heads}"
        )
    if config.d_model * config.mlp_ratio < 1:
        found.append(f"mlp_ratio is {config.mlp_ratio}: of a d_model of {config.d_model} it leaves nothing")
    if config.frames < 2:
        found.append("frames is 1: nothing is left to predict after the first")
    return found


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
