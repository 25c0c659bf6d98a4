"""`wmc check` grades, forecasts and hints, and leaves nothing behind."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.intake.pack import pack

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "submissions_template"
PREDICTOR = (TEMPLATE / "predictor.py").read_text()
ONE_REGIME = ("--regime", "temporally_teacher_forced")


@pytest.fixture
def entry(tmp_path):
    """A copy of the template."""
    return shutil.copytree(TEMPLATE, tmp_path / "entry", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def calm_clip(make_clip):
    """Six windows in which every other frame is the one before it, so that keeping bits is worth something."""
    return make_clip((226,) * 6, hold=25)


@pytest.fixture
def wmc(tmp_path, monkeypatch, capsys):
    """Runs a command without isolation, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words):
        code = main([*map(str, words), "--sandbox", "process"])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return run


@pytest.mark.parametrize(("build", "code"), [("#!/bin/sh\n", 0), ("#!/bin/sh\necho words\nexit 3\n", 1)])
def test_nothing_of_it_is_left_but_the_log_of_one_that_failed(entry, tmp_path, make_clip, build, code):
    (entry / "build.sh").write_text(build)
    places = {"TMPDIR": tmp_path / "tmp", "XDG_CACHE_HOME": tmp_path / "cache"}
    for place in places.values():
        place.mkdir()
    command = [
        sys.executable,
        "-m",
        "harness",
        "check",
        str(entry),
        "--data",
        str(make_clip((226,))),
        "--json",
    ]
    done = subprocess.run(
        [*command, "--sandbox", "process", "--windows", "1"],
        env={**os.environ, **{name: str(place) for name, place in places.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)["status"] == ("graded" if code == 0 else "failed")
    left = [path for place in places.values() for path in place.rglob("*") if path.is_file()]
    assert left == ([] if code == 0 else [tmp_path / "cache" / "wmc" / "checks" / "entry" / "build.log"])


def test_a_quick_check_shows_the_regimes_the_forecast_and_what_comes_next(wmc, entry, calm_clip):
    done = wmc("check", entry, "--quick", "--data", calm_clip)
    assert done.returncode == 0, done.stderr
    for words in (
        "temporally teacher-forced",
        "uniform guessing",
        "6 windows",
        "243 windows",
        "6.0 h",
        "5 min",
    ):
        assert words in done.stdout
    assert f"\nnext: wmc check {entry} --data {calm_clip} --sandbox process\n" in done.stderr
    assert "hint:" not in done.stderr


def test_a_full_check_needs_no_forecast_and_leads_to_the_submission(wmc, entry, calm_clip):
    done = wmc("check", entry, "--data", calm_clip, "--no-pictures", *ONE_REGIME)
    assert "243 windows" not in done.stdout
    assert f"next: wmc submit {entry}" in done.stderr


def test_quick_says_how_many_windows_and_nothing_else_may(wmc, entry, calm_clip):
    done = wmc("check", entry, "--data", calm_clip, "--quick", "--windows", "3")
    assert done.returncode == 2
    assert "usage.quick" in done.stderr


def test_an_entry_that_would_be_stopped_is_told_so_by_a_few_windows(wmc, entry, calm_clip):
    slow = PREDICTOR.replace("flip_BK = self", "__import__('time').sleep(0.06)\n        flip_BK = self")
    (entry / "predictor.py").write_text(slow)
    done = wmc(
        *("check", entry, "--data", calm_clip, "--windows", "2", "--json", *ONE_REGIME),
        *("--regime-timeout", "20", "--reply-timeout", "15"),
    )
    assert done.returncode == 0, done.stderr
    few, public_val = (forecast for (forecast,) in json.loads(done.stdout)["forecast"])
    assert (few["windows"], public_val["windows"]) == (6, 243)
    assert few["regime_span"]["expected_s"] < 20 < public_val["regime_span"]["expected_s"]
    assert "all 243 windows would take about" in done.stderr
    assert "would be stopped" in done.stderr


def test_who_has_no_docker_is_told_that_their_own_code_runs_without(entry, calm_clip, monkeypatch, capsys):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert main(["check", str(entry), "--data", str(calm_clip)]) == 3
    said = capsys.readouterr().err
    assert "sandbox.no_engine" in said
    assert "add --sandbox process" in said


MISTAKES = {
    "factors swapped": (
        "return logits_BHWFV,",
        "return logits_BHWFV[..., ::-1, :],",
        "two factors were swapped",
    ),
    "double precision": ("return logits_BHWFV,", "return logits_BHWFV.astype(float),", "returns float64"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_what_is_returned_gets_a_hint(wmc, entry, calm_clip, mistake):
    right, wrong, words = MISTAKES[mistake]
    (entry / "predictor.py").write_text(PREDICTOR.replace(right, wrong))
    done = wmc("check", entry, "--quick", "--data", calm_clip, "--json", *ONE_REGIME)
    assert done.returncode == 0, done.stderr
    (hint,) = json.loads(done.stdout)["hints"]
    assert words in hint
    assert f"hint: {hint}" in done.stderr


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("logits_BHWFV.transpose(0, 3, 4, 1, 2)", ".transpose(0, 3, 4, 1, 2) fits"),
        ("np.broadcast_to(np.float32(0), (*logits_BHWFV.shape[:3], 2**18))", "logits of whole tokens"),
    ],
)
def test_a_wrong_shape_is_explained_on_the_screen_in_one_line(wmc, entry, calm_clip, answer, words):
    (entry / "predictor.py").write_text(PREDICTOR.replace("return logits_BHWFV,", f"return {answer},"))
    done = wmc("check", entry, "--quick", "--data", calm_clip, *ONE_REGIME)
    assert done.returncode == 1
    assert done.stderr.count(words) == 1
    assert "Traceback" not in done.stderr


def test_an_exception_of_the_entry_is_shown_with_its_traceback_and_once(wmc, entry, calm_clip):
    (entry / "predictor.py").write_text(PREDICTOR.replace("flip_BK = self", "flip_BK = myself"))
    done = wmc("check", entry, "--quick", "--data", calm_clip, *ONE_REGIME)
    assert "predictor.py" in done.stderr
    assert done.stderr.count("name 'myself' is not defined") == 1


def test_a_long_build_that_fails_says_its_end_once_and_where_all_of_it_is(wmc, entry, calm_clip):
    (entry / "build.sh").write_text("#!/bin/sh\nfor i in $(seq 300); do echo step $i; done\nexit 4\n")
    done = wmc("check", entry, "--data", calm_clip)
    assert done.returncode == 1
    assert done.stderr.count("step 300\n") == 1
    (folder,) = re.findall(r"^logs: (.+)$", done.stderr, re.MULTILINE)
    whole = Path(folder, "build.log")
    assert whole.read_text().splitlines() == [f"step {i}" for i in range(1, 301)]
    (entry / "build.sh").write_text("#!/bin/sh\n")
    assert wmc("check", entry, "--quick", "--data", calm_clip, *ONE_REGIME).returncode == 0
    assert not whole.exists()


def test_an_entry_that_fails_at_the_gate_shows_the_end_of_what_it_wrote(wmc, entry, calm_clip):
    noisy = "import sys\n[print('word', i, file=sys.stderr) for i in range(50)]\nraise SystemExit(3)\n"
    (entry / "predictor.py").write_text(noisy)
    done = wmc("check", entry, "--data", calm_clip, *ONE_REGIME)
    assert "--- temporally_teacher_forced.log, the last 20 of 50 lines\nword 30\n" in done.stderr
    assert done.stderr.count("word 49") == 1


def test_a_check_shows_no_name_of_a_grade_that_nobody_can_look_up(wmc, entry, calm_clip):
    done = wmc("check", entry, "--quick", "--data", calm_clip, *ONE_REGIME)
    assert "6 windows, loss in nats per token" in done.stdout
    assert "grade 20" not in done.stdout + done.stderr


def test_a_grade_hints_at_nothing(wmc, entry, calm_clip, tmp_path):
    """The control: hints come from the truth, so the grader of held-out video must not listen for them.

    An entry whose check does get a hint is graded; nothing of a hint is shown or kept.
    """
    right, wrong, words = MISTAKES["factors swapped"]
    (entry / "predictor.py").write_text(PREDICTOR.replace(right, wrong))
    submission, store = pack(entry, tmp_path / "entry.zip").path, tmp_path / "store"
    how = ("--data", calm_clip, "--no-pictures", *ONE_REGIME)
    assert words in wmc("check", submission, *how).stderr
    done = wmc("grade", submission, *how, "--store", store, "--no-review")
    assert done.returncode == 0, done.stderr
    kept = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    for said in (done.stdout, done.stderr, kept.decode("utf-8", "replace")):
        assert words not in said
        assert "hint:" not in said


def test_only_the_check_can_reach_the_hints():
    """The same control, from the source: no other module of the harness names them."""
    naming = [
        path.relative_to(ROOT).as_posix()
        for folder in ("harness", "leaderboard", "baselines")
        for path in (ROOT / folder).rglob("*.py")
        if "harness.checking.hints" in path.read_text()
    ]
    assert naming == ["harness/cli/check.py"]
