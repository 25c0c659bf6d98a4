"""`wmc grade --protocol open`: what goes with it and what does not, and what is shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.results.store import Store

ROOT = Path(__file__).parents[3]
LIAR = ROOT / "tests" / "open_entries" / "liar" / "evaluate.py"
Shown = pytest.CaptureFixture[str]


@pytest.fixture
def liar(tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch) -> str:
    """A zip of an entry that prints that it knows everything."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
    shutil.copy(LIAR, folder / "evaluate.py")
    path = str(tmp_path / "liar.zip")
    assert main(["submit", str(folder), "-o", path]) == 0
    capsys.readouterr()
    return path


@pytest.mark.parametrize(
    "options",
    [
        ["--protocol", "open", "--windows", "3"],
        ["--protocol", "open", "--regime", "temporally_teacher_forced"],
        ["--protocol", "open", "--samples", "2"],
        ["--protocol", "open", "--train", "train"],
        ["--protocol", "open", "--codec", "codec.npz"],
        ["--save-outputs"],
        ["--expose-held-out-truth"],
    ],
)
def test_options_of_the_two_protocols_do_not_mix(options: list[str], capsys: Shown) -> None:
    assert main(["grade", "entry.zip", "--data", "val", *options]) == 2
    assert next(option for option in options if option.startswith("--") and option != "--protocol") in (
        capsys.readouterr().err
    )


def test_what_it_printed_is_shown_as_its_word(liar: str, make_clip, tmp_path: Path, capsys: Shown) -> None:
    store = str(tmp_path / "store")
    words = ["grade", liar, "--data", str(make_clip(name="val")), "--store", store]
    assert main([*words, "--protocol", "open", "--sandbox", "process"]) == 0
    shown = capsys.readouterr()
    assert "self-reported" in shown.out
    assert "0.0000" in shown.out
    assert "prove nothing" in shown.err
    assert Store(Path(store)).reports()[0].provenance.protocol == "open"


def test_the_record_is_printed_for_machines(liar: str, make_clip, tmp_path: Path, capsys: Shown) -> None:
    words = [
        "grade",
        liar,
        "--data",
        str(make_clip(name="val")),
        "--store",
        str(tmp_path / "store"),
        "--json",
    ]
    assert main([*words, "--protocol", "open", "--sandbox", "process"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["open_run"]["self_reported"]["loss"] == 0.0
    assert set(record["regimes"].values()) == {None}


def test_private_data_is_refused_with_the_option_that_gives_it_away(
    liar: str, make_clip, tmp_path: Path, capsys: Shown
) -> None:
    words = ["grade", liar, "--data", str(make_clip(name="heldout")), "--store", str(tmp_path / "store")]
    assert main([*words, "--protocol", "open", "--sandbox", "process"]) == 3
    shown = capsys.readouterr().err
    assert "admission.exposes_truth" in shown
    assert "--expose-held-out-truth" in shown
