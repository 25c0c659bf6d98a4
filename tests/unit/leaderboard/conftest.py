"""Grades to rank, made without grading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.errors import Blame
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.results.report import EntryFacts, Failure, GradeReport, Provenance, RegimeReport, Status
from harness.scoring.state_probe import StateProbe

GradeFactory = Callable[..., GradeReport]


def regime_report(
    regime: Regime,
    loss: float,
    *,
    windows: int = 24,
    seconds_per_frame: float = 0.0753,
    carried_state: bool = False,
    depends_on_neighbours: bool | None = False,
    probe_failure: str | None = None,
) -> RegimeReport:
    """A regime's numbers around `loss`."""
    frames = len(regime.targets())
    return RegimeReport(
        loss=loss,
        loss_ci=(loss - 0.0512345, loss + 0.0487654),
        token_accuracy=0.0320456,
        loss_by_frame=tuple(loss + 0.02 * (frames - 1 - index * 2) for index in range(frames)),
        first_frame=regime.first_target(),
        windows=windows,
        seconds_per_frame=seconds_per_frame,
        reply_s_median=0.0712,
        reply_s_p95=0.1034,
        batch=16,
        logits_dtype="<f4",
        state_probe=StateProbe(
            windows=8,
            mean_gain=0.5 if carried_state else 0.0,
            largest_change=0.5 if carried_state else 0.0,
            carried_state=carried_state,
            depends_on_neighbours=depends_on_neighbours,
            failure=probe_failure,
        ),
        tokens_file=f"grades/x/{regime.value}.npz",
        tokens_sha256="ab" * 32,
    )


class Grades:
    """Makes reports whose ids and dates count up."""

    def __init__(self) -> None:
        self.made = 0

    def graded(
        self,
        *,
        user: str | None = "ada",
        entry: str | None = "first",
        loss: float = 9.0,
        regimes: Sequence[Regime] = (Regime.FULLY_AUTOREGRESSIVE, Regime.TEMPORALLY_TEACHER_FORCED),
        facts: dict[str, Any] | None = None,
        provenance: dict[str, Any] | None = None,
        **result: Any,
    ) -> GradeReport:
        """A finished grade of `entry`; `facts`, `provenance` and `result` replace single fields."""
        kept = dict.fromkeys(DISCLOSURE_ORDER) | {
            regime: regime_report(
                regime, loss + 0.3 * (regime is not Regime.TEMPORALLY_TEACHER_FORCED), **result
            )
            for regime in regimes
        }
        return self._report(Status.GRADED, user, entry, kept, None, facts, provenance)

    def failed(
        self,
        *,
        user: str | None = "ada",
        entry: str | None = "first",
        code: str = "guest.closed",
        blame: Blame = Blame.ENTRY,
        message: str = "evaluate.py exited with status 1",
        **provenance: Any,
    ) -> GradeReport:
        """A grade that stopped."""
        failure = Failure(code=code, blame=blame, message=message, fix="try again")
        kept: dict[Regime, RegimeReport | None] = dict.fromkeys(DISCLOSURE_ORDER)
        return self._report(Status.FAILED, user, entry, kept, failure, None, provenance)

    def _report(
        self,
        status: Status,
        user: str | None,
        entry: str | None,
        regimes: dict[Regime, RegimeReport | None],
        failure: Failure | None,
        facts: dict[str, Any] | None,
        provenance: dict[str, Any] | None,
    ) -> GradeReport:
        self.made += 1
        day, second = divmod(self.made, 60)
        return GradeReport(
            grade_id=f"202501{day + 1:02}-0000{second:02}-{self.made:08x}",
            finished_at=f"2025-01-{day + 1:02}T00:00:{second:02}+00:00",
            status=status,
            entry=EntryFacts(
                **{
                    "user_name": user,
                    "entry_name": entry,
                    "description": "Counts.",
                    "training_flops": 1.5e19,
                    "claimed_val_loss": 8.5,
                }
                | (facts or {})
            ),
            regimes=regimes,
            failure=failure,
            provenance=Provenance(
                **{
                    "harness_version": "0.1.0",
                    "git_commit": "0" * 40,
                    "spec_version": "1",
                    "gate_version": 1,
                    "seed": 7,
                    "schedule": "disjoint",
                    "sandbox": "docker",
                    "sandbox_details": {},
                    "limits": {"reply_s": 60.0},
                    "submission_sha256": "cd" * 32,
                    "entry_tree_sha256": "ef" * 32,
                    "base_image": "sha256:" + "12" * 32,
                    "data_name": "heldout",
                    "data_sha256": "34" * 32,
                    "order_leaks": False,
                }
                | (provenance or {})
            ),
        )


@pytest.fixture
def grades() -> Grades:
    """Makes `graded(...)` and `failed(...)` reports."""
    return Grades()
