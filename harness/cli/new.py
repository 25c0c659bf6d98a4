"""`wmc new FOLDER`: an entry to start from, with the entrant's name on it."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.intake.manifest import EntryManifest

_QUESTIONS = {
    "user_name": "your name on the leaderboard, 1 to 32 letters, digits, _ or -; always with the same e-mail",
    "email": "where organisers reach you; never published",
    "entry_name": "what the leaderboard calls this entry",
    "description": "what it is, in a sentence or two",
}
_ALWAYS_ASKED = ("user_name", "email")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "new",
        help="make an entry's folder to start from",
        description="Make a folder with a complete entry that runs as it is; what no option says is asked.",
    )
    parser.add_argument("folder", type=Path, help="a folder that does not exist yet")
    for key, question in _QUESTIONS.items():
        parser.add_argument(_flag(key), metavar="TEXT", help=question)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Ask what was not said, make the folder, show how to go on."""
    from rich.markup import escape

    from harness.intake.manifest import problem_with
    from harness.intake.template import check_free, make_entry, template_manifest

    check_free(args.folder)  # before anything is asked
    texts = {key: text for key in _QUESTIONS if (text := getattr(args, key)) is not None}
    for key, text in texts.items():
        if problem := problem_with(key, text):
            raise UsageError(f"{_flag(key)} {problem.message}", fix=problem.fix, code="usage.manifest")
    missing = [key for key in _QUESTIONS if key not in texts]
    suggested = _suggested(args.folder, template_manifest())
    if sys.stdin is not None and sys.stdin.isatty():
        texts |= {key: _answer(key, suggested.get(key), console) for key in missing}
    elif unsaid := [_flag(key) for key in missing if key in _ALWAYS_ASKED]:
        raise UsageError(
            f"an entry needs {' and '.join(unsaid)}, and there is no terminal to ask on",
            fix=f"wmc new {shlex.quote(str(args.folder))} {' '.join(f'{flag} TEXT' for flag in unsaid)}",
            code="usage.not_said",
        )
    manifest = make_entry(args.folder, suggested | texts)
    folder = shlex.quote(str(args.folder))
    console.show(
        f"[bold]{escape(folder)}[/bold] holds a complete entry: {escape(manifest.entry_name)} by "
        f"{escape(manifest.user_name)}. It runs as it is; make predictor.py yours. Then:\n\n"
        + escape(
            f"wmc check {folder} --quick --data DIR    # a minute: does it run, is it fast enough, what is odd\n"
            f"wmc check {folder} --data DIR            # all of DIR, as it will be graded\n"
            f"wmc submit {folder}                      # a zip, and its receipt"
        )
    )
    console.note(
        f"DIR is a clip, such as `wmc data pull` downloads. {args.folder / 'wmc.toml'} declares that you accept the "
        "challenge's rules and may take part, that nothing was trained and no other data used: keep it true"
    )


def _suggested(folder: Path, template: EntryManifest) -> dict[str, str]:
    """What is taken where nothing is said: the folder's name, if it can be one, and what the template is."""
    from harness.intake.manifest import problem_with

    name = folder.resolve().name
    usable = problem_with("entry_name", name) is None
    return {
        "entry_name": name if usable else template.entry_name,
        "description": template.description,
    }


def _answer(key: str, suggested: str | None, console: Console) -> str:
    """What the user types, once it can stand in a manifest.

    Raises: UsageError at the end of the input.
    """
    from harness.intake.manifest import problem_with

    while True:
        typed = console.ask(f"{key.replace('_', ' ')} ({_QUESTIONS[key]})", default=suggested)
        if typed is None:
            raise UsageError(
                "the input ended before all was said", fix=f"say it with {_flag(key)}", code="usage.not_said"
            )
        problem = problem_with(key, typed)
        if problem is None:
            return typed
        console.warn(f"{problem.message}: {problem.fix}")


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"
