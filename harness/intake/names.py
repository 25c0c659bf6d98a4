"""Which names a member of a submission may have, so that all readers and file systems see the same tree."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from harness.errors import ArchiveRejected
from harness.text import spelled_out

MAX_NAME_BYTES = 200
MAX_DEPTH = 20

_ALLOWED = frozenset(string.ascii_letters + string.digits + "._/-")
_RENAME = "rename it: letters, digits, dot, underscore and hyphen, with / between folders"
_USE_SUBMIT = "make the zip again with `wmc submit FOLDER`"


def checked_name(raw: bytes) -> str:
    """`raw` as a relative path without a trailing slash; one that a system reads differently is refused."""
    text = raw.decode("utf-8", "surrogateescape")
    for rule in _RULES:
        if rule.is_wrong(text):
            raise ArchiveRejected(f'"{spelled_out(raw)}" {rule.what}', fix=rule.fix, code=rule.code)
    return text.removesuffix("/")


def _parts(text: str) -> list[str]:
    return text.removesuffix("/").split("/")


def _turns_direction(char: str) -> bool:
    return unicodedata.bidirectional(char) in {
        "R",
        "AL",
        "RLE",
        "RLO",
        "RLI",
        "LRE",
        "LRO",
        "LRI",
        "PDF",
        "PDI",
    }


def _is_control(char: str) -> bool:
    return unicodedata.category(char) == "Cc"


class _Rule(NamedTuple):
    is_wrong: Callable[[str], bool]
    code: str
    what: str
    fix: str


# In the order in which they are tried: the first that applies is the reason given.
_RULES: tuple[_Rule, ...] = (
    _Rule(lambda t: not t, "archive.name_empty", "is a member without a name", _USE_SUBMIT),
    _Rule(
        lambda t: "\0" in t,
        "archive.name_nul",
        "has a NUL byte in its name: some readers stop there",
        _USE_SUBMIT,
    ),
    _Rule(
        lambda t: any(map(_is_control, t)),
        "archive.name_control",
        "has a control character in its name",
        _RENAME,
    ),
    _Rule(
        lambda t: "\\" in t, "archive.name_backslash", "has a backslash in its name", "use / between folders"
    ),
    _Rule(
        lambda t: t[1:2] == ":",
        "archive.name_drive",
        "starts with a drive letter",
        "use names relative to the entry's folder",
    ),
    _Rule(
        lambda t: t[0] == "/",
        "archive.name_absolute",
        "is an absolute path",
        "use names relative to the entry's folder",
    ),
    _Rule(
        lambda t: ".." in _parts(t),
        "archive.name_escapes",
        "leaves the entry's folder through ..",
        "remove the .. part",
    ),
    _Rule(
        lambda t: any(part and not part.strip(".") for part in _parts(t)),
        "archive.name_dots",
        "has a folder or file name made of dots only",
        _RENAME,
    ),
    _Rule(
        lambda t: "" in _parts(t),
        "archive.name_empty_part",
        "has an empty part between two slashes",
        _USE_SUBMIT,
    ),
    _Rule(
        lambda t: any(map(_turns_direction, t)),
        "archive.name_direction",
        "has characters that turn the writing direction, so it reads as something else",
        _RENAME,
    ),
    _Rule(
        lambda t: not t.isascii(),
        "archive.name_not_ascii",
        "has characters outside ASCII in its name",
        _RENAME,
    ),
    _Rule(
        lambda t: not _ALLOWED.issuperset(t),
        "archive.name_character",
        "has a character in its name that we do not take",
        _RENAME,
    ),
    _Rule(
        lambda t: len(t) > MAX_NAME_BYTES,
        "archive.name_too_long",
        f"is longer than {MAX_NAME_BYTES} bytes",
        "use shorter names or fewer folders",
    ),
    _Rule(
        lambda t: len(_parts(t)) > MAX_DEPTH,
        "archive.name_too_deep",
        f"lies more than {MAX_DEPTH} folders deep",
        "use fewer folders",
    ),
)


class Tree:
    """The names seen so far; refuses a second one on the same place, upper and lower case being equal."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, bool]] = {}
        self._declared: set[str] = set()

    def __len__(self) -> int:
        """Files and folders that unpacking would make, folders no member names included."""
        return len(self._places)

    def add(self, name: str, *, is_folder: bool) -> None:
        """Take `name` (checked) and the folders above it, or raise ArchiveRejected."""
        parts = name.split("/")
        for depth in range(1, len(parts)):
            self._place("/".join(parts[:depth]), is_folder=True)
        self._place(name, is_folder=is_folder)
        if name in self._declared:
            raise ArchiveRejected(
                f'"{name}" is in the zip twice: readers disagree on which one counts',
                fix=_USE_SUBMIT,
                code="archive.duplicate_name",
            )
        self._declared.add(name)

    def _place(self, name: str, *, is_folder: bool) -> None:
        earlier, was_folder = self._places.setdefault(name.casefold(), (name, is_folder))
        if earlier != name:
            raise ArchiveRejected(
                f'"{name}" and "{earlier}" are one name where upper and lower case are not told apart',
                fix="rename one of them",
                code="archive.case_collision",
            )
        if was_folder != is_folder:
            raise ArchiveRejected(
                f'"{name}" is both a file and a folder',
                fix="rename one of them",
                code="archive.file_is_folder",
            )
