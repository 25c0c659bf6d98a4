"""What a record repeats of a manifest, and says of a regime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.exam import Result
from harness.intake.manifest import EntryManifest
from harness.results.regime_report import RegimeReport, SamplesReport
from harness.results.report import EntryFacts


def entry_facts(manifest: EntryManifest) -> EntryFacts:
    """What the record repeats of a manifest; the e-mail address stays in the zip."""
    return EntryFacts(
        user_name=manifest.user_name,
        entry_name=manifest.entry_name,
        description=manifest.description,
        training_flops=manifest.training_flops,
        external_data=manifest.external_data,
        claimed_val_loss=manifest.claimed_val_loss,
        causal=manifest.causal,
        email_sha256=manifest.email_sha256,
        parameters=manifest.parameters,
        forbidden_reference=manifest.forbidden_reference,
        eligible_for_prize=manifest.eligible_for_prize,
    )


def regime_report(result: Result, kept: Sequence[tuple[str, str]]) -> RegimeReport:
    """The record of a regime, without pictures; `kept` names the file of each draw's tokens and its sha256."""
    median_s, p95_s = np.quantile(result.timing.replies_s, [0.5, 0.95]).tolist()
    tokens_file, tokens_sha256 = kept[0]
    return RegimeReport(
        loss=result.scores.loss,
        loss_ci=result.scores.loss_ci,
        token_accuracy=result.scores.token_accuracy,
        loss_by_frame=result.scores.loss_by_frame,
        first_frame=result.regime.first_target(),
        windows=result.scores.windows,
        seconds_per_frame=result.timing.seconds_per_frame,
        reply_s_median=median_s,
        reply_s_p95=p95_s,
        batch=result.batch,
        logits_dtype=result.terms.logits_dtype,
        state_probe=result.state_probe,
        tokens_file=tokens_file,
        tokens_sha256=tokens_sha256,
        samples=_samples_report(result, kept) if len(result.sheets) > 1 else None,
        loss_by_window=tuple(result.sheets[0].window_losses_B.tolist()),
    )


def _samples_report(result: Result, kept: Sequence[tuple[str, str]]) -> SamplesReport:
    return SamplesReport(
        draws=len(result.sheets),
        loss_mean=float(np.mean([sheet.nats_BTHW.mean() for sheet in result.sheets])),
        token_accuracy_mean=float(np.mean([sheet.correct_BTHW.mean() for sheet in result.sheets])),
        tokens_files=tuple(file for file, _ in kept),
        tokens_sha256=tuple(sha256 for _, sha256 in kept),
    )
