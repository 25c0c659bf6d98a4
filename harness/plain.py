"""Frozen dataclasses as plain values that JSON holds, and back: what records and panels are written in."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

_Kind = TypeVar("_Kind")


def to_plain(value: Any) -> Any:
    """Dictionaries, lists, numbers and texts in place of dataclasses, mappings, tuples, enums and paths."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, tuple) else value


def from_plain(kind: type[_Kind], value: Any) -> _Kind:
    """The inverse of `to_plain`; keys that `kind` does not have are ignored, those that lack keep their defaults.

    Raises: KeyError, TypeError, ValueError or AttributeError where `value` is not of this kind.
    """
    return typing.cast("_Kind", _typed(kind, value))


def _typed(kind: Any, value: Any) -> Any:
    """`value` as the annotated type: dataclasses, enums, tuples and mappings are rebuilt, the rest is kept."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        inner = next(argument for argument in arguments if argument is not type(None))
        return None if value is None else _typed(inner, value)
    if origin is tuple:
        return tuple(_typed(arguments[0], item) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {_typed(arguments[0], key): _typed(arguments[1], item) for key, item in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return _rebuilt(kind, value)
    return kind(value) if isinstance(kind, type) and issubclass(kind, Enum | Path) else value


def _rebuilt(kind: Any, value: Mapping[str, Any]) -> Any:
    """The dataclass `kind`; a field that was added after `value` was written keeps its default."""
    hints = _hints(kind)
    known = [
        each
        for each in fields(kind)
        if each.name in value or (each.default is MISSING and each.default_factory is MISSING)
    ]
    return kind(**{each.name: _typed(hints[each.name], value[each.name]) for each in known})


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    """What the fields of `kind` hold; looked up once, for it takes longer than all the rest of reading a record."""
    return typing.get_type_hints(kind)
