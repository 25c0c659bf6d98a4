"""Hostile entries in the real sandbox: how they are put together, and how one is run as it is or with a control off."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.intake.pack import pack
from harness.sandbox.container import DockerGuest, DockerSandbox
from harness.sandbox.contract import BuiltEntry
from harness.sandbox.run import Run

ROOT = Path(__file__).parents[3]
ENTRIES = ROOT / "tests" / "entries"
TEMPLATE = ROOT / "submissions_template"
KIT = ("kit.py", "syscalls.py")
PROBES = "probes"
_EVERY_PROBE = """#!/usr/bin/env python3
import importlib
import kit
kit.tell({name: importlib.import_module(f"probe_{name}").attempts() for name in NAMES})
"""


def names() -> list[str]:
    """Every hostile entry, by its folder."""
    return sorted(path.parent.name for path in ENTRIES.glob("*/evaluate.py"))


def probes() -> list[str]:
    """The entries that only try things and tell."""
    return sorted(path.parent.name for path in ENTRIES.glob("*/probe.py"))


def compose(name: str, folder: Path) -> Path:
    """A whole entry in a new folder: the template, the kit, and over both what the behaviour differs in."""
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in KIT:
        shutil.copy(ENTRIES / file, folder)
    if name == PROBES:
        for probe in probes():
            shutil.copy(ENTRIES / probe / "probe.py", folder / f"probe_{probe}.py")
        (folder / "evaluate.py").write_text(_EVERY_PROBE.replace("NAMES", repr(probes())))
    else:
        shutil.copytree(
            ENTRIES / name, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


def zipped(name: str, folder: Path) -> Path:
    """The submission of one behaviour."""
    return pack(compose(name, folder / name), folder / f"{name}.zip").path


def zoo(folder: Path) -> Path:
    """An entry that holds all others, each in a folder of its own and built there."""
    compose("innocent", folder)
    inhabitants = [name for name in names() if not name.startswith("build_")]
    for name in [*inhabitants, PROBES]:
        compose(name, folder / name)
    own = [f"(cd {name} && ./build.sh)\n" for name in inhabitants if (ENTRIES / name / "build.sh").exists()]
    (folder / "build.sh").write_text("#!/bin/sh\nset -e\n" + "".join(own))
    return folder


@dataclass(frozen=True, kw_only=True)
class Loosed(Run):
    """The run of one animal of the zoo, with the flags in `off` replaced; what is allowed stays what it was."""

    animal: str
    off: Mapping[str, Any]

    def settings(self, *, grade: str) -> dict[str, Any]:
        return {**super().settings(grade=grade), "working_dir": f"/entry/{self.animal}", **self.off}


class Cage(DockerSandbox):
    """The Docker sandbox with a whole zoo built once; runs the animal that is `next`, with the flags in `off` replaced.

    Attributes:
        log_bytes: what the engine kept of the last one's output on its disk.
    """

    def __init__(self, zoo: BuiltEntry, **named: Any) -> None:
        super().__init__(**named)
        self.zoo = zoo
        self.next = "innocent"
        self.off: dict[str, Any] = {}
        self.log_bytes = 0

    def build(self, files: Path, **named: Any) -> BuiltEntry:
        """The zoo, which is built already."""
        return self.zoo

    @contextmanager
    def run(self, built: BuiltEntry, **named: Any) -> Iterator[DockerGuest]:
        """As the sandbox does it."""
        with super().run(built, **named) as guest:
            try:
                yield guest
            finally:
                folder = Path(
                    guest.container.client.info()["DockerRootDir"], "containers", guest.container.id
                )
                self.log_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

    def _asked(self, built: BuiltEntry, **named: Any) -> Run:
        asked = super()._asked(built, **named)
        return Loosed(**vars(asked), animal=self.next, off=self.off)


def tries(name: str) -> str:
    """What an entry is up to, in the first sentence of its program (of its build.sh where that is the attack)."""
    folder = ENTRIES / name
    if name.startswith("build_"):
        comment = [line for line in (folder / "build.sh").read_text().splitlines()[1:] if line]
        text = comment[0].lstrip("# ").strip('"')
    else:
        text = ast.get_docstring(
            ast.parse((folder / ("probe.py" if name in probes() else "evaluate.py")).read_text())
        )
        text = (text or "").split("\n\n")[0].replace("\n", " ")
    return text.strip()
