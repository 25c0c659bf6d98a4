"""`wmc.toml`, what an entrant declares about an entry."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

from harness.errors import ManifestProblem, ManifestRejected
from harness.text import spelled_out

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 1 << 16
_FILE = "(file)"
_MOST_DOTS = 64
"""Outside of texts and comments. Numbers have one each; the memory a key takes grows with the square of its dots."""
_MOST_UNKNOWN = 20
"""Keys that are named: who writes more has written another file."""
_TEXTS_AND_COMMENTS = re.compile(
    r'''"""(?:\\.|[^\\])*?(?:"{3,5}|\Z)|"(?:\\.|[^"\\\n])*"?|\'{3}.*?(?:\'{3,5}|\Z)|'[^'\n]*'?|\#[^\n]*''',
    re.DOTALL,
)
"""As TOML reads them. One without an end goes on to the end of its line, or of the file: TOML gives up at it."""
_SHOWN = 40
_LARGEST = 10**15


@dataclass(frozen=True, kw_only=True)
class EntryManifest:
    """What an entrant declares; the text in it is one's own and must be escaped before it is shown.

    Attributes:
        user_name: one per entrant, `[A-Za-z0-9_-]{1,32}`.
        email: tied to the user name; never published.
        entry_name: what the leaderboard calls the entry, at most 64 characters.
        description: what it is, at most 2,000 characters; line breaks are allowed.
        training_flops: spent to train it, everything included; 0 for no training.
        external_data: one text per source beyond the challenge's own data, pretrained weights included.
        rules_accepted, eligibility_attested: always true in a manifest that passed.
        claimed_val_loss: temporally teacher-forced, nats per token, on the public val; None if not claimed.
        causal: predicts token by token too, and is graded in the fully teacher-forced regime.
        parameters: how many numbers of the model were learned; None if that is not declared.
        forbidden_reference: breaks rule 5 on purpose, to show what the check sees; it never ranks.
        eligible_for_prize: false for one that ranks and wants no prize, or may have none.
    """

    user_name: str
    email: str
    entry_name: str
    description: str
    training_flops: float
    external_data: tuple[str, ...]
    rules_accepted: bool
    eligibility_attested: bool
    claimed_val_loss: float | None = None
    causal: bool = False
    parameters: float | None = None
    forbidden_reference: bool = False
    eligible_for_prize: bool = True

    @property
    def email_sha256(self) -> str:
        """What stands for the address wherever it is kept: of the address in lower case."""
        return hashlib.sha256(self.email.lower().encode()).hexdigest()

    @property
    def zip_name(self) -> str:
        """`<user>-<entry>.zip`, in characters every file system takes."""
        return f"{self.user_name}-{self.slug}.zip"

    @property
    def slug(self) -> str:
        """The entry's name in characters every file system takes; two names may have the same."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.entry_name).strip("-.") or "entry"


def parse_manifest(text: bytes) -> EntryManifest:
    """The manifest in `text`, or ManifestRejected with every mistake in it."""
    table = _parsed(text)
    values: dict[str, Any] = {}
    problems = [_unknown(key) for key in islice((key for key in table if key not in _CHECKS), _MOST_UNKNOWN)]
    for field in fields(EntryManifest):
        check, advice = _CHECKS[field.name]
        if field.name not in table:
            if field.name not in _OPTIONAL:
                problems.append(_problem(field.name, "is missing", f"add {advice}"))
            continue
        try:
            values[field.name] = check(table[field.name])
        except _MistakeError as mistake:
            problems.append(_problem(field.name, str(mistake), f"write {advice}"))
    if problems:
        raise ManifestRejected(tuple(problems))
    return EntryManifest(**values)


def problem_with(field: str, value: object) -> ManifestProblem | None:
    """What is wrong with one value of the manifest; None if nothing is."""
    check, advice = _CHECKS[field]
    try:
        check(value)
    except _MistakeError as mistake:
        return _problem(field, str(mistake), f"write {advice}")
    return None


class _MistakeError(Exception):
    """What is wrong with one value."""


def _problem(field: str, message: str, fix: str) -> ManifestProblem:
    return ManifestProblem(field=field, message=message, fix=fix)


def _parsed(text: bytes) -> Mapping[str, Any]:
    """The TOML table, or ManifestRejected with the one reason why there is none."""
    if len(text) > MAX_BYTES:
        message, fix = f"is longer than {MAX_BYTES} bytes", "shorten the description"
        raise ManifestRejected((_problem(_FILE, message, fix),))
    try:
        toml = text.decode("utf-8")
        _check_dots(toml)
        return tomllib.loads(toml)
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        message, fix = f"is not UTF-8 (line {line})", "save it as UTF-8"
    except ValueError as error:  # TOMLDecodeError is one; so is an integer of 5,000 digits
        message, fix = (
            f"is not TOML: {spelled_out(str(error), limit=200)}",
            "`wmc new FOLDER` makes one to compare with",
        )
    except RecursionError:
        message, fix = (
            "is not TOML we read: brackets nested too deep",
            "`wmc new FOLDER` makes one to compare with",
        )
    raise ManifestRejected((_problem(_FILE, message, fix),))


def _check_dots(toml: str) -> None:
    """Refuse keys of very many parts before they are read: 64 kB of them would take 4 GiB."""
    if _TEXTS_AND_COMMENTS.sub("", toml).count(".") > _MOST_DOTS:
        message = f"has more than {_MOST_DOTS} dots outside of texts and comments, and its keys have none"
        fix = "write each key plainly, as in what `wmc new FOLDER` makes, and quote every text"
        raise ManifestRejected((_problem(_FILE, message, fix),))


def _unknown(key: str) -> ManifestProblem:
    close = difflib.get_close_matches(key.lower(), _CHECKS, n=1)
    fix = f"did you mean {close[0]}?" if close else f"remove it; the keys are {', '.join(_CHECKS)}"
    return _problem(spelled_out(key), "is not a key of wmc.toml", fix)


def _got(value: object) -> str:
    """What somebody wrote, in words: its kind, and itself where that is short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'the text "{spelled_out(value, limit=_SHOWN)}"'
    if isinstance(value, int | float):
        return f"the number {_shown(value)}"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    return "a date or time"


def _shown(number: int | float) -> str:
    """A number in a few characters; a whole one of TOML may be too large for a float."""
    if isinstance(number, float) or abs(number) < _LARGEST:
        return f"{number:g}" if isinstance(number, float) else str(number)
    return f"{'-' if number < 0 else ''}1e{int(math.log10(abs(number)))} or more"


def _text(limit: int, *, lines: bool = False) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str):
            raise _MistakeError(f"is {_got(value)}, not text")
        if not value.strip():
            raise _MistakeError("is empty")
        if len(value) > limit:
            raise _MistakeError(f"has {len(value)} characters; {limit} are allowed")
        hidden = [char for char in value if not (char.isprintable() or (lines and char in "\n\t"))]
        if hidden:
            raise _MistakeError(f"holds a character that does not print ({spelled_out(hidden[0])})")
        return value.strip()

    return check


def _matching(pattern: str, limit: int, what: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        text = _text(limit)(value)
        if not re.fullmatch(pattern, text):
            raise _MistakeError(f'"{spelled_out(text)}" is not {what}')
        return text

    return check


def _number(*, most: float) -> Callable[[object], float]:
    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _MistakeError(f"is {_got(value)}, not a number")
        if not 0 <= value <= most:  # so for NaN; compared before it is converted: an int may not fit
            raise _MistakeError(f"is {_shown(value)}, which is not between 0 and {most:g}")
        return float(value)

    return check


def _count(*, most: float) -> Callable[[object], float]:
    def check(value: object) -> float:
        number = _number(most=most)(value)
        if not number.is_integer():
            raise _MistakeError(f"is {_shown(number)}, which is no whole number")
        return number

    return check


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _MistakeError(f"is {_got(value)}, not true or false")
    return value


def _agreed(value: object) -> bool:
    if not _flag(value):
        raise _MistakeError("is false; without it the entry cannot take part")
    return True


def _sources(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _MistakeError(f"is {_got(value)}, not a list")
    if len(value) > 50:
        raise _MistakeError(f"lists {len(value)} sources; 50 are allowed")
    try:
        return tuple(_text(300)(source) for source in value)
    except _MistakeError as mistake:
        raise _MistakeError(f"has a source that {mistake}") from mistake


_OPTIONAL = frozenset(
    {"claimed_val_loss", "causal", "parameters", "forbidden_reference", "eligible_for_prize"}
)

_CHECKS: dict[str, tuple[Callable[[object], object], str]] = {
    "user_name": (
        _matching(r"[A-Za-z0-9_-]{1,32}", 32, "a user name"),
        'user_name = "..." (1 to 32 letters, digits, _ or -)',
    ),
    "email": (
        _matching(r"[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+", 254, "an e-mail address"),
        'email = "you@example.org"',
    ),
    "entry_name": (_text(64), 'entry_name = "..." (one line of at most 64 characters that print)'),
    "description": (
        _text(2000, lines=True),
        'description = "..." (at most 2000 characters; line breaks are fine)',
    ),
    "training_flops": (_number(most=1e30), "training_flops = 1.5e19 (all training included; 0 for none)"),
    "external_data": (_sources, 'external_data = ["name: where it is from", ...] ([] for none)'),
    "rules_accepted": (_agreed, "rules_accepted = true, once you have read the rules"),
    "eligibility_attested": (_agreed, "eligibility_attested = true, if you are eligible"),
    "claimed_val_loss": (_number(most=1e3), "claimed_val_loss = 8.5 (nats per token), or leave it out"),
    "causal": (_flag, "causal = true or causal = false"),
    "parameters": (_count(most=1e15), "parameters = 1.8e6 (how many were learned), or leave it out"),
    "forbidden_reference": (
        _flag,
        "forbidden_reference = true, or leave it out: only for what breaks rule 5 on purpose",
    ),
    "eligible_for_prize": (_flag, "eligible_for_prize = false, or leave it out: it ranks and wins no prize"),
}
