"""Whether a grade that goes on finds all as it was: what it reads, the wmc that asks, the sandbox's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.earlier import Earlier, give_up
from harness.errors import ResumeRefused
from harness.results.next_commands import resume_command
from harness.results.report import Provenance
from harness.results.store import Store
from harness.resuming.resumable import Resumable

_OF_WMC = ("harness_version", "git_commit", "spec_version", "gate_version", "scoring_version")
_RULES = ("isolation", "python", "runtime_arguments")
"""Of what a sandbox says of itself, what an entry may gain by; the rest is versions, and how each run ended."""
_MUCH, _JITTER = 1 << 30, 0.01


def check_there(store: Store, found: Resumable) -> None:
    """Raises: ResumeRefused where what it began with does not lie there any more."""
    request = found.request
    places = (
        ("zip", request.submission, ("ZIP",)),
        ("graded clip", request.data, ("--data", "DIR")),
        ("training clip", request.train, ("--train", "DIR")),
    )
    for what, path, words in places:
        if path and not path.exists():
            raise ResumeRefused(
                f"the {what} of grade {found.grade_id} is not at {path} any more",
                code="resume.moved",
                fix="put it back there, or say where it is, as below; or " + give_up(store, found.grade_id),
                command=resume_command(store, found.grade_id, *words),
            )


def check_version(earlier: Earlier, provenance: Provenance) -> None:
    """Whether this is the wmc that began the grade: another one may ask or score otherwise.

    Raises: ResumeRefused.
    """
    before = earlier.history.asked.provenance
    different = [name for name in _OF_WMC if getattr(before, name) != getattr(provenance, name)]
    if different:
        was = ", ".join(f"{name} {getattr(before, name)}" for name in different)
        this = ", ".join(f"{name} {getattr(provenance, name)}" for name in different)
        raise ResumeRefused(
            f"another wmc began this grade: {was}; this is {this}",
            code="resume.other_version",
            fix=f"resume it with the wmc that began it, or {give_up(earlier.store, earlier.known_as)}",
        )


def check_sandbox(earlier: Earlier, provenance: Provenance) -> None:
    """Whether the rest would be held to the rules that the finished regimes were held to.

    Raises: ResumeRefused: the figures of one grade were made under one policy, and one isolation.
    """
    before = earlier.history.asked.provenance
    was = {**before.sandbox_policy, **_rules_of(before.sandbox_details)}
    this = {**provenance.sandbox_policy, **_rules_of(provenance.sandbox_details)}
    different = [name for name in {**was, **this} if not _is_alike(was.get(name), this.get(name))]
    if different:
        name = different[0]
        raise ResumeRefused(
            f"the sandbox is not the one that the grade began in, {', '.join(different)}: "
            f"{name} was {was.get(name)}, now it is {this.get(name)}",
            code="resume.other_sandbox",
            fix=f"bring the machine back to what it was, or {give_up(earlier.store, earlier.known_as)}",
        )


def changes(earlier: Earlier, sandbox_details: Mapping[str, str]) -> list[str]:
    """What is another one in the sandbox than when the grade began, and changes no rule: worth a note."""
    before = earlier.history.asked.provenance.sandbox_details
    return [
        f"the sandbox is not what it was, {name}: {before.get(name)}, now {this}"
        for name, this in sandbox_details.items()
        if before.get(name) != this
    ]


def _rules_of(details: Mapping[str, str]) -> dict[str, str]:
    return {name: details[name] for name in _RULES if name in details}


def _is_alike(was: Any, this: Any) -> bool:
    """The same, or nearly: of its memory a machine gives a little more or less from one boot to the next."""
    if isinstance(was, Mapping) and isinstance(this, Mapping):
        return all(_is_alike(was.get(name), this.get(name)) for name in {**was, **this})
    if isinstance(was, int) and isinstance(this, int) and min(was, this) > _MUCH:
        return abs(was - this) <= _JITTER * max(was, this)
    return bool(was == this)
