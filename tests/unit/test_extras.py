"""What a message says to install is what can be installed."""

from __future__ import annotations

import re
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

from harness.extras import install

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for pattern in (
        "harness/**/*.py",
        "harness/*.toml",
        "baselines/**/*.*",
        "leaderboard/**/*.py",
        "docs/*.md",
        "*.md",
    )
    for path in ROOT.glob(pattern)
    if path.suffix in {".py", ".toml", ".md"} and path.name != "CHANGELOG.md"
}


def test_the_command_names_the_clone_its_venv_and_what_was_tested() -> None:
    assert install("demo") == ".venv/bin/pip install -c constraints.txt -e '.[demo]'"
    assert install() == ".venv/bin/pip install -c constraints.txt -e ."
    assert (ROOT / "constraints.txt").is_file()


def test_nobody_is_told_to_install_this_project_from_an_index() -> None:
    """It is on none: `pip install wmc` would bring a stranger's package, or nothing."""
    told = [name for name, text in TEXTS.items() if re.search(r"pip3? install ['\"]?wmc\b", text)]
    assert not told


def test_every_extra_that_is_named_is_one() -> None:
    extras = PROJECT["optional-dependencies"].keys()
    named = {
        (name, extra.strip())
        for name, text in TEXTS.items()
        for quoted in re.findall(r"""(?:install\("|wmc\[|-e '\.\[)([\w, -]+)["\]]""", text)
        for extra in quoted.split(",")
    }
    assert len(named) > 20
    assert {(name, extra) for name, extra in named if extra not in extras} == set()
