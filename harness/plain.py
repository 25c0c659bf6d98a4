"""Frozen dataclasses as plain values that JSON holds, and back: what records and panels are written in."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

_Kind = TypeVar("_Kind")
_Convert = Callable[[Any], Any]


def to_plain(value: Any) -> Any:
    """Dictionaries, lists, numbers and texts in place of dataclasses, mappings, tuples, enums and paths."""
    kind: Any = type(value)
    return _writer(kind)(value)


def from_plain(kind: type[_Kind], value: Any) -> _Kind:
    """The inverse of `to_plain`; keys that `kind` does not have are ignored, those that lack keep their defaults.

    Raises: KeyError, TypeError, ValueError or AttributeError where `value` is not of this kind.
    """
    annotated: Any = kind
    return typing.cast("_Kind", _reader(annotated)(value))


@cache
def _writer(kind: type) -> _Convert:
    """What makes values of this type plain; found once a type, for a store has millions of values."""
    if issubclass(kind, Enum):
        return lambda value: value.value
    if issubclass(kind, Path):
        return str
    if is_dataclass(kind):
        names = [each.name for each in fields(kind)]
        return lambda value: {name: to_plain(getattr(value, name)) for name in names}
    if issubclass(kind, Mapping):
        return lambda value: {to_plain(key): to_plain(item) for key, item in value.items()}
    return (lambda value: [to_plain(item) for item in value]) if issubclass(kind, tuple) else _as_it_is


@cache
def _reader(kind: Any) -> _Convert:
    """What makes a value of the annotated type: dataclasses, enums, tuples and mappings are rebuilt, the rest is kept.

    Found once a type: to look an annotation up takes longer than all the rest of reading a record.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        inner = _reader(next(argument for argument in arguments if argument is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        item = _reader(arguments[0])
        return tuple if item is _as_it_is else lambda value: tuple(map(item, value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, item = map(_reader, arguments)
        return lambda value: {key(name): item(each) for name, each in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return _rebuilder(kind)
    return kind if isinstance(kind, type) and issubclass(kind, Enum | Path) else _as_it_is


def _rebuilder(kind: Any) -> _Convert:
    """What makes the dataclass `kind`; a field that was added after `value` was written keeps its default."""
    hints = typing.get_type_hints(kind)
    readers = {each.name: _reader(hints[each.name]) for each in fields(kind)}
    needed = {each.name for each in fields(kind) if each.default is each.default_factory is MISSING}

    def rebuilt(value: Mapping[str, Any]) -> Any:
        known = {
            name: reader(value[name]) for name, reader in readers.items() if name in value or name in needed
        }
        return kind(**known)

    return rebuilt


def _as_it_is(value: Any) -> Any:
    return value
