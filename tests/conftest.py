"""Tests that need Docker, gVisor, a browser or torch: skipped with a clear line without it, failures where required."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from harness.errors import WmcError
from harness.sandbox import engine

GVISOR = "runsc"
TEST_BASE_IMAGE = os.environ.get("WMC_BASE_IMAGE") or "wmc-test-base"


@pytest.fixture(scope="session")
def base_image() -> str:
    """The image Docker tests build on."""
    return TEST_BASE_IMAGE


@cache
def docker_obstacle() -> str | None:
    """What keeps the Docker tests from running here; None if nothing does."""
    try:
        with engine.connected() as client:
            engine.describe(client, base_image=TEST_BASE_IMAGE)
    except WmcError as error:
        return error.message
    return None


@cache
def gvisor_obstacle() -> str | None:
    """What keeps the gVisor tests from running here; None if nothing does."""
    from harness.sandbox.container import DockerSandbox
    from harness.sandbox.policy import SandboxPolicy

    try:
        DockerSandbox(policy=SandboxPolicy(base_image=TEST_BASE_IMAGE, runtime=GVISOR))
    except WmcError as error:
        return error.message
    return None


@cache
def browser_obstacle() -> str | None:
    """What keeps the browser tests from running here; None if nothing does."""
    return None if shutil.which("chromium") else "there is no chromium on the PATH"


@cache
def torch_obstacle() -> str | None:
    """What keeps the tests of torch from running here; None if nothing does."""
    missing = [name for name in ("torch", "safetensors") if importlib.util.find_spec(name) is None]
    return f"there is no {' and no '.join(missing)} in this Python" if missing else None


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something tests with `marker` cannot do without; `variable` set to 1 makes its absence a failure."""

    marker: str
    title: str
    variable: str
    obstacle: Callable[[], str | None]
    remedy: str

    @property
    def is_required(self) -> bool:
        return os.environ.get(self.variable, "") not in {"", "0"}


NEEDS = (
    Need(
        marker="gvisor",
        title="gVisor",
        variable="WMC_REQUIRE_GVISOR",
        obstacle=gvisor_obstacle,
        remedy="bash .ci/run (it installs runsc and tells its engine of it)",
    ),
    Need(
        marker="docker",
        title="Docker",
        variable="WMC_REQUIRE_DOCKER",
        obstacle=docker_obstacle,
        remedy="bash .ci/run (it installs an engine and makes the test base image)",
    ),
    Need(
        marker="browser",
        title="browser",
        variable="WMC_REQUIRE_BROWSER",
        obstacle=browser_obstacle,
        remedy="install chromium and its driver (Debian: apt-get install chromium chromium-driver)",
    ),
    Need(
        marker="torch",
        title="torch",
        variable="WMC_REQUIRE_TORCH",
        obstacle=torch_obstacle,
        remedy="pip install -c constraints.txt -e '.[genie]'",
    ),
)


def needs_of(item: pytest.Item) -> list[Need]:
    return [need for need in NEEDS if item.get_closest_marker(need.marker)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for need in needs_of(item):
            if not need.is_required and (obstacle := need.obstacle()):
                item.add_marker(pytest.mark.skip(reason=obstacle))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for need in needs_of(item):
        if need.is_required and (obstacle := need.obstacle()):
            pytest.fail(f"{need.variable} is set, but {obstacle}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A skipped test is a failure where what it needs is required; one that failed as expected did run."""
    report = yield
    for need in needs_of(item):
        if report.skipped and need.is_required and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"{need.variable} is set, but this test was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(
    wrapper=True, tryfirst=True
)  # the outermost writes last: nothing but the closing line follows
def pytest_terminal_summary(terminalreporter: Any) -> Generator[None, Any, Any]:
    result = yield
    skipped = terminalreporter.stats.get("skipped", [])
    for need in NEEDS:
        if count := sum(need.marker in getattr(report, "keywords", {}) for report in skipped):
            terminalreporter.write_line(
                f"{count} {need.title} tests were skipped: {need.obstacle() or 'see above'}. "
                f"To run them: {need.remedy}.",
                yellow=True,
            )
    return result
