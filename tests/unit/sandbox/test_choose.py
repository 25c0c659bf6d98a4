"""Which sandbox is there, and what stands in the way of Docker."""

import os
import socket
from contextlib import contextmanager

import pytest

from harness.errors import SandboxFailed, SandboxUnavailable, UsageError
from harness.sandbox import engine
from harness.sandbox.choose import choose, open_sandbox
from harness.sandbox.policy import DEFAULT_BASE_IMAGE, SandboxPolicy, default_base_image


@pytest.fixture
def no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")


@pytest.fixture
def somebody_listens(monkeypatch, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        yield


def test_without_an_engine_it_is_the_process_sandbox_and_the_commands_are_named(no_engine, tmp_path):
    choice = choose(SandboxPolicy(), cache=tmp_path)
    assert choice.sandbox.name == "process"
    assert choice.reason == "no Docker engine answers"
    assert any("docker.io" in command for command in choice.switch_on)


@pytest.mark.parametrize("address", ["garbage", "unix:///nobody/here.sock", "tcp://127.0.0.1:1"])
def test_an_address_from_the_environment_is_named_in_the_advice(monkeypatch, tmp_path, address):
    """Installing an engine does not help while DOCKER_HOST points elsewhere."""
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(SandboxUnavailable) as caught:
        open_sandbox("docker", SandboxPolicy(), cache=tmp_path)
    assert f"DOCKER_HOST is set to {address}" in caught.value.fix
    assert choose(SandboxPolicy(), cache=tmp_path).switch_on[0] == "unset DOCKER_HOST"


def test_the_command_for_a_base_image_makes_the_one_that_is_missing():
    assert engine.switch_on("sandbox.no_base_image", base_image=DEFAULT_BASE_IMAGE) == ("wmc sandbox build",)
    [command] = engine.switch_on("sandbox.no_base_image", base_image="mine")
    assert command == "wmc sandbox build --base-image mine"


def test_asking_for_docker_without_an_engine_is_the_operators_error(no_engine, tmp_path):
    with pytest.raises(SandboxUnavailable) as caught:
        open_sandbox("docker", SandboxPolicy(), cache=tmp_path)
    assert caught.value.code == "sandbox.no_engine"
    assert "systemctl start docker" in caught.value.fix


def test_an_engine_one_may_not_talk_to_is_told_apart(monkeypatch, tmp_path):
    """A process without root's rights, since the tests may run with them."""
    import docker  # noqa: F401 - loaded before the rights are gone

    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "docker.sock"))
        (folder / "docker.sock").chmod(0)
        listener.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/docker.sock")
        with without_rights():
            choice = choose(SandboxPolicy(), cache=tmp_path)
    assert choice.sandbox.name == "process"
    assert choice.reason == "this user may not talk to the Docker engine"
    assert any("usermod -aG docker" in command for command in choice.switch_on)


@contextmanager
def without_rights():
    before = os.geteuid()
    if before == 0:
        os.seteuid(65_000)
    try:
        yield
    finally:
        os.seteuid(before)


def test_an_engine_that_breaks_in_the_middle_is_not_called_missing(somebody_listens, monkeypatch):
    import docker
    import requests

    class Client:
        def close(self) -> None:
            pass

    monkeypatch.setattr(docker, "from_env", lambda **_: Client())
    with pytest.raises(SandboxFailed) as caught, engine.connected():
        raise requests.ConnectionError("it went away")
    assert caught.value.code == "sandbox.engine"


def test_an_error_of_ours_passes_through_a_connection_unchanged(somebody_listens, monkeypatch):
    import docker

    class Client:
        closed = False

        def close(self) -> None:
            self.closed = True

    client = Client()
    monkeypatch.setattr(docker, "from_env", lambda **_: client)
    with pytest.raises(UsageError), engine.connected():
        raise UsageError("mine", fix="none", code="usage.sandbox")
    assert client.closed


def test_a_sandbox_nobody_knows_is_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(UsageError):
        open_sandbox("podman", SandboxPolicy(), cache=tmp_path)


def test_the_base_image_can_be_named_by_the_environment(monkeypatch):
    monkeypatch.delenv("WMC_BASE_IMAGE", raising=False)
    assert default_base_image() == DEFAULT_BASE_IMAGE
    monkeypatch.setenv("WMC_BASE_IMAGE", "mine")
    assert SandboxPolicy().base_image == "mine"


@pytest.mark.docker
def test_with_an_engine_but_no_base_image_the_one_command_is_named(tmp_path):
    choice = choose(SandboxPolicy(base_image="no-such-image:at-all"), cache=tmp_path)
    assert choice.sandbox.name == "process"
    assert "no-such-image:at-all" in choice.reason
    assert choice.switch_on == ("wmc sandbox build --base-image no-such-image:at-all",)


@pytest.mark.docker
def test_with_both_it_is_docker(tmp_path, base_image):
    choice = choose(SandboxPolicy(base_image=base_image), cache=tmp_path)
    assert choice.sandbox.name == "docker"
    assert choice.switch_on == ()
    assert base_image in choice.reason
