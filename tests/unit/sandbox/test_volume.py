"""The look-out over a volume; the containers themselves are tried in tests/integration/test_docker_build.py."""

import json

import pytest

from harness.errors import BuildFailed, SandboxFailed
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.volume import Watch


class Container:
    """A look-out's container in one of its states."""

    name = "look-out"

    def __init__(self, *, running: bool, said: str = "") -> None:
        self.attrs = {"State": {"Running": running}}
        self.said = said

    def reload(self) -> None:
        pass

    def logs(self, *, stdout: bool, stderr: bool, tail: int | None = None) -> bytes:
        return self.said.encode() if stdout else b"Traceback"


def watch(**state) -> Watch:
    return Watch(container=Container(**state), policy=SandboxPolicy())


def test_a_look_out_that_runs_is_content():
    assert watch(running=True).is_content()
    watch(running=True).check()


def test_a_broken_cap_is_the_entrys():
    refused = json.dumps({"refused": "size", "message": "it holds too much"})
    with pytest.raises(BuildFailed) as caught:
        watch(running=False, said=refused).check()
    assert caught.value.code == "build.size"


@pytest.mark.parametrize("said", ["", "{}", "no json"])
def test_a_look_out_that_broke_down_is_never_taken_for_a_good_build(said):
    with pytest.raises(SandboxFailed) as caught:
        watch(running=False, said=said).check()
    assert caught.value.code == "sandbox.helper"
    assert "Traceback" in caught.value.message
