"""`wmc review` shows a submission without running it, and nothing in it acts on the terminal."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.cli import review
from harness.disk.digests import file_sha256
from harness.errors import UsageError
from harness.intake.pack import pack
from harness.results.approvals import _LEDGER
from harness.results.store import Store

TEMPLATE = Path(__file__).parents[3] / "submissions_template"


@pytest.fixture
def run(run_command) -> Callable[..., None]:
    """The command with these arguments."""
    return partial(run_command, review, "review")


@pytest.fixture
def hostile_zip(tmp_path) -> Path:
    """An entry whose scripts try to hide a line, and would leave a trace if they ran."""
    copy = tmp_path / "entry"
    shutil.copytree(TEMPLATE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "build.sh").write_bytes(b"#!/bin/sh\ntouch ran\r# [red]harmless[/red]\x1b[2K\x1b]0;title\x07\n")
    manifest = copy / "wmc.toml"
    manifest.write_text(
        manifest.read_text().replace("Keeps each bit", "[link=http://evil]Keeps[/link] each bit")
    )
    return pack(copy, tmp_path / "hostile.zip").path


def test_scripts_manifest_and_files_are_shown_and_no_escape_gets_out(
    run, hostile_zip, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    run(str(hostile_zip))
    shown = capsys.readouterr().out
    assert "touch ran\\r# [red]harmless[/red]\\x1b[2K" in shown
    assert "[link=http://evil]Keeps[/link]" in shown
    assert "class Predictor:" in shown
    assert "as wmc hands them out\nREADME.md" in shown
    assert not any(ord(char) < 32 and char != "\n" for char in shown)
    assert not (tmp_path / "ran").exists()


def test_json_holds_everything_and_nothing_else_is_on_stdout(run, hostile_zip, capsys):
    run(str(hostile_zip), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["manifest"]["user_name"] == "your-name"
    assert {file["name"] for file in found["files"]} >= {
        "build.sh",
        "evaluate.py",
        "predictor.py",
        "wmc.toml",
    }
    assert dict(found["scripts"])["build.sh"].startswith("#!/bin/sh\ntouch ran\\r")


def test_an_entry_that_breaks_rule_5_on_purpose_says_so_and_no_other_does(run, tmp_path, capsys):
    copy = tmp_path / "entry"
    shutil.copytree(TEMPLATE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    run(str(pack(copy, tmp_path / "honest.zip").path))
    assert "rule 5" not in capsys.readouterr().out
    with (copy / "wmc.toml").open("a") as manifest:
        manifest.write("forbidden_reference = true\nparameters = 1_800_000\n")
    run(str(pack(copy, tmp_path / "cheat.zip").path))
    shown = capsys.readouterr().out
    assert "breaks rule 5 on purpose" in shown
    assert "1,800,000" in shown


def test_what_was_not_searched_is_said_before_all_that_was(run, tmp_path, capsys):
    """Control: an entry that is too much for the search does not read as one in which nothing was found."""
    copy = tmp_path / "entry"
    shutil.copytree(TEMPLATE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    run(str(pack(copy, tmp_path / "honest.zip").path))
    assert "NOT searched" not in "".join(capsys.readouterr())
    (copy / "helper.py").write_text("import a" + ".a" * 200)
    run(str(pack(copy, tmp_path / "overloaded.zip").path))
    shown = capsys.readouterr()
    assert "1 script was NOT searched (helper.py)" in shown.err
    assert "helper.py  a name in it has more than 100 parts: read it by hand" in shown.out
    assert "nothing of the kind was found" not in shown.out


class TestDecisions:
    """Who read a zip, and what they decided."""

    @pytest.fixture
    def zip_path(self, tmp_path) -> Path:
        return pack(TEMPLATE, tmp_path / "entry.zip").path

    @pytest.fixture
    def store(self, tmp_path) -> Path:
        return tmp_path / "store"

    def test_a_look_decides_nothing_and_makes_no_store(self, run, zip_path, store, capsys):
        run(str(zip_path), "--store", str(store))
        shown = capsys.readouterr().out
        assert "not decided: --approve --by NAME" in shown
        assert "there is no such --store" in shown
        assert not store.exists()

    def test_an_approval_says_who_when_and_why_and_is_shown_to_the_next_reader(
        self, run, zip_path, store, capsys
    ):
        run(str(zip_path), "--store", str(store), "--approve", "--by", "[b]org[/b]", "--note", "fine")
        run(str(zip_path), "--store", str(store))
        shown = capsys.readouterr().out
        assert shown.count("approved by [b]org[/b], 20") == 2
        assert ": fine" in shown

    def test_a_decision_is_told_in_few_lines_and_an_approval_is_kept_once(self, run, zip_path, store, capsys):
        """What was read is not shown again; a second approval adds no row, one after a rejection does."""

        def decide(word: str, by: str) -> tuple[str, int]:
            run(str(zip_path), "--store", str(store), word, "--by", by)
            return capsys.readouterr().out, len(_LEDGER.rows(Store(store)))

        first, rows = decide("--approve", "ann")
        assert rows == 1
        assert len(first.splitlines()) == 4
        assert first.startswith("approved by ann, 20")
        assert file_sha256(zip_path) in first
        again, rows = decide("--approve", "bob")
        assert rows == 1
        assert again.splitlines()[0] == first.splitlines()[0].replace("approved by", "approved already by")
        assert decide("--reject", "bob")[1] == 2
        last, rows = decide("--approve", "cy")
        assert rows == 3
        assert last.startswith("approved by cy, 20")

    def test_a_name_that_is_given_away_is_told_also_where_the_zip_was_approved_before(
        self, run, zip_path, store, capsys
    ):
        for options in ([], [], ["--transfer"]):
            run(str(zip_path), "--store", str(store), "--approve", "--by", "ann", *options)
            told = capsys.readouterr().err
            assert ("belongs to its e-mail address from now on" in told) is bool(options)

    @pytest.mark.parametrize("note", ["fine\x1b[2J", "two\nlines", "x" * 401])
    def test_a_decision_that_could_not_be_shown_as_it_is_is_not_kept(self, run, zip_path, store, note):
        with pytest.raises(UsageError) as caught:
            run(str(zip_path), "--store", str(store), "--approve", "--by", "org", "--note", note)
        assert caught.value.code == "usage.by"
        assert not store.exists()

    def test_json_holds_the_decision_and_what_was_found(self, run, zip_path, store, capsys):
        run(str(zip_path), "--store", str(store), "--reject", "--by", "org", "--note", "no", "--json")
        found = json.loads(capsys.readouterr().out)
        assert (found["decision"]["verdict"], found["decision"]["by"], found["decision"]["note"]) == (
            "rejected",
            "org",
            "no",
        )
        assert dict(found["sources"]["shown"]).keys() == {"predictor.py"}
        assert (found["likenesses"], found["identity_clash"], found["organisers_own"]) == ([], None, False)

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            (["--approve"], "usage.by"),
            (["--reject", "--by", " "], "usage.by"),
            (["--approve", "--by", "NAME"], "usage.by"),  # as it stands in what we print
            (["--by", "org"], "usage.by"),
            (["--note", "x"], "usage.by"),
            (["--transfer"], "usage.transfer"),
            (["--reject", "--by", "org", "--transfer"], "usage.transfer"),
        ],
    )
    def test_half_a_decision_is_none(self, run, zip_path, store, options, code):
        with pytest.raises(UsageError) as caught:
            run(str(zip_path), "--store", str(store), *options)
        assert caught.value.code == code
        assert not store.exists()

    def test_a_copier_and_a_name_of_the_organisers_are_told(self, run, tmp_path, store, capsys):
        store.mkdir()
        (store / "fairness.toml").write_text('organisers = ["ann"]\n')
        for user in ("ann", "eve"):
            folder = tmp_path / user
            shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
            manifest = (folder / "wmc.toml").read_text()
            (folder / "wmc.toml").write_text(manifest.replace("your-name", user).replace("you@", f"{user}@"))
            (folder / f"{user}.bin").write_bytes(bytes(range(256)) * 8)
            run(str(pack(folder, tmp_path / f"{user}.zip").path), "--store", str(store))
            if user == "ann":
                assert "the organiser's own: no limit holds" in capsys.readouterr().err
        shown = capsys.readouterr().out
        assert re.search(
            r"\d+% of its bytes \(1 file\) are in ann/template, sha256 [0-9a-f]{12}, first seen 20", shown
        )
        assert re.search(r"2,048  eve\.bin, there ann\.bin", shown)
        assert re.search(r"eve\.bin  unknown content, 2,048 bytes", shown)
