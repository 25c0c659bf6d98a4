"""What tests of commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from types import ModuleType

import pytest

from harness.cli.console import Console


@pytest.fixture
def run_command() -> Callable[..., None]:
    """Runs the command of a module in `harness.cli`, as the shell would call it."""

    def run(module: ModuleType, *arguments: str) -> None:
        parser = argparse.ArgumentParser()
        module.register(parser.add_subparsers())
        args = parser.parse_args(arguments)
        args.run(args, Console())

    return run
