"""A GPU that cannot be given to an entry is found before the entry is built, with what to do."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import SandboxUnavailable
from harness.sandbox import gpu, lifecycle
from harness.sandbox.engine import Engine
from harness.sandbox.policy import GIB, SandboxPolicy

ENGINE = Engine(
    version="1",
    default_runtime="runc",
    cpus=4,
    memory_bytes=16 * GIB,
    base_name="base",
    base_id="sha256:base",
)
NO_TOOLKIT = 'could not select device driver "" with capabilities: [[gpu]]'
NO_DEVICE = "nvidia-container-cli: device error: 7: unknown device: unknown"
LINE = "GPU 0: NVIDIA H200 (UUID: GPU-1)"


@pytest.fixture
def look(monkeypatch):
    """What is seen of these GPUs, on an engine whose container says this, or that refuses it with these words."""

    def look(*gpus, said="", status=0, refusal="", drivers=(Path("/"),)):
        from docker.errors import APIError

        def start():
            if refusal:
                raise APIError("500 Server Error", explanation=refusal)

        made = []

        @contextmanager
        def container(_client, settings, **_):
            made.append(settings)
            yield SimpleNamespace(
                start=start, wait=lambda **_: {"StatusCode": status}, logs=lambda **_: said.encode()
            )

        monkeypatch.setattr(lifecycle, "container", container)
        monkeypatch.setattr(gpu, "_DRIVERS", drivers)
        lines = gpu.seen(SimpleNamespace(), ENGINE, SandboxPolicy(base_image="base", gpu_device_ids=gpus))
        return lines, made

    return look


def test_where_none_is_asked_for_none_is_looked_for(look):
    assert look() == ((), [])


def test_a_gpu_is_looked_for_in_a_container_that_is_held_as_an_entry_is(look):
    lines, [settings] = look("0", said=LINE)
    assert lines == (LINE,)
    assert settings["device_requests"][0]["DeviceIDs"] == ["0"]
    assert (settings["network_mode"], settings["cap_drop"], settings["read_only"]) == ("none", ["ALL"], True)


def test_an_image_without_nvidia_smi_says_nothing_against_its_gpu(look):
    assert look("0", said="exec nvidia-smi failed: No such file or directory", status=127)[0] == ()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"refusal": NO_TOOLKIT}, "nvidia-ctk runtime configure"),
        ({"refusal": NO_TOOLKIT, "drivers": ()}, "leave --gpu out"),
        ({"refusal": NO_DEVICE}, "`nvidia-smi -L` shows"),
        ({"said": LINE}, "toolkit"),
        ({"said": "NVIDIA-SMI has failed", "status": 9}, "toolkit"),
    ],
    ids=["no toolkit", "no driver", "no such GPU", "one of two", "a broken driver"],
)
def test_a_gpu_that_cannot_be_given_has_a_code_and_a_cure_of_its_own(look, how, words):
    with pytest.raises(SandboxUnavailable) as caught:
        look("0", "1", **how)
    error = caught.value
    assert error.code == "sandbox.gpu"
    assert words in error.fix
    assert "--gpu" in error.fix
    assert "GPU 0, 1" in error.message
    assert ("no NVIDIA driver" in error.message) == (how.get("drivers") == ())
