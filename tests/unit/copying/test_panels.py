"""Which panel judges a grade, and what is found wrong with it before the entry runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stand_ins import Listener

from harness.copying.panels import choose_panel
from harness.errors import StoreFailed, UsageError
from harness.progress import Silent
from harness.results.store import Store
from harness.retrieval.evidence import Evidence
from harness.retrieval.panel import CHECK_VERSION, HonestEntry, Panel, Reference

CLIPS = {"data_sha256": "d", "train_sha256": "e"}
EVIDENCE = Evidence(
    probes_sha256="p",
    logprobs_R=np.zeros(4, np.float16),
    distances_BT=np.zeros((2, 15), np.int32),
    nearest_BT=np.zeros((2, 15), np.int64),
    sources_BT=np.zeros((2, 15), np.int64),
    support_BT=np.zeros((2, 15)),
    delta_B=np.zeros(2),
)
HONEST = HonestEntry(
    grade_id="g0", entry_name="entry", submission_sha256="0", finished_at="", loss=8.0, delta=0.1,
    delta_ci=(0.0, 0.2), delta_by_window=(0.1, 0.1), train_gap=None, near_distances=(300,),
)  # fmt: skip
PANEL = Panel(
    made_at="", harness_version="", check_version=CHECK_VERSION, **CLIPS, probes_sha256="p", seed=0,
    references=(
        Reference(
            grade_id="g0", entry_name="entry", submission_sha256="0", private=False, evidence_file="evidence.npz",
            evidence_sha256=hashlib.sha256(EVIDENCE.to_bytes()).hexdigest(),
        ),
    ),
    honest=(HONEST,) * 3,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "evidence.npz").write_bytes(EVIDENCE.to_bytes())
    return Store(tmp_path / "store")


def written(path: Path, panel: Panel = PANEL) -> Path:
    path.write_text(json.dumps(panel.to_json()))
    return path


def test_without_a_panel_there_is_none(store: Store) -> None:
    assert choose_panel(None, store, Silent(), **CLIPS) is None


def test_the_stores_own_panel_is_found_and_a_named_one_is_taken_before_it(
    store: Store, tmp_path: Path
) -> None:
    own = written(store.panel_file)
    other = written(tmp_path / "other.json", replace(PANEL, seed=7))
    found, named = choose_panel(None, store, Silent(), **CLIPS), choose_panel(other, store, Silent(), **CLIPS)
    assert found is not None
    assert named is not None
    assert (found.path, found.panel.seed) == (own, 0)
    assert (named.path, named.panel.seed) == (other, 7)
    assert named.sha256 == hashlib.sha256(other.read_bytes()).hexdigest()


def test_the_stores_own_panel_of_other_data_is_left_out_and_it_is_said(store: Store) -> None:
    written(store.panel_file, replace(PANEL, data_sha256="x"))
    listener = Listener()
    assert choose_panel(None, store, listener, **CLIPS) is None
    assert ["other graded data" in note for note in listener.notes] == [True]


def test_a_named_panel_of_other_data_is_refused_before_anything_is_searched(
    store: Store, tmp_path: Path
) -> None:
    path = written(tmp_path / "other.json", replace(PANEL, train_sha256="x"))
    with pytest.raises(UsageError, match="another training split") as failure:
        choose_panel(path, store, Silent(), **CLIPS)
    assert failure.value.code == "usage.other_panel"


def test_a_named_panel_of_other_values_is_refused(store: Store, tmp_path: Path) -> None:
    chosen = choose_panel(written(tmp_path / "other.json"), store, Silent(), **CLIPS)
    assert chosen is not None
    assert chosen.that_fits(Silent(), **CLIPS, probes_sha256="p") is chosen
    with pytest.raises(UsageError, match="other windows"):
        chosen.that_fits(Silent(), **CLIPS, probes_sha256="q")


def test_a_reference_whose_answers_are_lost_is_found_before_the_entry_runs(store: Store) -> None:
    written(store.panel_file)
    found = choose_panel(None, store, Silent(), **CLIPS)
    assert found is not None
    found.check_references(store)
    (store.folder / "evidence.npz").write_bytes(EVIDENCE.to_bytes()[:-1])
    with pytest.raises(StoreFailed, match="reference g0") as failure:
        found.check_references(store)
    assert failure.value.code == "store.evidence_damaged"
