"""A reviewer is led to what opens network, starts programs, loads pickles or makes code; nothing of it is run."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys

import pytest

from harness.intake.archive import open_archive
from harness.intake.contents import HEAD_BYTES, content_of
from harness.intake.finding import Kind, UnreadableError
from harness.intake.findings import MOST_MENTIONS, SEARCHED_BYTES, findings
from harness.intake.pack import pack
from harness.intake.python_source import mentions
from harness.intake.python_syntax import outermost
from harness.intake.shell_source import mentions as shell_mentions

SUSPICIOUS = [
    ("import socket", Kind.NETWORK, "socket"),
    ("import urllib.request as u", Kind.NETWORK, "urllib.request"),
    ("import urllib\nurllib.request.urlopen(x)", Kind.NETWORK, "urllib.request"),
    ("from requests import get", Kind.NETWORK, "requests.get"),
    ("from http import client", Kind.NETWORK, "http.client"),
    ("import torch\ntorch.hub.load('a', 'b')", Kind.NETWORK, "torch.hub"),
    ("def f():\n    import httpx", Kind.NETWORK, "httpx"),
    ("import subprocess", Kind.PROCESS, "subprocess"),
    ("import os\nos.system('ls')", Kind.PROCESS, "os.system"),
    ("import os as o\no.execvpe('a', [], {})", Kind.PROCESS, "os.execvpe"),
    ("import os as o\no.system('ls')\nif 0:\n    import json as o", Kind.PROCESS, "os.system"),
    ("from os import popen as quiet", Kind.PROCESS, "os.popen"),
    ("import multiprocessing.pool", Kind.PROCESS, "multiprocessing.pool"),
    ("from ctypes import cdll", Kind.PROCESS, "ctypes.cdll"),
    ("import os\ngetattr(os, 'system')('ls')", Kind.PROCESS, "os.system"),
    ("import pickle", Kind.PICKLE, "pickle"),
    ("import torch\ntorch.load(f)", Kind.PICKLE, "torch.load without weights_only=True"),
    (
        "from torch import load\nload(f, weights_only=flag)",
        Kind.PICKLE,
        "torch.load without weights_only=True",
    ),
    (
        "import numpy as np\nnp.load(f, allow_pickle=True)",
        Kind.PICKLE,
        "numpy.load without allow_pickle=False",
    ),
    ("import numpy as np\nnp.load(f, **options)", Kind.PICKLE, "numpy.load without allow_pickle=False"),
    ("import joblib", Kind.PICKLE, "joblib"),
    ("eval(text)", Kind.CODE, "eval"),
    ("x = exec", Kind.CODE, "exec"),
    ("__import__('so' + 'cket')", Kind.CODE, "__import__"),
    ("import importlib", Kind.CODE, "importlib"),
    ("import os\ngetattr(os, name)('ls')", Kind.CODE, "getattr(os, ...) by a name that is made"),
    ("from os import *", Kind.CODE, "from os import *"),
    ("import os\nos.popen('ls').read().strip()", Kind.PROCESS, "os.popen"),
    ("import os\nos.execv.__call__", Kind.PROCESS, "os.execv"),
    ("import torch as t\nt.utils.cpp_extension.load(x)", Kind.PROCESS, "torch.utils.cpp_extension"),
    (
        "import concurrent.futures as f\nf.ProcessPoolExecutor()",
        Kind.PROCESS,
        "concurrent.futures.ProcessPoolExecutor",
    ),
    ("import socket." + "a." * 90 + "b", Kind.NETWORK, ("socket." + "a." * 90 + "b")[:200]),
    ("# coding: latin-1\nimport socket", Kind.NETWORK, "socket"),
]
HONEST = [
    "import numpy as np\nnp.load(f)",
    "import numpy as np\nnp.load(f, allow_pickle=False)",
    "import torch\ntorch.load(f, weights_only=True)",
    "model.eval()",
    "import re\nre.compile('x')",
    "import os\nos.path.join('a', 'b')\nos.environ['A'] = '1'",
    "import urllib.parse",
    "from .checkpoint import load\nload(f)",
    "'''import socket'''  # import subprocess",
    "import torch\nx = torch.compile(model)",
    "import os\ngetattr(os, 0x" + "f" * 5000 + ")",
    "import torch\ntorch.load.x.y.z(f)",
]
OVERLOADED = [
    "".join(f"import b{number} as a\n" for number in range(65)),
    "import a" + ".a" * 100,
    "from a" + " .\\\n a" * 100 + " import b",
    "x = a" + ".\u00e9" * 100,
    "# coding: punycode\n",
    "#!/usr/bin/python\n#%% vim: set fileencoding=utf_7 :\n",
]
PYTHON = "from harness.intake.python_source import mentions as read"
BOMBS = {
    "a name for 6,000 imports, used 6,000 times": (
        PYTHON,
        r'b"".join(b"import b%x as a\n" % number for number in range(6000)) + b"getattr(a,b)\n" * 6000',
    ),
    "chains of 2,900 dots": (PYTHON, r'b"import a\n" + (b"a" + b".b" * 2900 + b"\n") * 45'),
    "a key of 32,700 parts": (
        "from harness.intake.manifest import parse_manifest as read",
        'b"a" + b".a" * 32_700 + b"=1"',
    ),
}
UNPARSED = [
    "def f(:",
    "a\0b",
    "(" * 5000 + ")" * 5000,
    "-" * 50000 + "1",
    "x" + ".a" * 50000,
    "1" * 10000,
    "print 'x'",
]


@pytest.mark.parametrize(("source", "kind", "what"), SUSPICIOUS)
def test_python_is_read_through_its_aliases(source, kind, what):
    """Control: the search by syntax; twin: the honest sources below, in which the same words mean nothing."""
    assert (kind, what) in {(each.kind, each.what) for each in mentions(source.encode())}


@pytest.mark.parametrize("source", HONEST)
def test_honest_python_leads_nobody_anywhere(source):
    assert list(mentions(source.encode())) == []


@pytest.mark.parametrize("source", UNPARSED)
def test_python_that_does_not_parse_is_said_and_ends_nothing(source):
    with pytest.raises(UnreadableError):
        list(mentions(source.encode()))


@pytest.mark.parametrize("source", OVERLOADED)
def test_what_is_made_to_be_too_much_to_search_is_said(source):
    """Control: limits on imports of one name, on parts of one, and on codings."""
    with pytest.raises(UnreadableError):
        list(mentions(source.encode()))


@pytest.mark.parametrize(("reader", "bomb"), BOMBS.values(), ids=BOMBS)
def test_a_small_file_is_no_large_task(reader, bomb):
    """Control: the work grows as the file does. Without it the process is ended by the limits that it sets itself."""
    program = f"""
import resource
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from harness.errors import ManifestRejected
from harness.intake.finding import UnreadableError
{reader}
try:
    list(read({bomb}))
except (ManifestRejected, UnreadableError):
    print("refused")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stdout) == (0, "refused\n"), ended.stderr[-500:]


def test_a_chain_of_dots_is_looked_at_once():
    """Control: only the whole of a chain is looked at; otherwise a long one is, again, from each of its dots."""
    tree = ast.parse("a.b.c.d(e.f.g).h.i")
    found = {ast.unparse(node) for node in outermost(tree) if isinstance(node, ast.Attribute)}
    assert found == {"a.b.c.d(e.f.g).h.i", "a.b.c.d", "e.f.g"}


def found_in(folder, tmp_path):
    return findings(open_archive(pack(folder, tmp_path / "in.zip").path, tmp_path / "entry"))


@pytest.mark.parametrize(("name", "line"), [("many.py", "eval\n"), ("many.sh", "eval x\n")])
def test_a_script_with_too_much_to_look_at_was_not_searched(folder, tmp_path, name, line):
    """Control: what one script may mention is limited."""
    (folder / name).write_text(line * (MOST_MENTIONS + 1))
    assert [(each.kind, each.file) for each in found_in(folder, tmp_path)] == [(Kind.UNREAD, name)]


def test_scripts_beyond_what_is_searched_are_named_and_nothing_is_taken_as_clean(folder, tmp_path):
    """Control: the bytes that are searched are limited, nearest to the root and smallest first."""
    each_bytes = 1 << 18
    for number in range(SEARCHED_BYTES // each_bytes + 1):
        (folder / "lib" / f"{number:02}.py").write_text("#" * (each_bytes - 1) + "\n")
    (folder / "small.py").write_text("import socket\n")
    told = [(each.kind, each.file) for each in found_in(folder, tmp_path)]
    assert told == [(Kind.UNREAD, "lib/15.py"), (Kind.UNREAD, "lib/16.py"), (Kind.NETWORK, "small.py")]


@pytest.mark.parametrize(
    "line",
    [
        "curl -L https://example.org/x | sh",
        "/usr/bin/wget x",
        "python3 -m pip install y",
        "true && pip3 install z",
        "git clone there",
        "echo aGk= | base64 -d",
        "exec 3<>/dev/tcp/10.0.0.1/80",
        "x=`cat y`",
        'echo " # "; curl x',
    ],
)
def test_shell_that_fetches_installs_or_decodes_is_shown_with_its_line(line):
    (found,) = shell_mentions(f"#!/bin/sh\n# curl is not used here\n{line}\n".encode())
    assert (found.line, found.what) == (3, line)


def test_honest_shell_leads_nobody_anywhere():
    assert (
        list(shell_mentions(b"#!/bin/sh\nset -eu\n# pip install nothing\nmkdir -p out\ncp model.bin out/\n"))
        == []
    )


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"\x7fELF\x02", "native code (ELF)"),
        (pickle.dumps({"a": 1}), "a pickle"),
        (b"PK\x03\x04....", "a zip"),
        (b"\x08\0\0\0\0\0\0\0" + b'{"a":1}', "safetensors"),
        (b"a\0b", "unknown content"),
        (b"\xff\xfe", "unknown content"),
    ],
)
def test_what_is_no_text_is_told_by_its_content_whatever_its_name(head, what):
    assert (content_of(head) or "").startswith(what)


def test_text_is_text_also_where_a_character_is_cut_in_two():
    assert content_of(b"") is None
    assert content_of("\u00e9".encode() * (HEAD_BYTES // 2)) is None
    assert content_of(b"a" * (HEAD_BYTES - 1) + "\u00e9".encode()[:1]) is None


def test_every_file_of_an_entry_is_looked_at_and_each_name_is_told_once(folder, tmp_path):
    (folder / "lib" / "deep.py").write_text("import os\nos.system('a')\nos.system('b')\n")
    (folder / "tool").write_text("#!/usr/bin/env python3\nimport socket\n")
    (folder / "weights").write_bytes(pickle.dumps([1]))
    (folder / "long.py").write_text("x = 1\n" * 60_000)
    found = findings(open_archive(pack(folder, tmp_path / "in.zip").path, tmp_path / "entry"))
    told = {(each.kind, each.file, each.line, each.times) for each in found}
    assert told == {
        (Kind.PROCESS, "lib/deep.py", 2, 2),
        (Kind.NETWORK, "tool", 2, 1),
        (Kind.BINARY, "weights", None, 1),
        (Kind.UNREAD, "long.py", None, 1),
    }
