"""`wmc leaderboard`: write the public page from the store of grades, and show the ranking."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.options import add_store_option, output_path
from harness.cli.tables import number_table
from harness.errors import UsageError
from harness.text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from leaderboard.disclosure import Disclosure
    from leaderboard.samples import Gallery
    from leaderboard.sampling import SamplingBoard, SamplingRow
    from leaderboard.standings import Board, Row, Standings


_ROWS = 50
"""Of a ranking that are shown; more would push what is said after it off the screen."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "leaderboard",
        help="write the leaderboard page from the kept records",
        description="Write the public page: rankings, a page for each grade, rules, changes and a feed. Of a store "
        "that is not as it was recorded nothing is published; `wmc verify` says what is wrong with it.",
    )
    add_store_option(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=output_path,
        default=Path("site"),
        metavar="SITE",
        help="folder of the page (default: site)",
    )
    parser.add_argument("--json", action="store_true", help="print what leaderboard.json holds")
    parser.add_argument(
        "--publish-samples",
        nargs="*",
        metavar="SPLIT",
        help="publish predicted pictures, maps of losses and what the retrieval check says of single windows, of "
        "grades on these splits and of no others; no figure changes. A split is val or val_v1.1, "
        "or NAME@SHA256 with at least 8 digits of its data's digest where several had this name and for private data "
        "(default: val and val_v1.1; none named: nothing of the kind)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write the site; show its tables on stdout and where it lies on stderr."""
    from harness.data.published import PUBLIC_VAL
    from harness.results.audit import require_as_recorded
    from harness.results.public_data import PublicData
    from harness.results.store import Store
    from leaderboard.disclosure import disclose
    from leaderboard.exports import to_json
    from leaderboard.publish import publish
    from leaderboard.samples import open_gallery
    from leaderboard.verdicts import with_latest_check

    _check_apart(args.store, args.output)
    store = Store(args.store)
    require_as_recorded(store)
    reports = store.reports()
    judged = with_latest_check(reports, is_private=PublicData(reports).is_private)
    splits = PUBLIC_VAL if args.publish_samples is None else tuple(args.publish_samples)
    gallery = open_gallery(judged, args.store, disclose(reports, splits))
    standings = publish(judged, args.output, gallery, store=args.store)
    if args.json:
        console.json(to_json(standings, store.last()))
    else:
        for board in standings.boards:
            console.show(_table(board))
        for sampled in standings.sampling:
            console.show(_sampling_table(sampled))
        if not standings.boards:
            console.note(f"No ranked grade in {args.store} yet: `wmc grade ZIP --data DIR` makes the first.")
    _tell_organiser(standings, console)
    _tell_of_data(gallery.disclosure, console, asked=args.publish_samples or ())
    _tell_of_pictures(gallery, console)
    console.note(f"page: {args.output / 'index.html'}")


def _check_apart(store: Path, site: Path) -> None:
    """Whoever publishes the site's folder must not publish the store with it.

    Raises: UsageError.
    """
    from harness.results.store import Store

    inner, outer = store.resolve(), site.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise UsageError(
            f"the site {site} and the store {store} lie in each other: who publishes one would publish the other, with "
            "exact figures, predictions and logs",
            code="usage.site_in_store",
            fix="name a folder of its own in -o",
        )
    if Store(site).database.exists():
        raise UsageError(
            f"{site} holds a store of records: whoever publishes the page would publish them with it",
            code="usage.site_in_store",
            fix="name a folder of its own in -o",
        )


def _tell_organiser(standings: Standings, console: Console) -> None:
    """What the page does not say, and what should be looked at before it is put up."""
    from leaderboard.marks import Mark
    from leaderboard.verdicts import Badge

    if standings.failed:
        console.note(
            f"{len(standings.failed)} grade(s) stopped by their entry: listed on the page, not ranked"
        )
    if standings.opened:
        console.note(f"{len(standings.opened)} grade(s) of the open protocol: listed apart, without a rank")
    if standings.unannounced:
        console.note(
            f"{len(standings.unannounced)} grade(s) on private data without an announced improvement: listed without "
            "figures"
        )
    if standings.not_charged:
        console.note(
            f"{standings.not_charged} grade(s) stopped by no fault of their entry: not on the page; where none went on "
            "under another id, grade again"
        )
    if standings.of_nobody:
        console.note(
            f"{standings.of_nobody} submission(s) that do not say whose they are: not on the page; `wmc notice GRADE` "
            "has the sha256 of each"
        )
    for row in (row for board in standings.boards for row in board.rows):
        entry = row.report.entry
        name = f"{entry.user_name}/{entry.entry_name} (grade {row.report.grade_id})"
        if Mark.OTHER_SENDER in row.marks:
            console.warn(
                f"{name} came from another e-mail address than the first entry of {entry.user_name}: it stands apart, "
                "marked; ask who sent it"
            )
        if row.badge in (Badge.REVIEW, Badge.COPIED) and row.unranked is None:
            console.warn(f"{name} has the badge {row.badge.label}: look at its page; a person decides")


def _tell_of_data(disclosure: Disclosure, console: Console, *, asked: Sequence[str]) -> None:
    """Of which data pictures and maps are public now, of which they are not, and what is to be decided."""
    for split, digests in disclosure.ambiguous.items():
        choices = " or ".join(digest[:12] or "none" for digest in digests)
        console.warn(
            f"{printable(split)} stands for {len(digests)} different data sets, of none of which anything is shown: "
            f"name the right one with --publish-samples NAME@SHA256, sha256 {choices}"
        )
    for split, reason in disclosure.private.items():
        console.warn(
            f"nothing of {printable(split)} is shown: {printable(reason)}; to show it all the same give its digest "
            "too: --publish-samples NAME@SHA256"
        )
    for data in sorted(disclosure.shown):
        console.note(f"pictures and maps of {printable(data.name)} (sha256 {data.sha256[:12]}) are public")
    for data in disclosure.withheld:
        console.note(
            f"pictures and maps of {printable(data.name)} (sha256 {data.sha256[:12] or 'unknown'}) stay in the store: "
            "--publish-samples names the splits that are shown"
        )
    for split in disclosure.unknown:
        if split in asked:
            console.warn(f"--publish-samples: no grade is of a split {printable(split)}")


def _tell_of_pictures(gallery: Gallery, console: Console) -> None:
    """What cannot be published."""
    if gallery.lost:
        console.warn(
            f"{len(gallery.lost)} picture(s) left out: the store does not hold them as they were recorded, "
            f"first {printable(gallery.lost[0])}"
        )


def _table(board: Board) -> Table:
    from rich.markup import escape

    contest = board.contest
    table = number_table(
        printable(f"{board.data_name}: {contest.windows} windows, {contest.schedule} schedule"),
        first=" #  user/entry",
        numbers=("loss", "95% interval", "accuracy", "AR loss", "FTF loss"),
        caption=_captioned(
            board.rows, "nats per token, lower is better; AR autoregressive, FTF fully teacher-forced"
        ),
    )
    for row in board.rows[:_ROWS]:
        table.add_row(*(escape(printable(cell)) for cell in _cells(row)))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    from harness.protocol.regimes import Regime
    from leaderboard import figures

    entry, regimes, result = row.report.entry, row.report.regimes, row.result
    low, high = result.loss_ci
    others = (regimes.get(Regime.FULLY_AUTOREGRESSIVE), regimes.get(Regime.FULLY_TEACHER_FORCED))
    return (
        f"{row.band or ''!s:>2}  {entry.user_name}/{entry.entry_name}{_why_unranked(row)}",
        figures.loss(result.loss),
        f"{figures.loss(low)} to {figures.loss(high)}",
        figures.loss(result.token_accuracy),
        *(figures.loss(other.loss if other else None) for other in others),
    )


def _why_unranked(row: Row | SamplingRow) -> str:
    return f" ({row.unranked.label})" if row.unranked else ""


def _sampling_table(board: SamplingBoard) -> Table:
    from rich.markup import escape

    contest = board.contest
    ranked = "" if board.is_ranked else ", no LPIPS: not ranked"
    table = number_table(
        printable(f"pictures of {board.data_name}: {contest.windows} windows{ranked}"),
        first=" #  user/entry",
        numbers=("LPIPS", "95% interval", "TF LPIPS", "PSNR", "SSIM"),
        caption=_captioned(board.rows, "fully autoregressive, lower LPIPS is better"),
    )
    for row in board.rows[:_ROWS]:
        table.add_row(*(escape(printable(cell)) for cell in _sampling_cells(row)))
    return table


def _captioned(rows: Sequence[object], caption: str) -> str:
    """The caption of a table of these, and how many of them it does not show."""
    is_whole = len(rows) <= _ROWS
    return (
        caption
        if is_whole
        else f"{caption}\nthe first {_ROWS} of {len(rows)}; all are on the page, and in --json"
    )


def _sampling_cells(row: SamplingRow) -> tuple[str, ...]:
    from harness.scoring.perceptual import Metric
    from leaderboard.figures import NOTHING, of_metric

    entry, lpips = row.report.entry, row.lpips
    interval = tuple(of_metric(end, Metric.LPIPS) for end in lpips.ci) if lpips else ()
    return (
        f"{row.band or ''!s:>2}  {entry.user_name}/{entry.entry_name}{_why_unranked(row)}",
        of_metric(lpips.mean if lpips else None, Metric.LPIPS),
        " to ".join(interval) or NOTHING,
        of_metric(row.lpips_forced.mean if row.lpips_forced else None, Metric.LPIPS),
        of_metric(row.psnr.mean if row.psnr else None, Metric.PSNR),
        of_metric(row.ssim.mean if row.ssim else None, Metric.SSIM),
    )
