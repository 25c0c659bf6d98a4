"""The layers of the architecture: imports go down only, never sideways, never round."""

from __future__ import annotations

import ast
import textwrap
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS = (
    {"harness.__main__"},
    {"harness.cli"},
    {"baselines", "submissions_template", "leaderboard"},
    {"wmc_guest"},
    {"harness.resuming"},
    {"harness.doctor", "harness.grading", "harness.open_rules"},
    {"harness.stages"},
    {"harness.arrival", "harness.earlier", "harness.request"},
    {
        "harness.admission",
        "harness.asking",
        "harness.pictures",
        "harness.recomputing",
        "harness.reviewing",
        "harness.slips",
    },
    {"harness.checking", "harness.copying", "harness.notice", "harness.provenance", "harness.reporting"},
    {"harness.exam", "harness.results"},
    {"harness.intake", "harness.sandbox", "harness.scoring", "harness.retrieval"},
    {"harness.codec", "harness.protocol"},
    {"harness.data"},
    {"harness.spec"},
    {"harness.disk"},
    {
        "harness.outcomes",
        "harness.owner",
        "harness.plain",
        "harness.progress",
        "harness.undo",
        "harness.workers",
    },
    {"harness.errors", "harness.extras", "harness.text"},
)
"""Highest first; members of one set are siblings that never import each other."""

HEAVY = {"torch", "docker", "vizdoom", "PIL", "huggingface_hub", "skimage", "numba", "scipy", "cryptography"}
"""Imported inside the function that needs them, so that `wmc --help` answers without them."""

ENTRIES = ("baselines", "submissions_template")
SOURCES = sorted(
    [
        ROOT / "wmc_guest.py",
        *(path for folder in ("harness", "leaderboard", *ENTRIES) for path in (ROOT / folder).rglob("*.py")),
    ]
)


HARNESS = [path for path in SOURCES if path.relative_to(ROOT).parts[0] not in ENTRIES]
"""What `wmc --help` may load; an entry is a program of its own."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str | None:
    """The name in LAYERS that holds this module; the package `harness` itself is nobody's."""
    return next((part for layer in LAYERS for part in layer if f"{module}.".startswith(f"{part}.")), None)


def imports_of(path: Path) -> set[str]:
    """Every module of ours that this file names in an import, wherever it stands."""
    modules = {module_name(source) for source in SOURCES}
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            found |= {
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base for alias in node.names
            }
    return found & modules


IMPORTS = {module_name(path): imports_of(path) for path in SOURCES}


def test_every_module_stands_in_a_layer() -> None:
    assert [module for module in IMPORTS if part_of(module) is None] == ["harness"]


def as_written() -> str:
    """The layers as CONTRIBUTING.md has them: one a line, and what does not fit on it below, set in."""
    return "\n".join(
        textwrap.fill(" | ".join(sorted(layer)), width=120, subsequent_indent="    ", break_on_hyphens=False)
        for layer in LAYERS
    )


def test_contributing_lists_these_layers() -> None:
    _, written, _ = (
        (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("Imports go down only:")[1].split("```", 2)
    )
    assert written.strip() == as_written(), f"write in CONTRIBUTING.md:\n{as_written()}"


def test_no_import_goes_up_or_sideways() -> None:
    level = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    wrong = [
        f"{module} imports {imported}"
        for module, imported_modules in IMPORTS.items()
        for imported in imported_modules
        if (own := part_of(module)) and (other := part_of(imported)) and own != other
        if level[own] >= level[other]
    ]
    assert wrong == []


def test_no_module_imports_itself_round_a_corner() -> None:
    list(TopologicalSorter(IMPORTS).static_order())  # raises CycleError


@pytest.mark.parametrize("path", HARNESS, ids=module_name)
def test_heavy_libraries_are_imported_where_they_are_needed(path: Path) -> None:
    tree = ast.parse(path.read_text())
    top_level = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in top_level if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in top_level if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} & HEAVY == set()


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_are_absolute(path: Path) -> None:
    relative = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_only_the_console_prints_and_nothing_asserts_or_unpickles(path: Path) -> None:
    is_entrys = path.relative_to(ROOT).parts[0] in ENTRIES  # its scripts print to their user
    forbidden = {"eval", "exec"} | (set() if is_entrys else {"print"})
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Assert), f"{path}:{node.lineno} asserts in shipped code"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in forbidden, f"{path}:{node.lineno} calls {node.func.id}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & {"pickle", "marshal", "shelve", "dill"}, f"{path}:{node.lineno} unpickles"
