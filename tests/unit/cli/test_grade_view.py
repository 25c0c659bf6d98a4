"""How the probes of a grade are shown in a terminal: each ending in its own words, and never two for one cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.cli.console import Console
from harness.cli.grade_view import _show_probe
from harness.scoring.state_probe import StateProbe, unfinished

CLEAN = StateProbe(
    windows=8, mean_gain=0.0, largest_change=0.0002, carried_state=False, depends_on_neighbours=False
)


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (replace(CLEAN, depends_on_neighbours=True), "changes with its batch neighbours"),
        (replace(CLEAN, carried_state=True), "carries state between batches"),
        (replace(CLEAN, carried_state=True, depends_on_neighbours=True), "carries state between batches"),
        (unfinished("guest.closed"), "the entry failed (guest.closed)"),
    ],
)
def test_what_a_probe_found_is_one_warning(capsys, monkeypatch, probe, words):
    monkeypatch.setenv("COLUMNS", "200")
    _show_probe("regime", probe, Console())
    shown = capsys.readouterr()
    assert shown.out == ""
    [line] = shown.err.strip().splitlines()
    assert line.startswith("regime: ")
    assert words in line
