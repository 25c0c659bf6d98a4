"""Every entry we ship is one that intake takes, and runs on an old Python with numpy alone."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.intake.pack import pack

ROOT = Path(__file__).parents[3]
FOLDERS = [
    ROOT / "submissions_template",
    *(ROOT / "baselines" / name for name in ("copy_last", "unigram", "ngram")),
]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def entry_folder(request) -> Path:
    """Each shipped entry in turn."""
    return request.param


def test_it_is_a_valid_submission(entry_folder, tmp_path):
    packed = pack(entry_folder, tmp_path / "out.zip")
    assert packed.num_files >= 4
    assert packed.manifest.causal == ("causal = True" in (entry_folder / "predictor.py").read_text())


def test_evaluate_is_four_lines_and_a_docstring(entry_folder):
    lines = [line for line in (entry_folder / "evaluate.py").read_text().splitlines() if line]
    assert [line for line in lines if not line.startswith('"""')] == [
        "#!/usr/bin/env python3",
        "from predictor import Predictor",
        "from wmc_guest import serve",
        "serve(Predictor)",
    ]


def test_it_is_python_3_8_and_imports_numpy_and_itself_only(entry_folder):
    own = {path.stem for path in entry_folder.glob("*.py")}
    for path in entry_folder.glob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            )
        }
        assert imported <= own | {"numpy", "wmc_guest"} | set(sys.stdlib_module_names), path


def test_its_scripts_are_executable_with_unix_line_ends(entry_folder):
    for name in ("build.sh", "evaluate.py"):
        assert (entry_folder / name).stat().st_mode & 0o111
        assert b"\r" not in (entry_folder / name).read_bytes()


@pytest.mark.parametrize("name", ["unigram", "ngram"])
def test_a_build_without_counts_says_how_to_make_them(name, tmp_path):
    (tmp_path / "build.sh").write_text((ROOT / "baselines" / name / "build.sh").read_text())
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # a python3 with numpy

    def build() -> subprocess.CompletedProcess[str]:
        how = {"cwd": tmp_path, "env": os.environ | {"PATH": path}, "capture_output": True, "text": True}
        return subprocess.run(["sh", "build.sh"], check=False, **how)

    done = build()
    assert done.returncode == 1
    assert re.search(rf"counts.npz is missing.*baselines/{name}/train.py --train DIR", done.stderr)
    (tmp_path / "counts.npz").touch()
    assert build().returncode == 0
