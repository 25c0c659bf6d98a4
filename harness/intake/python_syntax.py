"""A stranger's Python as a tree, in work that grows as the file does; what would take more is not parsed, and said."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from harness.intake.finding import UnreadableError

_MOST_DOTS = 100
"""In a row, as in a.b.c. The memory that Python's own parser takes for a module's name grows with their square."""
_CODING = re.compile(rb"coding[:=][ \t]*([-\w.]+)")
_CODINGS = ("utf-8", "utf8", "ascii", "us-ascii", "latin-1", "latin1", "iso-8859-1", "iso-8859-15", "cp1252")


def parsed(source: bytes) -> ast.Module:
    """The tree.

    Raises: UnreadableError for what this Python does not parse, or only with far too much work.
    """
    _check_coding(source)
    _check_dots(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes and comparisons, which are the entrant's
            return ast.parse(source)
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""
        raise UnreadableError(f"this Python does not parse it: {error.msg}{where}") from error
    except (RecursionError, MemoryError) as error:
        raise UnreadableError("nested too deeply to be parsed") from error
    except (ValueError, LookupError) as error:
        raise UnreadableError(f"this Python does not read it: {error}") from error


def outermost(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node, but of `a.b.c` only the whole and not the `a.b` in it."""
    inner: set[int] = set()
    for node in ast.walk(tree):  # what holds a node comes before it
        if isinstance(node, ast.Attribute):
            inner.add(id(node.value))
            if id(node) in inner:
                continue
        yield node


def _check_coding(source: bytes) -> None:
    """Refuse a coding in which Python reads other words than a person; to decode punycode takes seconds, too."""
    for line in re.split(rb"\r\n|\r|\n", source, maxsplit=2)[:2]:
        for match in _CODING.finditer(line.partition(b"#")[2]):
            coding = match[1].decode("latin-1").lower().replace("_", "-")
            if coding not in _CODINGS and not coding.startswith("utf-8-"):
                raise UnreadableError(f"it says that it is coded in {coding[:40]}: read it by hand")


def _check_dots(source: bytes) -> None:
    """Refuse a name of very many parts, wherever its spaces and continued lines are."""
    joined = re.sub(rb" ?\. ?", b".", re.sub(rb"[\s\\]+", b" ", source))
    if b".x" * _MOST_DOTS in re.sub(rb"[\w\x80-\xff]+", b"x", joined):
        raise UnreadableError(f"a name in it has more than {_MOST_DOTS} parts: read it by hand")
