"""Modules of this package as one program on a command line: the containers they run in have no files of ours."""

from __future__ import annotations

import json
from importlib import resources

_PACKAGES = ("harness", "harness.sandbox")
# Each module is run under its own name, the last one as the program; what they import of each other is there by then.
_LOADER = """
import json, sys, types
packages, modules = json.loads(sys.argv.pop(1))
for name in packages:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
for name, text in modules:
    parent, _, own = name.rpartition(".")
    module = types.ModuleType(name)
    sys.modules[name] = module
    setattr(sys.modules[parent], own, module)
    exec(compile(text, name, "exec"), module.__dict__)
sys.exit(module.main(sys.argv[1:]))
"""


def command(*modules: str) -> list[str]:
    """What python is given to run `main` of the last of these modules; each imports only those before it."""
    folder = resources.files(_PACKAGES[-1])
    texts = [
        (f"{_PACKAGES[-1]}.{name}", folder.joinpath(f"{name}.py").read_text(encoding="utf-8"))
        for name in modules
    ]
    return ["-c", _LOADER, json.dumps([_PACKAGES, texts])]
