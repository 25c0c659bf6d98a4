"""What every entry has at its root: `wmc.toml`, and `build.sh` and `evaluate.py`, which must start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.intake.limits import ArchiveLimits
from harness.intake.zipformat import reject
from harness.text import spelled_out

MANIFEST = "wmc.toml"
SCRIPTS = ("build.sh", "evaluate.py")
REQUIRED = (MANIFEST, *SCRIPTS)

_MAC_LITTER = "__MACOSX"
_BOM = b"\xef\xbb\xbf"


def check_names(names: Iterable[str]) -> None:
    """Refuse an entry whose files lack a required one; say so if all of it lies one folder too deep."""
    present = set(names)
    missing = [name for name in REQUIRED if name not in present]
    if not missing:
        return
    roots = {name.split("/", 1)[0] for name in present} - {_MAC_LITTER}
    if len(missing) == len(REQUIRED) and len(roots) == 1:
        root = roots.pop()
        if f"{root}/{MANIFEST}" in present:
            raise reject(
                "archive.nested_root",
                f"everything is inside {root}/",
                f"zip the contents of {root}/, not the folder itself; `wmc submit {root}` does it",
            )
    raise reject(
        "archive.missing_file",
        f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing",
        "put wmc.toml, build.sh and evaluate.py at the top of the entry, as in what `wmc new FOLDER` makes",
    )


def check_scripts(folder: Path, executable: Mapping[str, bool], limits: ArchiveLimits) -> None:
    """Refuse scripts that the kernel would not start; each mistake has its own code, and names both."""
    contents = {name: _head(folder / name, name, limits) for name in REQUIRED}
    scripts = {name: contents[name] for name in SCRIPTS}
    wrong = [name for name, text in scripts.items() if b"\r\n" in text]
    if wrong:
        fix = f"in the entry's folder: sed -i 's/\\r$//' {' '.join(wrong)}"
        raise reject(
            "archive.crlf",
            f"{_listed(wrong)}: Windows line ends (CRLF){_spoilt_programs(scripts, wrong)}",
            fix,
        )
    wrong = [name for name, text in scripts.items() if text.startswith(_BOM)]
    if wrong:
        raise reject(
            "archive.bom",
            f"{_listed(wrong)}: a byte order mark before the first line",
            "save as UTF-8 without BOM",
        )
    wrong = [name for name, text in scripts.items() if not _has_shebang(text)]
    if wrong:
        fix = "begin build.sh with '#!/bin/sh' or '#!/bin/bash', evaluate.py with '#!/usr/bin/env python3'"
        raise reject(
            "archive.no_shebang", f"{_listed(wrong)}: the first line names no program (no '#!')", fix
        )
    wrong = [name for name in SCRIPTS if not executable[name]]
    if wrong:
        fix = f"chmod +x {' '.join(wrong)}, then `wmc submit FOLDER`, which keeps the bit"
        raise reject("archive.not_executable", f"{_listed(wrong)}: the execute bit is not set", fix)


def _spoilt_programs(scripts: Mapping[str, bytes], names: list[str]) -> str:
    """What the kernel makes of the first lines that end in CR, empty if none does."""
    firsts = [scripts[name].split(b"\n", 1)[0] for name in names]
    words = [first.split()[-1].rsplit(b"/", 1)[-1] for first in firsts if _ends_in_cr(first)]
    if not words:
        return ""
    shown = [f"'{spelled_out(word)}\\r'" for word in dict.fromkeys(words)]
    return f"; to the kernel it is part of the first line: it reads {_listed(shown)}"


def _ends_in_cr(first_line: bytes) -> bool:
    return first_line.startswith(b"#!") and first_line.endswith(b"\r")


def _has_shebang(text: bytes) -> bool:
    first = text.split(b"\n", 1)[0]
    return first.startswith(b"#!") and first[2:].strip().startswith(b"/")


def _head(path: Path, name: str, limits: ArchiveLimits) -> bytes:
    """The text of a required file, which must be short enough to be read by a person."""
    with path.open("rb") as file:
        text = file.read(limits.script_bytes + 1)
    if len(text) > limits.script_bytes:
        fix = "keep it short: a person reads it before it is graded; put the rest into other files"
        raise reject("archive.script_too_large", f"{name} has more than {limits.script_bytes} bytes", fix)
    return text


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
