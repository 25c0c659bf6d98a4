"""Docker tests: skipped with one clear line where Docker cannot be used, failures where WMC_REQUIRE_DOCKER is set."""

from __future__ import annotations

import os
from collections.abc import Generator
from functools import cache
from typing import Any

import pytest

from harness.errors import WmcError
from harness.sandbox import engine

TEST_BASE_IMAGE = os.environ.get("WMC_BASE_IMAGE") or "wmc-test-base"


@cache
def docker_obstacle() -> str | None:
    """What keeps the Docker tests from running here; None if nothing does."""
    try:
        with engine.connected() as client:
            engine.describe(client, base_image=TEST_BASE_IMAGE)
    except WmcError as error:
        return error.message
    return None


def docker_is_required() -> bool:
    return os.environ.get("WMC_REQUIRE_DOCKER", "") not in {"", "0"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    docker_items = [item for item in items if item.get_closest_marker("docker")]
    if not docker_items or docker_is_required():
        return
    if (obstacle := docker_obstacle()) is not None:
        for item in docker_items:
            item.add_marker(pytest.mark.skip(reason=obstacle))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") and docker_is_required() and (obstacle := docker_obstacle()):
        pytest.fail(f"WMC_REQUIRE_DOCKER is set, but {obstacle}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A skipped Docker test is a failure where Docker is required."""
    report = yield
    if report.skipped and item.get_closest_marker("docker") and docker_is_required():
        report.outcome = "failed"
        report.longrepr = f"WMC_REQUIRE_DOCKER is set, but this test was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: Any) -> Generator[None, Any, Any]:
    result = yield
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if "docker" in getattr(report, "keywords", {})
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} Docker tests were skipped: {docker_obstacle() or 'see above'}. "
            "To run them: bash .ci/run (it installs an engine and makes the test base image).",
            yellow=True,
        )
    return result
