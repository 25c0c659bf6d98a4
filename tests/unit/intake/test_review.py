"""A review shows what an organiser must see, and nothing in it can act on a terminal."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.intake.archive import open_archive
from harness.intake.pack import pack
from harness.intake.review import review
from harness.intake.sources import SHOWN_BYTES
from harness.intake.template import handed_out

TEMPLATE = Path(__file__).parents[3] / "submissions_template"


def test_a_review_holds_the_receipt_the_manifest_and_every_file(folder, tmp_path):
    packed = pack(folder, tmp_path / "in.zip")
    found = review(open_archive(packed.path, tmp_path / "entry"), handed_out=handed_out())
    assert (found.sha256, found.size_bytes, found.manifest) == (
        packed.sha256,
        packed.size_bytes,
        packed.manifest,
    )
    assert [file.name for file in found.files] == ["build.sh", "evaluate.py", "lib/model.py", "wmc.toml"]
    assert found.largest[0].name == "wmc.toml"
    assert dict(found.scripts)["build.sh"] == "#!/bin/sh\nexit 0\n"


def test_a_script_cannot_hide_a_line_or_move_the_cursor(folder, tmp_path):
    (folder / "build.sh").write_bytes(
        b"#!/bin/sh\ncurl evil\r# nothing here\x1b[1A\x1b[2K\n\xff\xe2\x80\xae\n"
    )
    found = review(
        open_archive(pack(folder, tmp_path / "in.zip").path, tmp_path / "entry"), handed_out=handed_out()
    )
    text = dict(found.scripts)["build.sh"]
    assert all(line.isprintable() for line in text.split("\n"))
    assert "curl evil\\r# nothing here\\x1b[1A" in text
    assert "\\xff\\u202e" in text


def reviewed(folder, tmp_path):
    return review(
        open_archive(pack(folder, tmp_path / "in.zip").path, tmp_path / "entry"), handed_out=handed_out()
    )


def test_every_text_is_shown_programs_first_and_nearest_to_the_root(folder, tmp_path):
    (folder / "predictor.py").write_text("import os\nos.system('x')\n")
    (folder / "tool").write_text("#!/usr/bin/env bash\necho something\n")
    (folder / "kernel.cu").write_text("int main() {}\n")
    (folder / "weights.bin").write_bytes(b"\0" * 100)
    found = reviewed(folder, tmp_path).sources
    assert [name for name, _ in found.shown] == ["predictor.py", "tool", "lib/model.py", "kernel.cu"]
    assert dict(found.shown)["predictor.py"] == "import os\nos.system('x')\n"
    assert (found.left_out, found.handed_out) == ((), ())


def test_what_is_too_much_to_be_read_is_named_and_crowds_nothing_out(folder, tmp_path):
    (folder / "predictor.py").write_text("mine = 1\n")
    (folder / "a.py").write_text("x = 1\n" * (SHOWN_BYTES // 6))
    for number in range(3):
        (folder / "lib" / f"vendored{number}.py").write_text("x = 1\n" * (SHOWN_BYTES // 12))
    found = reviewed(folder, tmp_path).sources
    assert "predictor.py" in dict(found.shown)
    assert "lib/model.py" in dict(found.shown)
    assert found.left_out == ("a.py", "lib/vendored1.py", "lib/vendored2.py")


def test_thousands_of_empty_files_are_too_much_as_well(folder, tmp_path):
    """Control: a file counts for something even if it is empty; otherwise its heading buries what there is to read."""
    for number in range(1000):
        (folder / "lib" / f"{number}.py").touch()
    assert 100 < len(reviewed(folder, tmp_path).sources.left_out) < 1000


def test_what_everybody_has_from_us_is_named_and_neither_shown_nor_a_finding(tmp_path):
    found = reviewed(TEMPLATE, tmp_path)
    assert [name for name, _ in found.sources.shown] == ["predictor.py"], "a program is shown all the same"
    assert found.sources.handed_out == ("README.md",)
    assert found.findings == ()


def test_a_line_of_ours_that_was_changed_is_the_entrants_own(tmp_path):
    """Control: only the very line that wmc hands out goes without a finding."""
    copy = shutil.copytree(TEMPLATE, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    script = (copy / "build.sh").read_text()
    (copy / "build.sh").write_text(script.replace("import numpy'", "import numpy, urllib.request'"))
    (found,) = reviewed(copy, tmp_path).findings
    assert "import numpy, urllib.request" in found.what
