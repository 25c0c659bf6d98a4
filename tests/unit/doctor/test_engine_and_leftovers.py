"""The checkup of an engine, and what killed harnesses left on it and on this machine; the engine is a fake."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker import errors as docker_errors

from harness import owner
from harness.disk import scratch
from harness.doctor import docker_engine, leftovers
from harness.doctor.check import Health
from harness.sandbox import descendants, flags, page_cache
from harness.sandbox.engine import Engine
from harness.sandbox.policy import GIB, SandboxPolicy

FACTS = Engine(
    version="20.10.24",
    default_runtime="runc",
    cpus=8,
    memory_bytes=128 * GIB,
    base_name="base",
    base_id="sha256:" + "ab" * 32,
)
GPU_POLICY = SandboxPolicy(base_image="base", gpu_device_ids=("0",))
GPU_LINE = "GPU 0: NVIDIA H200 (UUID: GPU-1)"


def a_dead_process() -> str:
    program = "from harness import owner; print(owner.this_process())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


class FakeContainer:
    """A container whose program says `said` and ends with `status`, or cannot be started."""

    def __init__(
        self, *, name: str = "c", said: str = "", status: int = 0, labels: Any = None, **_: Any
    ) -> None:
        self.name, self.id, self.labels = name, "no-such-id", labels or {}
        self.said, self.status = said, status
        self.attrs = {"State": {"Running": False}}
        self.is_removed = False

    def start(self) -> None:
        pass

    def kill(self) -> None:
        raise docker_errors.APIError("it is not running")

    def reload(self) -> None:
        pass

    def wait(self, *, timeout: float) -> dict[str, int]:
        return {"StatusCode": self.status}

    def logs(self, **_: Any) -> bytes:
        return self.said.encode()

    def remove(self, **_: Any) -> None:
        self.is_removed = True


class FakeEngine:
    """Containers and volumes, as far as a checkup asks for them."""

    def __init__(self, containers: list[FakeContainer], volumes: list[Any], *, refusal: str = "") -> None:
        self.made: list[dict[str, Any]] = []
        self.refusal = refusal
        self.program: dict[str, Any] = {}
        self._containers, self._volumes = containers, volumes
        self.containers = SimpleNamespace(list=self._list, get=self._get, create=self._create)
        self.volumes = SimpleNamespace(list=lambda filters: self._volumes, get=self._volume)
        self.api = SimpleNamespace(base_url="http://elsewhere")
        self.info = lambda: {"DockerRootDir": "/elsewhere"}

    def _list(self, **_: Any) -> list[FakeContainer]:
        return [each for each in self._containers if not each.is_removed]

    def _get(self, name: str) -> FakeContainer:
        return next(each for each in self._list() if each.name == name)

    def _create(self, *, name: str, **settings: Any) -> FakeContainer:
        if self.refusal:
            self._containers.append(FakeContainer(name=name))
            raise docker_errors.APIError("500", explanation=self.refusal)
        self.made.append(settings)
        self._containers.append(FakeContainer(name=name, **self.program))
        return self._containers[-1]

    def _volume(self, name: str) -> Any:
        def remove(force: bool) -> None:
            self._volumes = [each for each in self._volumes if each.name != name]

        return SimpleNamespace(remove=remove, attrs={"Options": None})


@pytest.mark.parametrize(("driver", "health"), [("overlay2", Health.OK), ("vfs", Health.WARNING)])
def test_the_engine_says_what_it_is(driver: str, health: Health) -> None:
    info = {
        "ServerVersion": "20.10.24",
        "CgroupVersion": "2",
        "Driver": driver,
        "DockerRootDir": "/var/lib/docker",
        "Runtimes": {"runc": {}, "runsc": {}},
    }
    checks = {check.what: check for check in docker_engine.facts_checks(info)}
    assert checks["engine"].seen == "Docker 20.10.24, control groups version 2"
    assert checks["engine's storage"].health is health
    assert "runsc is there" in checks["engine's runtimes"].seen


@pytest.mark.parametrize(("counts", "health"), [(True, Health.OK), (False, Health.BROKEN)])
def test_a_host_that_does_not_count_swap_is_broken(counts: bool, health: Health) -> None:
    check = docker_engine.swap_check({"SwapLimit": counts})
    assert check.health is health
    assert ("swapaccount=1" in check.fix) is not counts


def test_a_gpu_is_looked_for_in_a_container_as_hardened_as_an_entrys() -> None:
    engine = FakeEngine([], [])
    engine.program = {"said": GPU_LINE}
    check = docker_engine.gpu_in_container_check(engine, FACTS, GPU_POLICY)
    assert (check.health, check.seen) == (Health.OK, GPU_LINE)
    [settings] = engine.made
    assert settings["read_only"]
    assert settings["cap_drop"] == ["ALL"]
    assert settings["network_mode"] == "none"
    assert settings["device_requests"][0]["DeviceIDs"] == ["0"]
    assert engine._list() == [], "it is gone afterwards"


@pytest.mark.parametrize(
    "engine",
    [
        FakeEngine([], [], refusal='could not select device driver "" with capabilities: [[gpu]]'),
        FakeEngine([], []),
    ],
)
def test_a_container_that_sees_no_gpu_is_broken_and_gone(engine: FakeEngine) -> None:
    check = docker_engine.gpu_in_container_check(engine, FACTS, GPU_POLICY)
    assert check.health is Health.BROKEN
    assert "nvidia-container-toolkit" in check.fix
    assert engine._list() == []


def labels(who: str, record: Path) -> dict[str, str]:
    return {flags.GRADE_LABEL: "g", flags.OWNER_LABEL: who, flags.RECORD_LABEL: str(record)}


@pytest.fixture
def drops(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Every time that the page cache is dropped from now on, instead of doing it."""
    seen: list[bool] = []
    monkeypatch.setattr(page_cache, "drop", lambda: not seen.append(True))
    return seen


@pytest.mark.parametrize("who", ["gone", "lives"])
def test_the_page_cache_goes_with_the_containers_that_were_left(
    tmp_path: Path, drops: list[bool], who: str
) -> None:
    """Control: whoever removes a leftover run drops it, for the next sandbox sees no leftovers any more."""
    owner_of_it = a_dead_process() if who == "gone" else owner.this_process()
    engine = FakeEngine([FakeContainer(name="c", labels=labels(owner_of_it, tmp_path))], [])
    list(leftovers.leftovers_on_engine(engine, is_cleaning=False))
    assert drops == []
    list(leftovers.leftovers_on_engine(engine, is_cleaning=True))
    assert drops == [True] * (who == "gone")


@pytest.mark.usefixtures("drops")
def test_leftovers_on_the_engine_are_removed_and_nothing_else_is(tmp_path: Path) -> None:
    """Control: a container of a living harness, one of nobody we know, and a finished build stay."""
    (tmp_path / "finished.json").touch()
    gone, lives = a_dead_process(), owner.this_process()
    containers = [
        FakeContainer(name="orphan", labels=labels(gone, tmp_path)),
        FakeContainer(name="of-the-living", labels=labels(lives, tmp_path)),
        FakeContainer(name="of-another", labels={flags.GRADE_LABEL: "g"}),
    ]
    volumes = [
        SimpleNamespace(name="half", attrs={"Labels": labels(gone, tmp_path / "no.json")}),
        SimpleNamespace(name="whole", attrs={"Labels": labels(gone, tmp_path / "finished.json")}),
        SimpleNamespace(name="building", attrs={"Labels": labels(lives, tmp_path / "no.json")}),
    ]
    engine = FakeEngine(containers, volumes)
    reported = list(leftovers.leftovers_on_engine(engine, is_cleaning=False))
    assert [check.seen for check in reported] == ["1: orphan", "1: half"]
    assert {check.fix for check in reported} == {"wmc doctor --clean"}
    removed = list(leftovers.leftovers_on_engine(engine, is_cleaning=True))
    assert [check.seen for check in removed] == ["removed 1: orphan", "removed 1: half"]
    assert [each.name for each in engine._list()] == ["of-the-living", "of-another"]
    assert [each.name for each in engine._volumes] == ["whole", "building"]


def test_leftovers_on_the_machine_are_reported_then_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = a_dead_process()
    with monkeypatch.context() as patch:
        patch.setattr(owner, "this_process", lambda: gone)
        open_still = scratch.folder("gate")
        folder = open_still.__enter__()
    marks = {descendants.MARK: "of-a-killed-harness", descendants.OWNER_MARK: gone}
    process = subprocess.Popen(["sleep", "600"], env={**os.environ, **marks}, start_new_session=True)
    try:
        for is_cleaning, begin in ((False, "1: "), (True, "removed 1: "), (False, "none")):
            checks = {c.what: c.seen for c in leftovers.leftovers_on_machine(is_cleaning=is_cleaning)}
            assert checks["leftover folders"].startswith(begin)
            mine = f"{process.pid} of of-a-killed-harness"
            assert (mine in checks["leftover processes"]) is (begin != "none")
        assert not folder.exists()
        assert process.wait() == -9
    finally:
        process.kill()
        process.wait()
