"""What Python source imports and calls that a reviewer should read, by its syntax alone: nothing is run or imported."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

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
_HARMLESS_BY = {"torch.load": ("weights_only", True)}
"""Calls that load no pickle with this keyword."""
_HARMLESS_UNLESS = {"numpy.load": ("allow_pickle", False)}
"""Calls that load one only with this keyword, and another value."""


def mentions(source: bytes) -> Iterator[Mention]:
    """Every such import, name and call.

    Raises: UnreadableError for what this Python does not parse.
    """
    tree = _parsed(source)
    known = _imported(tree)
    for node in ast.walk(tree):
        for line, name in _named(node, known):
            if kind := kind_of(name):
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


def _imported(tree: ast.Module) -> dict[str, str]:
    """The dotted name that each imported name stands for, anywhere in the file."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                known[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def _named(node: ast.AST, known: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The dotted names that this node brings in or uses, with their lines; those under a listed import only once."""
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            if alias.name == "*" and any(listed.startswith(f"{node.module}.") for listed in _KINDS):
                yield node.lineno, f"importlib: everything of {node.module}"
            elif name not in _HARMLESS_BY and name not in _HARMLESS_UNLESS:  # what it is called with decides
                yield node.lineno, name
    elif isinstance(node, ast.Call):
        yield from _called(node, known)
    elif isinstance(node, ast.Attribute):
        used = _dotted(node, known)
        if used and not kind_of(used.rpartition(".")[0]) and used not in (*_HARMLESS_BY, *_HARMLESS_UNLESS):
            yield node.lineno, used
    elif isinstance(node, ast.Name) and node.id in _BUILT_IN and node.id not in known:
        yield node.lineno, node.id


def _called(call: ast.Call, known: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Loads that may be of pickles, and modules' attributes that are picked by a name."""
    name = _dotted(call.func, known)
    keywords = {each.arg: each.value for each in call.keywords}
    if name in _HARMLESS_BY:
        keyword, harmless = _HARMLESS_BY[name]
        if not _is_constant(keywords.get(keyword), harmless):
            yield call.lineno, f"{name} without {keyword}={harmless}"
    elif name in _HARMLESS_UNLESS:
        keyword, harmless = _HARMLESS_UNLESS[name]
        if None in keywords or (keyword in keywords and not _is_constant(keywords[keyword], harmless)):
            yield call.lineno, f"{name} with {keyword}"
    elif isinstance(call.func, ast.Name) and call.func.id == "getattr" and len(call.args) > 1:
        owner, picked = _dotted(call.args[0], known), call.args[1]
        if owner and isinstance(picked, ast.Constant):
            yield call.lineno, f"{owner}.{picked.value!s}"
        elif owner:
            yield call.lineno, f"importlib: an attribute of {owner} by a name that is made"


def _dotted(node: ast.AST, known: dict[str, str]) -> str | None:
    """`np.load` as numpy.load where np was imported so; None for what begins with no import."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in known:
        return None
    return ".".join([known[node.id], *reversed(parts)])


def _is_constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
