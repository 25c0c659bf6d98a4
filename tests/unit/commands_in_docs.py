"""Finds the commands that a text shows, in fenced blocks and inline code, and holds them against the real parser."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`((?:[^`\n]|\n(?!\s*\n))+)`(?!`)")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_./@]*")
_BEFORE = {"$", "sudo", "nice", "time"}
_ELIDED = "..."


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A command as a text shows it.

    Attributes:
        line: of the text, from 1.
        words: what follows `wmc` or `make`.
        program: `wmc` or `make`.
        is_whole: it is there to be typed; otherwise what it needs may be left out.
    """

    line: int
    program: str
    words: tuple[str, ...]
    is_whole: bool


def commands_in(text: str) -> Iterator[Shown]:
    """Every command for `wmc` or `make` in a Markdown text, in no order."""
    for block in _FENCE.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        for number, line in _joined(block[1]):
            yield from _in_line(line, line_number=first + number, is_whole=True)
    prose = _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
    for code in _INLINE.finditer(prose):
        at = prose.count("\n", 0, code.start(1)) + 1
        yield from _in_line(code[1].replace("\n", " "), line_number=at, is_whole=False)


def _joined(block: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 0; one that ends in a backslash goes on in the next."""
    begun, at = "", 0
    for number, line in enumerate(block.splitlines()):
        at = at if begun else number
        begun += line
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        yield at, begun
        begun = ""


def _in_line(line: str, *, line_number: int, is_whole: bool) -> Iterator[Shown]:
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    try:
        found = list(words)
    except ValueError:  # prose with an apostrophe
        return
    for words_ in _simple(found):
        program, arguments = _program(words_)
        if program:
            yield Shown(
                line=line_number,
                program=program,
                words=tuple(word for word in map(_bare, arguments) if word != _ELIDED),
                is_whole=is_whole and _ELIDED not in arguments,
            )


def _simple(words: list[str]) -> Iterator[list[str]]:
    """The commands between the shell's operators; where output goes is none of theirs."""
    command: list[str] = []
    for word in words:
        if set(word) <= set("();<>|&"):
            yield command
            command = [] if set(word) <= set("();|&") else ["a file"]
        else:
            command.append(word)
    yield command


def _program(words: list[str]) -> tuple[str, list[str]]:
    while words and (words[0] in _BEFORE or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    for number in range(len(words) - 1):
        if words[number : number + 2] == ["-m", "harness"]:
            return "wmc", words[number + 2 :]
    if len(words) > 1 and words[0].rpartition("/")[2] in {"wmc", "make"}:
        return words[0].rpartition("/")[2], words[1:]
    return "", []


def _bare(word: str) -> str:
    """`[GRADE]` and `GRADE...` are GRADE."""
    return word.strip("[]").removesuffix(_ELIDED) or _ELIDED


def fault_of(parser: argparse.ArgumentParser, shown: Shown) -> str | None:
    """What the parser has against a command; None where it is one."""
    for each in _with_parsers_below(parser):
        _prepare(each, is_whole=shown.is_whole)
    try:
        parser.parse_args(shown.words)
    except ValueError as error:
        return str(error)
    except SystemExit as end:  # --help, --version
        return None if not end.code else f"ended with {end.code}"
    return None


def helps_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """The help of every command, by its name."""
    return {each.prog: each.format_help() for each in _with_parsers_below(parser)}


def _with_parsers_below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _with_parsers_below(below)


def _prepare(parser: argparse.ArgumentParser, *, is_whole: bool) -> None:
    """Faults are raised, options are written out, and a name in capitals stands for any value."""

    def error(message: str) -> NoReturn:
        raise ValueError(message)

    parser.error = error  # type: ignore[method-assign]
    parser.allow_abbrev = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        action.type = _lenient(action)
        if action.choices is not None:
            action.choices = _Any(action.choices)
        if not is_whole:
            action.required = False
            if action.nargs in {None, "+"}:
                action.nargs = "?" if action.nargs is None else "*"
    for group in parser._mutually_exclusive_groups:
        group.required = group.required and is_whole


class _Any(list[Any]):
    """Choices, and every placeholder."""

    def __contains__(self, value: object) -> bool:
        return super().__contains__(value) or (isinstance(value, str) and bool(_PLACEHOLDER.fullmatch(value)))


def _lenient(action: argparse.Action) -> Any:
    convert: Any = action.type or str

    def of(text: str) -> Any:
        return text if _PLACEHOLDER.fullmatch(text) else convert(text)

    of.__name__ = getattr(convert, "__name__", "value")
    return of


def targets_of(makefile: Path) -> set[str]:
    """What `make` can be asked for."""
    return set(re.findall(r"^([a-z][a-z-]*):", makefile.read_text(), re.MULTILINE))
