"""Each honest entry judged by the others: who stands out is either no honest entry or shows what the panel lacks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.retrieval.panel import LEAST_HONEST, HonestEntry, Panel, thresholds_of
from harness.retrieval.report import NearDuplicates, Thresholds
from harness.retrieval.verdict import Findings, Judgement, judge


def judged_by_the_others(panel: Panel) -> Mapping[str, Judgement]:
    """Grade id -> what the panel without this entry would say of it; empty where the others are too few to judge."""
    if len(panel.honest) <= LEAST_HONEST:
        return {}
    return {
        entry.grade_id: _judged(entry, thresholds_of([each for each in panel.honest if each is not entry]))
        for entry in panel.honest
    }


def _judged(entry: HonestEntry, thresholds: Thresholds) -> Judgement:
    is_near_G = np.asarray(entry.near_distances) < thresholds.near_bits
    return judge(
        Findings(
            delta=entry.delta,
            delta_ci=entry.delta_ci,
            delta_by_window=entry.delta_by_window,
            train_gap=entry.train_gap,
            near_duplicates=NearDuplicates(
                bits_quantiles=(), frames=len(is_near_G), share=float(np.mean(is_near_G))
            ),
        ),
        thresholds,
    )
