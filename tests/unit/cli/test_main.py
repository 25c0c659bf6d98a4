"""The command line: what it loads, how errors become exit codes, what goes to stdout."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.errors import Blame, BuildFailed, SandboxUnavailable, UsageError
from harness.protocol.regimes import Regime

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "submissions_template"


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from harness.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'docker', 'vizdoom', 'PIL', 'huggingface_hub', 'jinja2', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("submit", "check", "grade", "leaderboard", "data", "sandbox", "review"):
        assert f"\n    {command}" in done.stdout


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The exit code of a command that raises this."""

    def run(error: BaseException, **said: object) -> int:
        def fail(_args: argparse.Namespace, _console: Any) -> None:
            raise error

        def parser() -> argparse.ArgumentParser:
            made = argparse.ArgumentParser()
            made.set_defaults(run=fail, **said)
            return made

        monkeypatch.setattr(cli, "_parser", parser)
        return cli.main([])

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BuildFailed("build.sh exited with status 1", fix="look at the log", code="build.exit_status"), 1),
        (UsageError("no", fix="yes", code="usage.seed"), 2),
        (SandboxUnavailable("no engine", fix="start one", code="sandbox.no_engine"), 3),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("oops"), 70),
    ],
)
def test_an_exit_code_says_whose_turn_it_is(
    failing: Callable[[BaseException], int], error: BaseException, code: int
) -> None:
    assert failing(error) == code


def test_an_error_says_what_happened_and_what_to_do(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(BuildFailed("build.sh \x1b[31mfailed", fix="look at the [log]", code="build.exit_status"))
    shown = capsys.readouterr()
    assert shown.out == ""
    first, move, fix, command = shown.err.splitlines()
    assert first.startswith("error [build.exit_status]: build.sh ")
    assert move == "whose move: the entry's: whoever made it mends it"
    assert fix == "fix: look at the [log]"
    assert command == "next: wmc explain build.exit_status"
    assert "\x1b" not in shown.err


@pytest.mark.parametrize(
    ("error", "move", "command"),
    [
        (UsageError("no", fix="yes", code="usage.seed"), "yours", "wmc grade --help"),
        (
            SandboxUnavailable("no", fix="yes", code="sandbox.engine"),
            "the operator's",
            "wmc explain sandbox.engine",
        ),
        (
            SandboxUnavailable("no", fix="yes", code="sandbox.no_engine", command="wmc sandbox status"),
            "the operator's",
            "wmc sandbox status",
        ),
        (ZeroDivisionError("oops"), "ours", "wmc explain wmc.bug"),
    ],
)
def test_every_failure_ends_with_whose_move_it_is_the_fix_and_the_next_command(
    failing: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    move: str,
    command: str,
) -> None:
    failing(error, command="grade")
    *_, whose, fix, last = capsys.readouterr().err.splitlines()
    assert whose.startswith(f"whose move: {move}: ")
    assert fix.startswith("fix: ")
    assert last == f"next: {command}"


def test_what_the_command_line_does_not_know_ends_in_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["review", "a.zip", "--nonsense"])
    first, move, fix, command = capsys.readouterr().err.splitlines()
    assert first == "error [usage.arguments]: unrecognized arguments: --nonsense"
    assert move.startswith("whose move: yours")
    assert fix.startswith("fix: ")
    assert command == "next: wmc review --help"


@pytest.mark.parametrize(
    ("arguments", "command"), [(["data", "pull", "--nonsense"], "wmc data pull"), (["--nonsense"], "wmc")]
)
def test_the_help_that_is_named_is_that_of_the_command_that_was_given(
    capsys: pytest.CaptureFixture[str], arguments: list[str], command: str
) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert capsys.readouterr().err.endswith(f"next: {command} --help\n")


def test_wmc_alone_lists_every_command_on_one_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kept_signals: None
) -> None:
    """Of 24 lines and 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert len(lines) <= 24
    listed = {line.split()[0] for line in lines if line.startswith("    ") and line[4] != " "}
    assert {"new", "check", "grade", "train-baseline", "visualize"} <= listed
    assert "wmc COMMAND --help" in lines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit", "x"],
        ["inbox", "a/b"],
        ["leaderboard"],
        ["notice", "x"],
        ["retrieval", "calibrate", "--data", "d", "--train", "t", "--all"],
        ["tokenize", "x"],
        ["visualize", "x"],
        ["data", "pull"],
    ],
)
def test_a_hyphen_is_no_place_for_a_result(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "-o", "-"])
    assert caught.value.code == 2
    assert "nothing is written to standard output: name a file or folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_refused_grade_has_no_name_and_its_next_command_names_the_zip(
    make_clip: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], kept_signals: None
) -> None:
    """An id is said once there will be a record by that id; what is printed can be pasted, blanks and all."""
    submission = tmp_path / "my entry.zip"
    assert cli.main(["submit", str(TEMPLATE), "-o", str(submission)]) == 0
    clip, store = str(make_clip(name="heldout")), str(tmp_path / "the store")
    common = ["--store", store]
    options = ["--data", clip, "--sandbox", "process", "--windows", "1", "--no-pictures", *common]
    capsys.readouterr()
    assert cli.main(["grade", str(submission), *options]) == 3
    refused = capsys.readouterr().err
    assert not re.search(r"^grade 2", refused, re.MULTILINE)
    assert "ZIP" not in refused
    command = refused.splitlines()[-1].removeprefix("next: wmc ")
    assert shlex.split(command) == ["review", str(submission), *common]
    assert cli.main(shlex.split(command)) == 0
    command = capsys.readouterr().err.splitlines()[-1].removeprefix("next: wmc ")
    assert cli.main(shlex.split(command)) == 2, "nobody is called NAME"
    assert cli.main([word.replace("NAME", "Ann") for word in shlex.split(command)]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"next: wmc grade {shlex.quote(str(submission))} --data DIR --store {shlex.quote(store)}"
    )
    assert cli.main(["grade", str(submission), *options]) == 0
    begun = capsys.readouterr().err
    [said] = re.findall(r"^grade (2\S+)$", begun, re.MULTILINE)
    assert (Path(store) / "grades" / said).is_dir()
    assert begun.index("private data: approved by Ann") < begun.index(f"grade {said}")


def test_a_bug_is_called_ours(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ZeroDivisionError("oops"))
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in shown
    assert "bug in wmc, not in your entry" in shown.replace("\n", " ")


@pytest.fixture
def kept_signals() -> Iterator[None]:
    """The tests' own process does nothing special on a signal, even under nohup; afterwards it is as before."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["terminate", "hang-up"]
)
def test_a_polite_kill_unwinds_and_says_terminated(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kept_signals: None,
    number: signal.Signals,
    code: int,
) -> None:
    unwound = []

    def killed(_args: argparse.Namespace, _console: Any) -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            unwound.append(number)

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=killed)
    monkeypatch.setattr(cli, "_parser", lambda: parser)
    assert cli.main([]) == code
    assert unwound == [number]
    assert capsys.readouterr().err == "terminated\n"


def test_a_hang_up_that_the_caller_ignores_stays_ignored(
    monkeypatch: pytest.MonkeyPatch, kept_signals: None
) -> None:
    """As under nohup."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(run=lambda _args, _console: os.kill(os.getpid(), signal.SIGHUP))
    monkeypatch.setattr(cli, "_parser", lambda: parser)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert cli.main([]) == 0


@pytest.mark.parametrize(
    "error",
    [SandboxUnavailable("no engine", fix="start one", code="sandbox.no_engine"), ZeroDivisionError("oops")],
)
@pytest.mark.parametrize("command", ["grade", "check", "review"])
def test_json_is_printed_by_a_command_that_failed_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, command: str
) -> None:
    def fail(_args: argparse.Namespace, _console: Any) -> None:
        raise error

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=fail, json=True, command=command)
    monkeypatch.setattr(cli, "_parser", lambda: parser)
    code = cli.main([])
    shown = json.loads(capsys.readouterr().out)
    assert set(shown["failure"]) == {"code", "blame", "message", "fix"}
    assert code == Blame(shown["failure"]["blame"]).exit_code != 0
    if command == "review":
        assert set(shown) == {"failure"}
    else:
        assert shown["regimes"] == {regime.value: None for regime in Regime}
        assert (shown["status"], shown["entry"], shown["provenance"]) == ("failed", None, None)


def test_a_zip_that_is_none_is_said_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.zip").write_text("no zip")
    assert cli.main(["review", str(tmp_path / "x.zip"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["failure"]["blame"] == "entry"
    assert cli.main(["data", "info", str(tmp_path), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["failure"]["blame"] == "operator"


@pytest.mark.parametrize(
    "arguments",
    [
        ["grade"],
        ["grade", "x.zip"],
        ["grade", "x.zip", "--data", "d", "--seed", "-1"],
        ["grade", "x.zip", "--data", "d", "--regime", "psychic"],
        ["check", "x", "--data", "d", "--reply-timeout", "nan"],
        ["check", "x", "--data", "d", "--windows", "0"],
    ],
)
def test_a_command_that_makes_no_sense_is_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


def test_grade_prints_one_json_object_and_keeps_the_record(
    make_clip: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submission = tmp_path / "entry.zip"
    assert cli.main(["submit", str(TEMPLATE), "-o", str(submission)]) == 0
    capsys.readouterr()
    options = [
        "--data",
        str(make_clip()),
        "--store",
        str(tmp_path / "store"),
        "--sandbox",
        "process",
        "--json",
        "--no-review",
    ]
    assert cli.main(["grade", str(submission), *options]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["status"] == "graded"
    assert shown["failure"] is None
    assert len(shown["entry"]["email_sha256"]) == 64
    assert shown["regimes"]["fully_teacher_forced"] is None
    assert shown["regimes"]["temporally_teacher_forced"]["windows"] == 4
    assert (tmp_path / "store" / "grades" / shown["grade_id"] / "temporally_teacher_forced.npz").exists()


def test_check_takes_a_folder_and_shows_the_end_of_its_log(
    make_clip: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "entry"
    folder.mkdir()
    for file in TEMPLATE.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
            (folder / file.name).chmod(file.stat().st_mode)
    (folder / "predictor.py").write_text("raise RuntimeError('weights are missing')\n")
    arguments = ["check", str(folder), "--data", str(make_clip()), "--sandbox", "process", "--json"]
    assert cli.main(arguments) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["failure"]["blame"] == "entry"
    assert "weights are missing" in shown.err


def test_data_info_describes_a_clip(
    make_clip: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip((226, 700))
    assert cli.main(["data", "info", str(clip), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frames"] == 926
    assert facts["segments"] == 2
    assert facts["windows"] == {"disjoint": 4, "upstream": 1 + 30}
    assert facts["actions"]["joint_pos"] == 21
    assert cli.main(["data", "info", str(clip)]) == 0
    assert "926" in capsys.readouterr().out


def test_an_evaluate_py_run_by_hand_is_scored_by_the_grader(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    command = [sys.executable, str(TEMPLATE / "evaluate.py"), "--val_data_dir", str(make_clip())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("temporally teacher-forced: loss ")
    assert "4 windows" in done.stdout


def test_an_evaluate_py_run_by_hand_on_no_clip_says_so(tmp_path: Path) -> None:
    command = [sys.executable, str(TEMPLATE / "evaluate.py"), "--val_data_dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "data.file_missing" in done.stderr
