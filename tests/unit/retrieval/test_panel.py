"""The panel: thresholds from honest entries, who may be judged by it, references that are what they were."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import StoreFailed, UsageError
from harness.retrieval.evidence import Evidence
from harness.retrieval.panel import (
    CHECK_VERSION,
    HonestEntry,
    Panel,
    Reference,
    read_panel,
    reference_logprobs,
    thresholds_of,
)
from harness.retrieval.report import TrainGap


def gap(nats: float) -> TrainGap:
    return TrainGap(
        gap=nats, gap_ci=(nats - 0.1, nats + 0.1), heldout_loss=9.0, train_loss=9.0 - nats, windows=32,
        flipped_bits=0.08,
    )  # fmt: skip


def honest(number: int, **changes: Any) -> HonestEntry:
    entry = HonestEntry(
        grade_id=f"grade{number}",
        entry_name=f"entry{number}",
        submission_sha256=f"{number:064d}",
        finished_at="2025-01-01T00:00:00+00:00",
        loss=8.0 + number,
        delta=0.1 * number,
        delta_ci=(0.1 * number - 0.05, 0.1 * number + 0.05),
        delta_by_window=(0.0, 0.2 * number),
        train_gap=gap(0.2 * number),
        near_distances=tuple(range(500, 530)),
    )
    return replace(entry, **changes)


def reference(number: int, *, private: bool = False) -> Reference:
    return Reference(
        grade_id=f"grade{number}",
        entry_name=f"entry{number}",
        submission_sha256=f"{number:064d}",
        private=private,
        evidence_file=f"grades/grade{number}/retrieval.npz",
        evidence_sha256="0" * 64,
    )


PANEL = Panel(
    made_at="2025-01-02T00:00:00+00:00",
    harness_version="0.1.0",
    check_version=CHECK_VERSION,
    data_sha256="d" * 64,
    train_sha256="e" * 64,
    probes_sha256="f" * 64,
    seed=0,
    references=(reference(1), reference(2, private=True)),
    honest=tuple(honest(number) for number in (1, 2, 3)),
)


def written(folder: Path, content: Any) -> Path:
    path = folder / "panel.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_panel_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_panel(written(tmp_path, PANEL.to_json())) == PANEL


def test_delta_and_gap_are_too_much_above_the_largest_plus_three_standard_deviations() -> None:
    thresholds = thresholds_of(PANEL.honest)
    assert thresholds.delta_max == pytest.approx(0.3)
    assert thresholds.delta_sd == pytest.approx(0.1)  # of .1 .2 .3, with one degree of freedom less
    assert thresholds.delta_copied == pytest.approx(0.6)
    assert thresholds.train_gap == pytest.approx(0.6 + 3 * 0.2)
    assert thresholds.honest == 3


def test_entries_that_agree_by_chance_do_not_make_the_next_one_strange() -> None:
    thresholds = thresholds_of([honest(number, delta=0.3) for number in range(3)])
    assert thresholds.delta_sd == 0.05
    assert thresholds.delta_copied == pytest.approx(0.45)


def test_a_window_is_compared_with_all_honest_windows_together() -> None:
    thresholds = thresholds_of(PANEL.honest)
    pooled = [0.0, 0.2, 0.0, 0.4, 0.0, 0.6]
    assert thresholds.window_delta == pytest.approx(0.6 + 3 * np.std(pooled, ddof=1))
    assert thresholds.window_rate == pytest.approx(1 / 7)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.lists(st.floats(-5, 5), min_size=2, max_size=6), min_size=3, max_size=6))
def test_no_honest_entry_is_above_any_threshold(deltas: list[list[float]]) -> None:
    entries = [
        honest(
            number,
            delta=float(np.mean(each)),
            delta_by_window=tuple(each),
            near_distances=tuple(sorted(round(100 * abs(delta)) for delta in each for _ in range(15))),
        )
        for number, each in enumerate(deltas)
    ]
    thresholds = thresholds_of(entries)
    for entry in entries:
        assert entry.delta <= thresholds.delta_max <= thresholds.delta_copied
        assert max(entry.delta_by_window) <= thresholds.window_delta
        assert np.mean(np.asarray(entry.near_distances) < thresholds.near_bits) < thresholds.near_share


def test_gaps_spread_at_least_as_far_as_one_is_uncertain() -> None:
    entries = [
        honest(number, train_gap=replace(gap(0.2), gap_ci=(0.2 - 0.98, 0.2 + 0.98))) for number in range(3)
    ]
    assert thresholds_of(entries).train_gap == pytest.approx(0.2 + 3 * 0.5)


def test_without_three_gaps_there_is_no_threshold_of_the_gap() -> None:
    entries = [honest(1), honest(2), honest(3, train_gap=None), honest(4)]
    assert thresholds_of(entries).train_gap is not None
    assert thresholds_of(entries[:3]).train_gap is None


def test_near_is_what_one_honest_frame_in_a_thousand_is() -> None:
    near = tuple(range(100, 1100))
    assert thresholds_of([honest(n, near_distances=near) for n in range(3)]).near_bits == pytest.approx(
        101, abs=1
    )


def test_what_is_far_from_every_training_frame_is_no_duplicate() -> None:
    """Among honest entries that never come close, the nearest are still not near."""
    far = tuple(range(1000, 2000))
    thresholds = thresholds_of([honest(n, near_distances=far) for n in range(3)])
    assert thresholds.near_bits == pytest.approx(0.05 * 4608)
    assert thresholds.near_share == pytest.approx(1 / len(honest(1).delta_by_window))


def test_too_many_near_duplicates_are_one_window_more_than_the_largest_honest_share() -> None:
    still = tuple(sorted((*range(10), *range(150, 440))))  # 10 of 300 frames stand apart
    others = tuple(range(150, 450))
    entries = [
        honest(number, near_distances=still if number == 0 else others, delta_by_window=(0.0,) * 20)
        for number in range(40)
    ]
    thresholds = thresholds_of(entries)
    assert thresholds.near_bits == 150  # 0.1% of 12,000 frames are those 10 and two of the rest
    assert thresholds.near_share == pytest.approx(10 / 300 + 1 / 20)


def test_fewer_than_three_honest_entries_have_no_thresholds() -> None:
    with pytest.raises(ValueError, match="2 honest entries"):
        thresholds_of(PANEL.honest[:2])


def test_a_panel_fits_only_its_own_data_training_split_and_probes() -> None:
    own = {"data_sha256": "d" * 64, "train_sha256": "e" * 64, "probes_sha256": "f" * 64}
    assert PANEL.fits(**own) is None
    for name, words in (("data", "graded data"), ("train", "training split"), ("probes", "windows")):
        why = PANEL.fits(**{**own, f"{name}_sha256": "0" * 64})
        assert why is not None
        assert words in why


def test_a_panel_fits_as_far_as_is_known_before_values_are_probed() -> None:
    clips = {"data_sha256": "d" * 64, "train_sha256": "e" * 64}
    assert PANEL.fits(**clips, probes_sha256=None) is None
    assert PANEL.fits(**{**clips, "train_sha256": "0" * 64}, probes_sha256=None) is not None


def test_a_panel_of_another_version_of_the_check_does_not_fit() -> None:
    old = replace(PANEL, check_version=CHECK_VERSION - 1)
    why = old.fits(data_sha256="d" * 64, train_sha256="e" * 64, probes_sha256="f" * 64)
    assert why is not None
    assert "another version" in why


def test_a_submission_is_not_a_reference_for_itself() -> None:
    assert PANEL.references_for(f"{1:064d}") == (reference(2, private=True),)
    assert PANEL.references_for(None) == PANEL.references


def test_a_private_reference_has_no_name_in_public() -> None:
    assert [each.public_name for each in PANEL.references] == ["entry1 (grade1)", "private"]


def test_a_missing_panel_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere") as failure:
        read_panel(tmp_path / "nowhere")
    assert failure.value.code == "usage.no_panel"


def changed(**changes: Any) -> dict[str, Any]:
    return {**PANEL.to_json(), **changes}


def edited(**changes: Any) -> str:
    """A panel whose first entry says something else."""
    first, *others = PANEL.to_json()["honest"]
    return json.dumps(changed(honest=[{**first, **changes}, *others]))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{", id="cut off"),
        pytest.param("\x00", id="binary"),
        pytest.param("[]", id="another kind"),
        pytest.param({"honest": []}, id="keys are missing"),
        pytest.param(changed(honest=PANEL.to_json()["honest"][:2]), id="two honest entries"),
        pytest.param(edited(delta=math.nan), id="NaN"),
        pytest.param(edited(delta="small"), id="a text for a figure"),
        pytest.param(edited(delta=-777).replace("-777", "1e999"), id="a figure too large"),
        pytest.param(edited(near_distances=[]), id="no distances"),
        pytest.param(edited(delta_by_window=None), id="no windows"),
    ],
)
def test_a_file_that_is_no_panel_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(StoreFailed) as failure:
        read_panel(written(tmp_path, content))
    assert failure.value.code == "store.bad_panel"


def kept(folder: Path, number: int, *, probes_sha256: str) -> Reference:
    evidence = Evidence(
        probes_sha256=probes_sha256,
        logprobs_R=np.full(4, -number, np.float16),
        distances_BT=np.zeros((2, 15), np.int32),
        nearest_BT=np.zeros((2, 15), np.int64),
        sources_BT=np.zeros((2, 15), np.int64),
        support_BT=np.zeros((2, 15)),
        delta_B=np.zeros(2),
    )
    named = reference(number)
    (folder / named.evidence_file).parent.mkdir(parents=True)
    (folder / named.evidence_file).write_bytes(evidence.to_bytes())
    return replace(named, evidence_sha256=hashlib.sha256(evidence.to_bytes()).hexdigest())


def test_references_are_read_from_the_store_in_order(tmp_path: Path) -> None:
    references = [kept(tmp_path, number, probes_sha256="p") for number in (1, 2)]
    found = reference_logprobs(references, tmp_path, probes_sha256="p")
    assert [each.tolist() for each in found] == [[-1.0] * 4, [-2.0] * 4]
    assert {each.dtype for each in found} == {np.dtype(np.float16)}


def test_a_reference_whose_evidence_is_lost_is_named(tmp_path: Path) -> None:
    lost = kept(tmp_path, 1, probes_sha256="p")
    (tmp_path / lost.evidence_file).unlink()
    with pytest.raises(StoreFailed, match="reference grade1") as failure:
        reference_logprobs([lost], tmp_path, probes_sha256="p")
    assert failure.value.code == "store.evidence_missing"
    assert "calibrate again" in failure.value.fix


def test_a_reference_of_other_probes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="grade1") as failure:
        reference_logprobs([kept(tmp_path, 1, probes_sha256="p")], tmp_path, probes_sha256="q")
    assert failure.value.code == "store.other_probes"
