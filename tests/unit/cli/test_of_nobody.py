"""A zip that nobody can read: on record, told to its sender by its digest, nobody's attempt, and no row of the page."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.results.store import Store


@pytest.mark.parametrize("what", ["no zip", "no manifest", "a manifest with mistakes"])
def test_it_is_kept_told_and_not_published(
    make_clip: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    sent, folder, site = tmp_path / "sent.zip", tmp_path / "store", tmp_path / "site"
    if what == "no zip":
        sent.write_bytes(b"not a zip")
    else:
        with zipfile.ZipFile(sent, "w") as packed:
            packed.writestr("build.sh", "#!/bin/sh\n")
            packed.writestr("evaluate.py", "#!/usr/bin/env python3\n")
            if what == "a manifest with mistakes":
                packed.writestr("wmc.toml", "user_name = 3\n")
    data = make_clip(name="heldout")
    command = ["grade", str(sent), "--data", str(data), "--store", str(folder), "--sandbox", "process"]
    assert main(command) == 1
    digest = hashlib.sha256(sent.read_bytes()).hexdigest()
    assert f"the zip, sha256 {digest[:12]}, does not say who sent it" in " ".join(
        capsys.readouterr().err.split()
    )
    (report,) = Store(folder).reports()

    assert main(["notice", report.grade_id, "--store", str(folder)]) == 0
    told = capsys.readouterr().out
    assert digest[:32] in told
    assert "it counts for nobody" in told
    assert "costs no attempt" in told
    assert "unnamed" not in told

    assert main(["leaderboard", "--store", str(folder), "-o", str(site)]) == 0
    assert "1 submission(s) that do not say whose they are" in capsys.readouterr().err
    assert json.loads((site / "leaderboard.json").read_text())["failed"] == []
    assert list((site / "grades").iterdir()) == []
    for page in site.rglob("*"):
        assert page.is_dir() or report.grade_id not in page.read_text("utf-8", "replace")
