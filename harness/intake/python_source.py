"""What Python source imports and calls that a reviewer should read, by its syntax alone: nothing is run or imported.

The work grows as the file does, whatever is in it: of a name only its first parts matter, a chain of dots is looked at
once, and a name that stands for very many imports is not followed but said.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from harness.intake.finding import Kind, Mention, UnreadableError
from harness.intake.python_syntax import outermost, parsed

_NAMES = {
    Kind.NETWORK: """socket ssl socketserver asyncio.open_connection asyncio.start_server urllib.request http.client
        http.server ftplib smtplib poplib imaplib telnetlib nntplib xmlrpc requests httpx aiohttp urllib3 pycurl
        websocket websockets paramiko grpc zmq huggingface_hub datasets transformers boto3 botocore google.cloud wandb
        gdown wget torch.hub torch.distributed kagglehub""",
    Kind.PROCESS: """subprocess _posixsubprocess multiprocessing concurrent.futures.ProcessPoolExecutor pty ctypes cffi
        pexpect sh plumbum os.system os.popen os.fork os.forkpty os.exec os.spawn os.posix_spawn
        asyncio.create_subprocess_exec asyncio.create_subprocess_shell torch.multiprocessing torch.utils.cpp_extension
        torch.ops.load_library numpy.ctypeslib""",
    Kind.PICKLE: """pickle _pickle cPickle dill cloudpickle joblib shelve marshal jsonpickle pandas.read_pickle
        torch.load torch.package numpy.load yaml.load yaml.unsafe_load""",
    Kind.CODE: """eval exec compile __import__ __builtins__ builtins importlib imp runpy code codeop zipimport
        types.CodeType types.FunctionType sys.settrace sys.modules sys.meta_path sys.path_hooks""",
}
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_BUILT_IN = {"eval", "exec", "compile", "__import__", "__builtins__"}
_FAMILIES = ("os.exec", "os.spawn", "os.posix_spawn")
"""Names of which any that begins so is meant."""
_LOADS = {"torch.load": ("weights_only", True, False), "numpy.load": ("allow_pickle", False, True)}
"""Calls whose keyword, with this value, keeps pickles out, and whether they do so by default; torch does since 2.6."""

_MOST_PARTS = max(name.count(".") for name in _KINDS) + 1
_HEADS = {name.rsplit(".", count)[0] for name in _KINDS for count in range(1, name.count(".") + 1)}
"""Modules and names in which something listed lies; whatever is used of another one is not listed."""
_MOST_IMPORTS = 64
"""For which one name may stand: honest code has two or three."""
_MOST_CHARACTERS = 200
"""Of a name that are looked at and shown; those listed are far shorter."""

_Known = Mapping[str, Collection[str]]


def mentions(source: bytes) -> Iterator[Mention]:
    """Every such import, name and call.

    Raises: UnreadableError for what this Python does not parse, and for what is made to be too much to follow.
    """
    tree = parsed(source)
    known = _imported(tree)
    for node in outermost(tree):
        if isinstance(node, ast.Call):
            yield from _called(node, known)
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and _has_listed(node.module):
            yield Mention(kind=Kind.CODE, line=node.lineno, what=f"from {node.module} import *")
        else:
            for line, name in _named(node, known):
                if (kind := kind_of(name)) and name not in _LOADS:  # what a load is called with decides
                    yield Mention(kind=kind, line=line, what=name)


def kind_of(name: str) -> Kind | None:
    """What this dotted name, or a module that it lies in, is listed as."""
    parts = name[:_MOST_CHARACTERS].split(".", _MOST_PARTS)[:_MOST_PARTS]
    for length in range(len(parts), 0, -1):
        if kind := _listed_as(".".join(parts[:length])):
            return kind
    return None


def _listed_as(name: str) -> Kind | None:
    """What this very name is listed as."""
    if name in _KINDS:
        return _KINDS[name]
    return next((_KINDS[each] for each in _FAMILIES if name.startswith(each)), None)


def _imported(tree: ast.Module) -> _Known:
    """All dotted names that each imported name stands for anywhere in the file: a later import hides no earlier one.

    Raises: UnreadableError where one name stands for very many.
    """
    known: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(tree):
        for name, meant in _brought_in(node):
            known[name].add(meant)
            if len(known[name]) > _MOST_IMPORTS:
                raise UnreadableError(f"{_short(name)} stands for more than {_MOST_IMPORTS} imports")
    return known


def _brought_in(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that this import makes, each with what it stands for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.split(".", 1)[0]
            yield alias.asname or first, _short(alias.name if alias.asname else first)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        for alias in node.names:
            yield alias.asname or alias.name, _joined(node.module, alias.name)


def _named(node: ast.AST, known: _Known) -> Iterator[tuple[int, str]]:
    """The dotted names that this node brings in or uses, with their lines; what lies below a listed one only once."""
    if isinstance(node, ast.Import):
        yield from ((node.lineno, _short(alias.name)) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from ((node.lineno, _joined(node.module, alias.name)) for alias in node.names)
    elif isinstance(node, ast.Attribute):
        root, parts = _chain(node)
        for meant in known.get(root, ()):
            if meant in _HEADS and not kind_of(meant):
                yield from ((node.lineno, used) for used in _first_listed(meant, parts))
    elif isinstance(node, ast.Name) and node.id in _BUILT_IN:
        yield node.lineno, node.id


def _first_listed(head: str, parts: list[str]) -> Iterator[str]:
    """The shortest name of `head` and some of `parts` that is listed, if one is."""
    for part in parts[:_MOST_PARTS]:
        head = _joined(head, part)
        if _listed_as(head):
            yield head
            return


def _called(call: ast.Call, known: _Known) -> Iterator[Mention]:
    """Loads that may be of pickles, and modules' attributes that are picked by a name."""
    keywords = {each.arg: each.value for each in call.keywords}
    for name in _LOADS.keys() & _dotted(call.func, known):
        keyword, harmless, by_default = _LOADS[name]
        given = keywords.get(keyword)
        is_harmless = by_default and None not in keywords if given is None else _is_constant(given, harmless)
        if not is_harmless:
            what = f"{name} without {keyword}={harmless}"
            yield Mention(kind=Kind.PICKLE, line=call.lineno, what=what)
    if isinstance(call.func, ast.Name) and call.func.id == "getattr" and len(call.args) > 1:
        for owner in _dotted(call.args[0], known):
            yield from _picked(owner, call.args[1], call.lineno)


def _picked(owner: str, name: ast.expr, line: int) -> Iterator[Mention]:
    """What `getattr` takes from an imported module."""
    if not isinstance(name, ast.Constant):
        yield Mention(kind=Kind.CODE, line=line, what=f"getattr({owner}, ...) by a name that is made")
    elif isinstance(name.value, str) and (kind := kind_of(picked := _joined(owner, name.value))):
        yield Mention(kind=kind, line=line, what=picked)


def _dotted(node: ast.AST, known: _Known) -> set[str]:
    """`np.load` as numpy.load where np was imported so; nothing for what begins with no import."""
    root, parts = _chain(node)
    rest = "".join(
        f".{part}" for part in parts[: _MOST_PARTS + 1]
    )  # one more than is listed: it is another name
    return {_short(meant + rest) for meant in known.get(root, ())}


def _chain(node: ast.AST) -> tuple[str, list[str]]:
    """`a.b.c` as a and [b, c]; an empty name for what begins with none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, parts[::-1]) if isinstance(node, ast.Name) else ("", [])


def _joined(first: str, second: str) -> str:
    return _short(f"{_short(first)}.{second}")


def _short(name: str) -> str:
    """As much of a name as tells whether it is listed; one without end is no way to more work, or more memory."""
    return name if len(name) <= _MOST_CHARACTERS else f"{name[:_MOST_CHARACTERS]}..."


def _has_listed(module: str | None) -> bool:
    """Whether a listed name lies in this module, which is not listed itself."""
    return any(listed.startswith(f"{module}.") for listed in _KINDS)


def _is_constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
