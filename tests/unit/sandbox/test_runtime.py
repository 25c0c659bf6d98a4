"""A runtime is tried out before an entry is held in it; what is wrong with it is the operator's to mend."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from harness.errors import SandboxFailed, SandboxUnavailable
from harness.sandbox import lifecycle, runtime
from harness.sandbox.engine import Engine
from harness.sandbox.policy import GIB, SandboxPolicy

ENGINE = Engine(
    version="1",
    default_runtime="runc",
    cpus=4,
    memory_bytes=16 * GIB,
    base_name="base",
    base_id="sha256:base",
    runtimes={"runc": (), "runsc": ("--host-uds=open", "--oci-seccomp")},
)
GVISOR = SandboxPolicy(base_image="base", runtime="runsc")
OLD_RUNSC = "setting up network: cannot run with network enabled in root network namespace: unknown"


def refusal(words):
    from docker.errors import APIError

    return APIError("400 Client Error", explanation=words)


class Trial:
    """A container that says `answer` through the mounted socket, or ends with a status."""

    def __init__(self, *, answer=b"", status=0, said=b"", start=None):
        self.answer, self.status, self.said, self.refusal = answer, status, said, start

    def start(self):
        if self.refusal:
            raise self.refusal
        if self.answer:
            folder = self.settings["mounts"][0]["Source"]
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(f"{folder}/socket")
                stream.sendall(self.answer)

    def wait(self, **_):
        return {"StatusCode": self.status}

    def logs(self, **_):
        return self.said


@pytest.fixture
def engine_with(monkeypatch):
    """An engine whose next container is this one, or who refuses it."""

    def prepare(trial, *, at_the_end=None):
        @contextmanager
        def container(_client, settings, **_):
            if isinstance(trial, Exception):
                raise trial
            trial.settings = settings
            yield trial
            if at_the_end:
                raise at_the_end

        monkeypatch.setattr(lifecycle, "container", container)

    return prepare


def chosen(policy=GVISOR):
    return runtime.chosen(SimpleNamespace(), ENGINE, policy)


def refused():
    with pytest.raises(SandboxUnavailable) as caught:
        chosen()
    return caught.value


def test_the_engine_s_own_runc_is_taken_as_it_is(engine_with):
    engine_with(AssertionError("nothing is to be tried out"))
    assert chosen(SandboxPolicy(base_image="base")) == runtime.Runtime(name="runc")


def test_a_runtime_in_which_a_program_reaches_us_is_taken(engine_with):
    engine_with(trial := Trial(answer=b'{"seccomp": "2", "threads": true}'))
    found = chosen()
    assert found == runtime.Runtime(name="runsc", arguments=("--host-uds=open", "--oci-seccomp"))
    assert (trial.settings["runtime"], trial.settings["network_mode"]) == ("runsc", "none")
    assert trial.settings["user"] == "210000:210000", "held as an entry is"


def test_a_filter_that_does_not_hold_inside_is_known(engine_with):
    engine_with(Trial(answer=b'{"seccomp": "0", "threads": true}'))
    assert not chosen().filters_calls


@pytest.mark.parametrize(
    "words",
    ["Unknown runtime specified runsc", "unknown or invalid runtime name: runsc"],
    ids=["engine 20.10", "engine 23 and later"],
)
def test_a_runtime_that_the_engine_does_not_know_is_named_with_its_cure(engine_with, words):
    engine_with(refusal(words))
    error = refused()
    assert error.code == "sandbox.no_runtime"
    assert "it has runc, runsc" in error.message
    assert "apt-get install -y runsc" in error.fix
    assert "--host-uds=open" in error.fix


def test_an_old_runsc_on_a_new_kernel_is_told_what_to_add(engine_with):
    """Its start leaves processes behind, which are found and killed: that is not what the operator has to hear."""
    survivor = SandboxFailed("4 processes outlived it", fix="look", code="sandbox.survivor")
    engine_with(Trial(start=refusal(OLD_RUNSC)), at_the_end=survivor)
    error = refused()
    assert error.code == "sandbox.runtime"
    assert "--network=none" in error.fix


def test_a_survivor_of_a_trial_that_ran_is_no_small_matter(engine_with):
    engine_with(
        Trial(answer=b'{"seccomp": "2", "threads": true}'),
        at_the_end=SandboxFailed("it outlived", fix="look", code="sandbox.survivor"),
    )
    with pytest.raises(SandboxFailed):
        chosen()


@pytest.mark.parametrize(
    "trial", [Trial(status=1, said=b"PermissionError\x1b[2J"), Trial(), Trial(answer=b"not JSON")]
)
def test_who_cannot_reach_the_gate_is_not_charged_for_it(engine_with, trial):
    """Without --host-uds=open every entry would fail, and be blamed."""
    engine_with(trial)
    error = refused()
    assert error.code == "sandbox.runtime"
    assert "--host-uds=open" in error.fix
    assert "\x1b" not in error.message


def test_a_runtime_without_threads_is_not_charged_to_an_entry_either(engine_with):
    engine_with(Trial(answer=b'{"seccomp": "2", "threads": false}'))
    error = refused()
    assert error.code == "sandbox.runtime"
    assert "--oci-seccomp" in error.fix


@pytest.mark.parametrize(
    ("arguments", "expected"), [((), True), (("--network=host",), True), (("--network=none",), False)]
)
def test_whether_a_build_has_a_network_follows_from_the_arguments(arguments, expected):
    engine = Engine(**{**vars(ENGINE), "runtimes": {"runsc": arguments}})
    assert runtime.has_network(engine, GVISOR) is expected
    assert runtime.has_network(engine, SandboxPolicy(base_image="base"))
