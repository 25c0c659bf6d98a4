"""What a reader must know about a grade before comparing it, as badges with their legend."""

from __future__ import annotations

from collections.abc import Container, Iterable
from enum import Enum

from harness.results.report import GradeReport


class Mark(str, Enum):
    """A reservation about a grade; the value is its name in the exports."""

    WITHDRAWN = "withdrawn"
    FORBIDDEN_REFERENCE = "forbidden_reference"
    NO_PRIZE = "no_prize"
    SELF_REPORTED = "self_reported"
    RESCORED = "rescored"
    SELF_RUN = "self_run"
    ORDER_LEAKS = "order_leaks"
    CARRIED_STATE = "carried_state"
    BATCH_DEPENDENT = "batch_dependent"
    PROBE_UNFINISHED = "probe_unfinished"
    OTHER_SENDER = "other_sender"

    @property
    def label(self) -> str:
        """As the badge says it."""
        return {
            Mark.WITHDRAWN: "withdrawn",
            Mark.NO_PRIZE: "not for the prize",
            Mark.FORBIDDEN_REFERENCE: "forbidden reference",
            Mark.SELF_REPORTED: "self-reported",
            Mark.RESCORED: "rescored",
            Mark.SELF_RUN: "not isolated: self-run",
            Mark.ORDER_LEAKS: "order leaks",
            Mark.CARRIED_STATE: "carried state",
            Mark.BATCH_DEPENDENT: "batch-dependent",
            Mark.PROBE_UNFINISHED: "probe not finished",
            Mark.OTHER_SENDER: "another sender",
        }[self]

    @property
    def meaning(self) -> str:
        """As the legend says it."""
        return {
            Mark.WITHDRAWN: "Taken back by the organiser, with the day and the reason on its page. It has no rank and "
            "wins nothing; its record stays as it was.",
            Mark.NO_PRIZE: "Ranked, but its entrant wants no prize or may have none, as its manifest says.",
            Mark.FORBIDDEN_REFERENCE: "Breaks the rules on purpose and says so: it copies the training set, to show "
            "what that earns and what the checks see of it. It has no rank and wins nothing.",
            Mark.SELF_REPORTED: "Run by 1X's own rules: the program read the whole clip, the frames it was to predict "
            "too, and printed these figures itself. They cannot be checked. It has no rank and wins nothing.",
            Mark.RESCORED: "Run by 1X's own rules, and the logits that it saved were scored by us. That checks its "
            "arithmetic alone: it had the frames before it when it wrote them. It has no rank and wins nothing.",
            Mark.SELF_RUN: "Run as a plain process, without a sandbox: nothing kept it from the held-out data.",
            Mark.ORDER_LEAKS: "The graded windows interleave, so earlier ones show frames of later ones. "
            "For comparison only.",
            Mark.CARRIED_STATE: "Windows served a second time scored better than chance allows: the program "
            "remembered revealed frames.",
            Mark.BATCH_DEPENDENT: "A window's loss changed with the other windows in its batch.",
            Mark.PROBE_UNFINISHED: "The program failed while some windows were served a second time, after all were "
            "scored: whether it carries state is not known.",
            Mark.OTHER_SENDER: "Sent from another e-mail address than the first entry under this user name, and not "
            "known to be by the same person.",
        }[self]


UNRANKED = (Mark.WITHDRAWN, Mark.FORBIDDEN_REFERENCE, Mark.SELF_REPORTED, Mark.RESCORED)
"""What keeps a row without a rank: it stands where its figure would, and is nobody's rival."""


def unranked_by(marks: Iterable[Mark]) -> Mark | None:
    """Why something with these marks has no rank; None for what is ranked."""
    return next((mark for mark in marks if mark in UNRANKED), None)


def marks_of(
    report: GradeReport, *, other_sender: bool, withdrawn: Container[str] = frozenset(), told: bool = True
) -> tuple[Mark, ...]:
    """The reservations about one grade, in the legend's order; `withdrawn` has the ids of what was taken back.

    Where its figures are not `told`, only those that the host or the manifest decides: an entry decides by what it
    answers whether it has the others, and each would be a bit about data that it saw.
    """
    probes = [result.state_probe for result in report.regimes.values() if result and told]
    rescored = report.open_run.rescored if report.open_run and told else None
    holds = {
        Mark.WITHDRAWN: report.grade_id in withdrawn,
        Mark.FORBIDDEN_REFERENCE: is_forbidden(report),
        Mark.NO_PRIZE: not report.entry.eligible_for_prize and report.open_run is None,
        Mark.SELF_REPORTED: report.open_run is not None and rescored is None,
        Mark.RESCORED: rescored is not None,
        Mark.SELF_RUN: is_self_run(report),
        Mark.ORDER_LEAKS: bool(report.provenance.order_leaks),
        Mark.CARRIED_STATE: any(probe.carried_state for probe in probes),
        Mark.BATCH_DEPENDENT: any(
            probe.depends_on_neighbours and not probe.carried_state for probe in probes
        ),  # what was remembered changes an answer too, whoever stands beside it
        Mark.PROBE_UNFINISHED: any(probe.failure for probe in probes),
        Mark.OTHER_SENDER: other_sender,
    }
    return tuple(mark for mark in Mark if holds[mark])


def is_self_run(report: GradeReport) -> bool:
    """Whether nothing isolated the entry."""
    return report.provenance.sandbox == "process"


def is_forbidden(report: GradeReport) -> bool:
    """Whether the entry declares that it breaks the rules, to be compared with."""
    return report.entry.forbidden_reference
