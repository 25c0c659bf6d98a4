"""A grade of the open protocol as strangers may see it: of held-out data no figure at all."""

from __future__ import annotations

from dataclasses import replace

from harness.notice import open_figures, told
from harness.results.report import Failure, GradeReport, OpenRun


def publishable_open(report: GradeReport, found: OpenRun, *, is_private: bool) -> OpenRun:
    """The same, rounded as its entrant is told it: with the truth before it a program can choose every digit."""
    figures = open_figures(report, is_private=is_private)
    result = found.rescored
    if figures is None or figures.rescored_loss is None or figures.rescored_accuracy is None:
        result = None
    elif result:
        result = replace(
            result,
            loss=figures.rescored_loss,
            loss_ci=None,
            loss_by_frame=(),
            token_accuracy=figures.rescored_accuracy,
        )
    return OpenRun(
        self_reported=figures.self_reported if figures else {},
        rescored=result,
        not_rescored=found.not_rescored and _in_fixed_words(found.not_rescored),
    )


def without_open_figures() -> OpenRun:
    """That it was run, and nothing that it printed or saved."""
    return OpenRun(self_reported={}, rescored=None, not_rescored=None)


def _in_fixed_words(failure: Failure) -> Failure:
    outcome = told(failure)
    return Failure(code=outcome.code, blame=failure.blame, message=outcome.cause, fix=outcome.next_step)
