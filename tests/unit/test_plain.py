"""Dataclasses become plain values and come back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import pytest

from harness.plain import from_plain, to_plain


class Colour(str, Enum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Leaf:
    size: int
    ci: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Tree:
    colour: Colour
    leaves: tuple[Leaf, ...]
    named: Mapping[Colour, Leaf]
    notes: tuple[str, ...] = field(default=("new",))


TREE = Tree(
    colour=Colour.RED,
    leaves=(Leaf(size=1), Leaf(size=2, ci=(0.5, 1.5))),
    named={Colour.RED: Leaf(size=3)},
    notes=("a", "b"),
)


def test_a_value_comes_back_through_json_as_it_was() -> None:
    assert from_plain(Tree, json.loads(json.dumps(to_plain(TREE)))) == TREE


def test_a_field_that_was_added_later_keeps_its_default_and_an_unknown_one_is_ignored() -> None:
    plain = to_plain(TREE)
    del plain["notes"]
    plain["unknown"] = 1
    assert from_plain(Tree, plain).notes == ("new",)


@pytest.mark.parametrize("wrong", [{}, [], {"colour": "blue", "leaves": [], "named": {}}, None])
def test_a_value_of_another_kind_is_not_taken(wrong: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        from_plain(Tree, wrong)
