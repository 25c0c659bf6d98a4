"""The layout of MAGVIT2's checkpoints: which keys there are, in which shapes, read off the widths of a few.

The decoder grows a 16x16 grid of 18 channels level by level into an image; the encoder is its mirror. Level i is
`widths[i]` wide on both sides; level 0 is the image's own resolution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.errors import DataInvalid
from harness.spec import CHALLENGE

BITS = (CHALLENGE.vocab - 1).bit_length()
"""Channels of a latent, one for each bit of a token."""

COLOURS = 3
GROUPS = 32
_NAMED = 4
"""How many of the keys that are wrong an error names."""

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The sizes of an encoder and its decoder.

    Attributes:
        widths: channels of each level, the image's resolution first.
        blocks: residual blocks of each level.
        mid_blocks: residual blocks at the grid's resolution, beside those of its level.
    """

    widths: tuple[int, ...]
    blocks: int
    mid_blocks: int

    @property
    def levels(self) -> int:
        """Resolutions; each doubles the one before."""
        return len(self.widths)

    @property
    def patch(self) -> int:
        """Pixels a side that one token stands for."""
        return int(2 ** (self.levels - 1))


def read_layout(shapes: Mapping[str, Shape], *, source: str) -> Layout:
    """The layout of a checkpoint whose keys `encoder.*` and `decoder.*` have these shapes; others are not looked at.

    Raises: DataInvalid where a key is missing, unknown, or of a shape that does not fit.
    """
    first = "decoder.up.{}.block.0.norm2.weight"
    levels = _count(shapes, first)
    if not levels:
        raise _another_layout(source, [f"{first.format(0)} is missing"])
    layout = Layout(
        widths=tuple(shapes[first.format(i)][0] for i in range(levels)),
        blocks=_count(shapes, "decoder.up.0.block.{}.norm1.weight"),
        mid_blocks=_count(shapes, "decoder.mid_block.{}.norm1.weight"),
    )
    wrong = sorted(_differences(layout, shapes))
    if wrong:
        raise _another_layout(source, wrong)
    return layout


def _differences(layout: Layout, shapes: Mapping[str, Shape]) -> Iterator[str]:
    """What keeps these shapes from being that layout's."""
    found = {key: shape for key, shape in shapes.items() if key.startswith(("encoder.", "decoder."))}
    wanted = dict(expected_shapes(layout))
    yield from (f"{key} is missing" for key in wanted.keys() - found.keys())
    yield from (f"{key} is unknown" for key in found.keys() - wanted.keys())
    for key in wanted.keys() & found.keys():
        if found[key] != wanted[key]:
            yield f"{key} has shape {list(found[key])}, not {list(wanted[key])}"
    for width in layout.widths:
        if width % GROUPS or width < 1:
            yield f"a level has {width} channels, which {GROUPS} groups do not divide"


def _another_layout(source: str, wrong: list[str]) -> DataInvalid:
    more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return DataInvalid(
        f"{source} is not laid out as MAGVIT2's checkpoint is: {'; '.join(wrong[:_NAMED])}{more}",
        code="codec.layout",
        fix="use the challenge's own checkpoint: wmc data pull --codec",
    )


def expected_shapes(layout: Layout) -> Iterator[tuple[str, Shape]]:
    """Every key of an encoder and a decoder of this layout, with its shape."""
    yield from _encoder(layout)
    yield from _decoder(layout)


def _encoder(layout: Layout) -> Iterator[tuple[str, Shape]]:
    wide = layout.widths[0]
    yield "encoder.conv_in.weight", (wide, COLOURS, 3, 3)
    for i, width in enumerate(layout.widths):
        for j in range(layout.blocks):
            yield from _residual(f"encoder.down.{i}.block.{j}", wide, width)
            wide = width
        if i < layout.levels - 1:
            yield from _conv(f"encoder.down.{i}.downsample", wide, wide, 3)
    yield from _tail("encoder", layout, wide, BITS, 1)


def _decoder(layout: Layout) -> Iterator[tuple[str, Shape]]:
    wide = layout.widths[-1]
    yield from _conv("decoder.conv_in", BITS, wide, 3)
    for i, width in reversed(list(enumerate(layout.widths))):
        for j in range(layout.blocks):
            yield from _residual(f"decoder.up.{i}.block.{j}", wide, width)
            wide = width
        if i > 0:
            yield from _conv(f"decoder.up.{i}.upsample.conv1", wide, 4 * wide, 3)
    yield from _tail("decoder", layout, wide, COLOURS, 3)


def _tail(side: str, layout: Layout, wide: int, out: int, kernel: int) -> Iterator[tuple[str, Shape]]:
    for j in range(layout.mid_blocks):
        yield from _residual(f"{side}.mid_block.{j}", layout.widths[-1], layout.widths[-1])
    yield from _norm(f"{side}.norm_out", wide)
    yield from _conv(f"{side}.conv_out", wide, out, kernel)


def _residual(name: str, wide: int, out: int) -> Iterator[tuple[str, Shape]]:
    yield from _norm(f"{name}.norm1", wide)
    yield from _norm(f"{name}.norm2", out)
    yield f"{name}.conv1.weight", (out, wide, 3, 3)
    yield f"{name}.conv2.weight", (out, out, 3, 3)
    if wide != out:
        yield f"{name}.nin_shortcut.weight", (out, wide, 1, 1)


def _norm(name: str, wide: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (wide,)
    yield f"{name}.bias", (wide,)


def _conv(name: str, wide: int, out: int, kernel: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (out, wide, kernel, kernel)
    yield f"{name}.bias", (out,)


def _count(shapes: Mapping[str, Shape], key: str) -> int:
    """How many of the keys with 0, 1, 2, ... in place of {} there are, one after the other, as vectors."""
    number = 0
    while len(shapes.get(key.format(number), ())) == 1:
        number += 1
    return number
