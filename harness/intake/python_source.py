"""What Python source imports and calls that a reviewer should read, by its syntax alone: nothing is run or imported."""

from __future__ import annotations

import ast
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from harness.intake.finding import Kind, Mention, UnreadableError

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

_Known = Mapping[str, Collection[str]]


def mentions(source: bytes) -> Iterator[Mention]:
    """Every such import, name and call.

    Raises: UnreadableError for what this Python does not parse.
    """
    tree = _parsed(source)
    known = _imported(tree)
    for node in ast.walk(tree):
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
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        head = ".".join(parts[:length])
        if head in _KINDS:
            return _KINDS[head]
        if family := next((each for each in _FAMILIES if head.startswith(each)), None):
            return _KINDS[family]
    return None


def _parsed(source: bytes) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes and comparisons, which are the entrant's
            return ast.parse(source)
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""
        raise UnreadableError(f"this Python does not parse it: {error.msg}{where}") from error
    except (RecursionError, MemoryError) as error:
        raise UnreadableError("nested too deeply to be parsed") from error
    except (ValueError, LookupError) as error:
        raise UnreadableError(f"this Python does not read it: {error}") from error


def _imported(tree: ast.Module) -> _Known:
    """All dotted names that each imported name stands for anywhere in the file: a later import hides no earlier one."""
    known: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                known[alias.asname or first].add(alias.name if alias.asname else first)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name].add(f"{node.module}.{alias.name}")
    return known


def _named(node: ast.AST, known: _Known) -> Iterator[tuple[int, str]]:
    """The dotted names that this node brings in or uses, with their lines; what lies below a listed one only once."""
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
    elif isinstance(node, ast.Attribute):
        for used in _dotted(node, known):
            if not kind_of(used.rpartition(".")[0]):
                yield node.lineno, used
    elif isinstance(node, ast.Name) and node.id in _BUILT_IN:
        yield node.lineno, node.id


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
    elif kind := kind_of(f"{owner}.{name.value!s}"):
        yield Mention(kind=kind, line=line, what=f"{owner}.{name.value!s}")


def _dotted(node: ast.AST, known: _Known) -> set[str]:
    """`np.load` as numpy.load where np was imported so; nothing for what begins with no import."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return set()
    return {".".join([name, *reversed(parts)]) for name in known.get(node.id, ())}


def _has_listed(module: str | None) -> bool:
    """Whether a listed name lies in this module, which is not listed itself."""
    return any(listed.startswith(f"{module}.") for listed in _KINDS)


def _is_constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
