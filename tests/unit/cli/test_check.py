"""`wmc check` leaves nothing behind."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[3] / "submissions_template"


@pytest.fixture
def check(tmp_path, make_clip):
    """Runs it on a copy of the template, where caches and temporary files have folders of their own."""
    entry = shutil.copytree(TEMPLATE, tmp_path / "entry", ignore=shutil.ignore_patterns("__pycache__"))
    places = {"TMPDIR": tmp_path / "tmp", "XDG_CACHE_HOME": tmp_path / "cache"}
    for place in places.values():
        place.mkdir()
    clip = make_clip((226,))

    def run(build):
        (entry / "build.sh").write_text(build)
        command = [sys.executable, "-m", "harness", "check", str(entry), "--data", str(clip), "--json"]
        done = subprocess.run(
            [*command, "--sandbox", "process", "--windows", "1"],
            env={**os.environ, **{name: str(place) for name, place in places.items()}},
            capture_output=True,
            text=True,
            check=False,
        )
        left = [path for place in places.values() for path in place.rglob("*")]
        return done, left

    return run


@pytest.mark.parametrize(("build", "code"), [("#!/bin/sh\n", 0), ("#!/bin/sh\nexit 3\n", 1)])
def test_nothing_of_it_is_left_whether_it_went_well_or_not(check, build, code):
    done, left = check(build)
    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)["status"] == ("graded" if code == 0 else "failed")
    assert left == []
