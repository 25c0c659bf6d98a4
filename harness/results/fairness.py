"""The organiser's rules for private data, in one file of the store, for everything that is graded into it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StoreFailed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "fairness.toml"
"""At the store's top; where it is missing the defaults hold."""


@dataclass(frozen=True, kw_only=True)
class Fairness:
    """What holds on private data.

    Attributes:
        attempts: grades that an entrant has on one data set within `days`; failures of ours are not counted.
        days: the length of the period.
        organisers: user names whose entries are the organiser's own: no limit holds for them, and each of their
            grades is announced. An entrant who could send under such a name could probe the data.
    """

    attempts: int = 3
    days: float = 7.0
    organisers: tuple[str, ...] = ()

    def is_organisers(self, user_name: str | None) -> bool:
        """Whether entries under this name are the organiser's own."""
        return bool(user_name) and (user_name or "").casefold() in {
            name.casefold() for name in self.organisers
        }


def read_fairness(store: Path) -> Fairness:
    """The rules of the store at this folder.

    Raises: StoreFailed for a file that says anything else: a misspelt rule must not be one that does not hold.
    """
    path = store / FILE
    try:
        return _checked(tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return Fairness()
    except (OSError, ValueError, TypeError) as error:
        raise StoreFailed(
            f"{path} cannot be read: {error}",
            code="store.bad_fairness",
            fix='write attempts = 3, days = 7 and organisers = ["NAME"], as far as they differ from the default, '
            "or remove it",
        ) from error


def _checked(table: Mapping[str, Any]) -> Fairness:
    if unknown := set(table) - {"attempts", "days", "organisers"}:
        raise ValueError(f"{', '.join(sorted(unknown))} is no rule")
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    found = Fairness(**given)
    if not _is_number(found.attempts, int) or found.attempts < 0:
        raise ValueError("attempts is no whole number of at least 0")
    if not _is_number(found.days, int, float) or not 0 < found.days < float("inf"):
        raise ValueError("days is no number above 0")
    if not isinstance(found.organisers, tuple) or not all(isinstance(name, str) for name in found.organisers):
        raise ValueError("organisers is no list of user names")
    return found


def _is_number(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
