"""A reviewer is led to what opens network, starts programs, loads pickles or makes code; nothing of it is run."""

from __future__ import annotations

import pickle

import pytest

from harness.intake.archive import open_archive
from harness.intake.contents import HEAD_BYTES, content_of
from harness.intake.finding import Kind, UnreadableError
from harness.intake.findings import findings
from harness.intake.pack import pack
from harness.intake.python_source import mentions
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
]
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
