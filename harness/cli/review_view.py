"""How a submission's review is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.cli.console import Console
from harness.intake.finding import Finding, Kind
from harness.results.approvals import Verdict
from harness.results.next_commands import NAME, grade_command, review_command
from harness.text import printable, spelled_out

if TYPE_CHECKING:
    from harness.intake.manifest import EntryManifest
    from harness.intake.sources import Sources
    from harness.results.store import Store
    from harness.reviewing import Reviewed

_MOST_LINES = 20
"""Of one kind of finding, and of submissions that it is like; --json has all."""
_MOST_FILES = 5
"""That are shared with one other submission."""
_MOST_NAMES = 10
_DIGITS = 12
_DECIDED_ABOUT = ("sha256", "user", "entry")
_LIMIT = 4000


def plain(seen: Reviewed) -> dict[str, Any]:
    """The review for machines."""
    decision = seen.decision
    return {
        **asdict(seen.review),
        "compared_with": seen.compared_with,
        "likenesses": [asdict(each) for each in seen.likenesses],
        "identity_clash": seen.clash or None,
        "organisers_own": seen.is_organisers,
        "decision": decision and {**asdict(decision), "verdict": decision.verdict.value},
        "was_decided": seen.was_decided,
        "has_taken_over": seen.has_taken_over,
    }


def show_review(seen: Reviewed, store: Store, console: Console) -> None:
    """What is declared, where to read first, the scripts, the files, what it is like; the decision comes last."""
    from rich.markup import escape

    found = seen.review
    for name, value in _facts(seen).items():
        console.show(f"[bold]{name:<15}[/bold] {escape(spelled_out(value, limit=_LIMIT))}")
    _warn(seen, console)
    if unread := {each.file for each in found.findings if each.kind is Kind.UNREAD}:
        are = "script was" if len(unread) == 1 else "scripts were"
        console.warn(
            f"{len(unread):,} {are} NOT searched ({_some(tuple(sorted(unread)))}): that nothing is found there says "
            "nothing. Read by hand what is named below, or reject it"
        )
    for name, text in (*found.scripts, *found.sources.shown):
        console.show(f"\n[bold]{escape(name)}[/bold]\n{escape(text.rstrip())}")
    for line in _other_texts(found.sources):
        console.show(line)
    console.show(
        "\n[bold]where to read first[/bold] (no verdict: honest entries do such things, and code can hide)"
    )
    for line in _finding_lines(found.findings):
        console.show(line)
    console.show("\n[bold]largest files[/bold]")
    for file in found.largest:
        console.show(f"{file.size_bytes:>15,}  {'x' if file.executable else '-'}  {escape(file.name)}")
    if len(found.files) > len(found.largest):
        console.show(f"... and {len(found.files) - len(found.largest)} more; --json lists all")
    console.show("\n[bold]like earlier submissions of others[/bold]")
    for line in _likeness_lines(seen):
        console.show(line)
    console.show(f"\n{_decision_line(seen)}")
    if seen.decision is None:
        console.next(review_command(store, seen.entry.zip_path, f"--approve --by {NAME}"))


def show_decision(seen: Reviewed, store: Store, console: Console) -> None:
    """Which bytes were decided about, by whom, and what comes next; whoever decides has read the rest."""
    from rich.markup import escape

    _warn(seen, console)
    console.show(_decision_line(seen))
    for name, value in _facts(seen).items():
        if name in _DECIDED_ABOUT:
            console.show(f"[bold]{name:<15}[/bold] {escape(spelled_out(value, limit=_LIMIT))}")
    if seen.was_decided:
        console.note("the approval was there and is kept once, with its first reader's name and note")
    if seen.has_taken_over:
        manifest = seen.entry.manifest
        console.note(
            f"the user name {printable(manifest.user_name)} belongs to its e-mail address from now on"
        )
    if seen.decision and seen.decision.verdict is Verdict.APPROVED:
        console.next(grade_command(store, seen.entry.zip_path))
    else:
        console.note("`wmc grade` refuses these bytes on private data until they are approved")


def _warn(seen: Reviewed, console: Console) -> None:
    for note in seen.review.notes:
        console.warn(note)
    if seen.clash:
        console.warn(seen.clash)
    if seen.is_organisers:
        name = seen.review.manifest.user_name
        console.warn(f"{name} is listed in fairness.toml as the organiser's own: no limit holds for it")


def _facts(seen: Reviewed) -> dict[str, str]:
    found, manifest = seen.review, seen.review.manifest
    facts = {
        "sha256": found.sha256,
        "size": f"{found.size_bytes:,} bytes, {found.unpacked_bytes:,} unpacked, {len(found.files)} files",
        **_declared(manifest),
    }
    if manifest.forbidden_reference:
        facts["forbidden"] = "breaks rule 5 on purpose, to show what the check sees; it never ranks"
    return facts


def _declared(manifest: EntryManifest) -> dict[str, str]:
    claimed = manifest.claimed_val_loss
    return {
        "user": f"{manifest.user_name} <{manifest.email}>",
        "entry": manifest.entry_name,
        "description": manifest.description,
        "training FLOPs": f"{manifest.training_flops:.3g}",
        "external data": "; ".join(manifest.external_data) or "none",
        "claimed loss": "not claimed" if claimed is None else f"{claimed:g}",
        "causal": "yes" if manifest.causal else "no",
        "parameters": "not declared" if manifest.parameters is None else f"{manifest.parameters:,.10g}",
    }


def _other_texts(sources: Sources) -> Iterator[str]:
    """The text files that are not shown, by name."""
    from rich.markup import escape

    if sources.handed_out:
        yield f"\n[bold]as wmc hands them out[/bold]\n{escape(_some(sources.handed_out))}"
    if left_out := sources.left_out:
        yield (
            f"\n[bold]{_files(len(left_out))} of text too much to be shown[/bold]: unzip what you want to read; "
            f"--json lists all\n{escape(_some(left_out))}"
        )


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + ", ..." * (len(names) > _MOST_NAMES)


def _finding_lines(every: tuple[Finding, ...]) -> Iterator[str]:
    from rich.markup import escape

    if not every:
        yield "nothing of the kind was found"
    for kind in Kind:
        found = [each for each in every if each.kind is kind]
        if found:
            colour = "bold red" if kind is Kind.UNREAD else "yellow"
            yield f"[{colour}]{kind.in_words}[/{colour}]"
        for each in found[:_MOST_LINES]:
            place = each.file if each.line is None else f"{each.file}:{each.line}"
            often = f" ({each.times} times)" if each.times > 1 else ""
            yield f"  {escape(place)}  {escape(spelled_out(each.what, limit=_LIMIT))}{often}"
        if len(found) > _MOST_LINES:
            files = len({each.file for each in found[_MOST_LINES:]})
            yield f"  [bold]... and {len(found) - _MOST_LINES} more in {_files(files)}: --json lists all[/bold]"


def _likeness_lines(seen: Reviewed) -> Iterator[str]:
    from rich.markup import escape

    if seen.compared_with is None:
        yield "not looked for: there is no such --store"
        return
    if not seen.likenesses:
        yield f"no file of it is in one of {seen.compared_with}, but for what wmc hands out and everybody has"
    for each in seen.likenesses[:_MOST_LINES]:
        whose = escape(f"{each.user_name}/{each.entry_name}")
        yield (
            f"[yellow]{each.share:.0%} of its bytes[/yellow] ({_files(len(each.files))}) are in {whose}, "
            f"sha256 {each.sha256[:_DIGITS]}, first seen {each.seen_at[:10]}"
        )
        for file in each.files[:_MOST_FILES]:
            as_called = "" if file.name == file.other_name else f", there {file.other_name}"
            yield f"  {file.size_bytes:>13,}  {escape(file.name + as_called)}"
        if len(each.files) > _MOST_FILES:
            yield f"  ... and {len(each.files) - _MOST_FILES} more; --json lists all"
    if len(seen.likenesses) > _MOST_LINES:
        yield f"[bold]... and {len(seen.likenesses) - _MOST_LINES} more submissions: --json lists all[/bold]"


def _files(number: int) -> str:
    return f"{number} file{'s' if number != 1 else ''}"


def _decision_line(seen: Reviewed) -> str:
    from rich.markup import escape

    decision = seen.decision
    if decision is None:
        return (
            "[bold]not decided[/bold]: --approve --by NAME lets `wmc grade` take these bytes on private data"
        )
    note = f": {decision.note}" if decision.note else ""
    words = f"{decision.verdict.value}{' already' * seen.was_decided} by {decision.by}, {decision.at}{note}"
    return f"[bold]{escape(spelled_out(words, limit=_LIMIT))}[/bold]"
