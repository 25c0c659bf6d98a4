"""Where caches lie: one place for everything, and a clear word where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from harness.cli import main
from harness.data.published import lpips_folder
from harness.disk.places import cache_folder
from harness.errors import UsageError


@pytest.fixture
def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom the system does not know, as in a container run with another --user."""

    def unknown() -> NoReturn:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


@pytest.mark.parametrize("command", [[], ["grade"], ["check"], ["data", "pull"]])
def test_help_needs_no_home(without_home: None, command: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0


@pytest.mark.parametrize("place", [cache_folder, lpips_folder])
def test_a_user_without_home_is_told_to_name_a_folder(without_home: None, place: Callable[[], Path]) -> None:
    with pytest.raises(UsageError) as caught:
        place()
    assert "XDG_CACHE_HOME" in caught.value.fix


def test_everything_lies_below_the_cache_that_the_user_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "wmc"
    assert lpips_folder() == tmp_path / "wmc" / "lpips"


def test_by_default_it_is_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "wmc"
