"""Entries' modules in this process: flat names, as their own evaluate.py sees them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import DependencyMissing
from harness.extras import install

_ENTRIES = Path(__file__).parent
_FROM_EXTRA = {"torch": "genie", "safetensors": "genie"}


@contextmanager
def entry_modules(name: str) -> Iterator[None]:
    """While it lasts, the modules of baselines/`name` can be imported by their flat names; afterwards they are gone.

    Two entries may have a `model` each, so only one is open at a time: what was imported from another folder under a
    name that this entry uses is refused, never taken for this entry's.

    Raises: DependencyMissing, if what they import is not installed; RuntimeError, if two entries would mix.
    """
    folder = _ENTRIES / name
    own = {path.stem for path in folder.glob("*.py")}
    _refuse_to_mix(own, folder)
    loaded_before = own & sys.modules.keys()
    sys.path.insert(0, str(folder))
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _FROM_EXTRA.get(error.name or "")
        if extra is None:
            raise
        raise DependencyMissing(
            f"{error.name} is missing, and {name} is made of it", fix=install(extra)
        ) from error
    finally:
        sys.path.remove(str(folder))
        for module in own - loaded_before:
            sys.modules.pop(module, None)


def _refuse_to_mix(own: set[str], folder: Path) -> None:
    for module in sorted(own & sys.modules.keys()):
        source = getattr(sys.modules[module], "__file__", None)
        if source is None or Path(source).parent != folder:
            raise RuntimeError(f"{module} of {folder.name} cannot be imported: {source} has taken its name")
