"""One entry's flat modules at a time, and none left behind."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from baselines import folders
from harness.errors import Blame, DependencyMissing


@pytest.fixture
def entries(tmp_path, monkeypatch) -> Path:
    """Two entries that both have a `wmc_test_model`; the second's needs what is not installed."""
    monkeypatch.setattr(folders, "_ENTRIES", tmp_path)
    for name, text in (("one", "NAME = 'one'\n"), ("two", "NAME = 'two'\n"), ("heavy", "import torch\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "wmc_test_model.py").write_text(text)
    return tmp_path


def name_of_the_model() -> str:
    return importlib.import_module("wmc_test_model").NAME


def test_each_entry_gets_its_own_module_of_the_same_name(entries):
    path = list(sys.path)
    with folders.entry_modules("one"):
        assert name_of_the_model() == "one"
    with folders.entry_modules("two"):
        assert name_of_the_model() == "two"
    assert "wmc_test_model" not in sys.modules
    assert sys.path == path


def test_two_entries_at_once_are_refused(entries):
    with folders.entry_modules("one"):
        name_of_the_model()
        with pytest.raises(RuntimeError, match=r"wmc_test_model of two .*one.* has taken its name"):
            folders.entry_modules("two").__enter__()
        assert name_of_the_model() == "one"


def test_an_entry_that_is_open_stays_open(entries):
    with folders.entry_modules("one"):
        model = importlib.import_module("wmc_test_model")
        with folders.entry_modules("one"):
            assert importlib.import_module("wmc_test_model") is model
        assert sys.modules["wmc_test_model"] is model
        assert importlib.import_module("wmc_test_model") is model


def test_an_error_inside_leaves_nothing_behind(entries):
    def fail() -> None:
        name_of_the_model()
        raise KeyError

    with pytest.raises(KeyError), folders.entry_modules("one"):
        fail()
    assert "wmc_test_model" not in sys.modules
    assert str(entries / "one") not in sys.path


def test_without_torch_it_says_what_to_install(entries, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(DependencyMissing, match="torch is missing") as caught, folders.entry_modules("heavy"):
        importlib.import_module("wmc_test_model")
    assert caught.value.fix == ".venv/bin/pip install -c constraints.txt -e '.[genie]'"
    assert caught.value.blame is Blame.OPERATOR


def test_other_modules_that_are_missing_are_bugs(entries):
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"), folders.entry_modules("one"):
        importlib.import_module("no_such_thing")


def test_every_baseline_can_be_opened():
    root = Path(folders.__file__).parent
    for folder in sorted(path.parent.name for path in root.glob("*/wmc.toml")):
        with folders.entry_modules(folder):
            assert sys.path[0] == str(root / folder)
