"""Every code that the sources can give a `WmcError`, read from their syntax: who writes one writes it out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import harness.errors
from harness.errors import Blame, WmcError

ROOT = Path(__file__).parents[3]
SOURCES = sorted(
    path
    for folder in ("harness", "leaderboard", "baselines")
    for path in (ROOT / folder).rglob("*.py")
    if path != ROOT / "harness" / "outcomes.py"  # which reads the table, and raises nothing
)
ERRORS = {
    name: kind
    for name, kind in vars(harness.errors).items()
    if isinstance(kind, type) and issubclass(kind, WmcError)
}


@dataclass(frozen=True, kw_only=True)
class Use:
    """A place that gives a code: to an error of these blames, empty where the place does not tell."""

    code: str
    blames: frozenset[Blame]
    where: str


@dataclass(kw_only=True)
class Found:
    uses: list[Use] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Places whose code cannot be read from the source."""


@dataclass(frozen=True, kw_only=True)
class _Taker:
    """A function or class of ours with a parameter `code`, and the blames of the errors it hands a code on to."""

    position: int
    blames: frozenset[Blame]


def codes_in_source() -> Found:
    found = Found()
    trees = {path: ast.parse(path.read_text("utf-8")) for path in SOURCES}
    takers = {path: _takers(tree) for path, tree in trees.items()}
    anywhere = {name: taker for of_file in takers.values() for name, taker in of_file.items()}
    for path, tree in trees.items():
        constants = _constants(tree)
        for call in _calls(tree):
            known = {**anywhere, **takers[path]}
            where = f"{path.relative_to(ROOT)}:{call.lineno}"
            code, blames = _code_of(call, known)
            if code is None:
                continue
            codes = _literals(code, constants)
            if codes is None:
                found.unreadable.append(f"{where}: {ast.unparse(code)}")
            found.uses += [Use(code=each, blames=blames, where=where) for each in codes or ()]
    return found


def _code_of(call: ast.Call, takers: dict[str, _Taker]) -> tuple[ast.expr | None, frozenset[Blame]]:
    """The expression that this call gives as a code, None where it gives none."""
    name = _name(call.func)
    keyword = next((each.value for each in call.keywords if each.arg == "code"), None)
    if name in ERRORS:
        kind = ERRORS[name]
        default = getattr(kind, "default_code", None)
        return keyword or (ast.Constant(default) if default else None), frozenset({kind.blame})
    if taker := takers.get(name):
        positional = call.args[taker.position] if len(call.args) > taker.position else None
        return keyword or positional, _said_blame(call) or taker.blames
    return None, frozenset()


def _said_blame(call: ast.Call) -> frozenset[Blame]:
    """The blame that a call names itself, as `blame=Blame.BUG`."""
    return frozenset(
        Blame[each.value.attr]
        for each in call.keywords
        if each.arg == "blame" and isinstance(each.value, ast.Attribute)
        if each.value.attr in Blame.__members__
    )


def _literals(code: ast.expr, constants: dict[str, list[str]]) -> list[str] | None:
    """The codes that this expression can be; none where it only hands one on, None where nobody can tell."""
    if isinstance(code, ast.Constant):
        return [] if code.value is None else [code.value] if isinstance(code.value, str) else None
    if isinstance(code, ast.IfExp):
        parts = [_literals(code.body, constants), _literals(code.orelse, constants)]
        return None if None in parts else [each for part in parts for each in part or ()]
    if isinstance(code, ast.Subscript) and isinstance(code.value, ast.Name):
        return constants.get(code.value.id)
    return [] if _hands_on(code) else None


def _hands_on(code: ast.expr) -> bool:
    return (isinstance(code, ast.Name) and code.id == "code") or (
        isinstance(code, ast.Attribute) and code.attr == "code"
    )


def _takers(tree: ast.Module) -> dict[str, _Taker]:
    handed_on = frozenset(
        ERRORS[_name(call.func)].blame
        for call in _calls(tree)
        if _name(call.func) in ERRORS
        for each in call.keywords
        if each.arg == "code" and _hands_on(each.value)
    )
    return {
        name: _Taker(position=parameters.index("code"), blames=handed_on)
        for name, parameters in _signatures(tree)
        if "code" in parameters and name != "__init__"
    }


def _signatures(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Every function and class with the names of its parameters or fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
            yield node.name, names[names[:1] == ["self"] :]
        elif isinstance(node, ast.ClassDef):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            yield node.name, [each.target.id for each in fields if isinstance(each.target, ast.Name)]


def _constants(tree: ast.Module) -> dict[str, list[str]]:
    """The texts of every dictionary of texts that a module assigns to a name."""
    return {
        target.id: [each.value for each in node.value.values if isinstance(each, ast.Constant)]
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        if all(isinstance(each, ast.Constant) for each in node.value.values)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""
