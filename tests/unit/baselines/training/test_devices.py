"""Names of devices, and which GPU is whose."""

from __future__ import annotations

import pytest

from harness.errors import UsageError

pytestmark = pytest.mark.torch


@pytest.fixture
def device_of(training):
    return training("devices").device_of


@pytest.mark.parametrize("name", ["abacus", "meta", "cuda:99", "cuda:x"])
def test_a_device_that_is_not_there_is_refused(device_of, name) -> None:
    with pytest.raises(UsageError) as caught:
        device_of(name)
    assert caught.value.code == "usage.device"


def test_each_process_takes_its_own_gpu(device_of, torch, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("cuda", 1) == torch.device("cuda", 1)
    assert device_of("cuda") == torch.device("cuda", 0)
    assert device_of("cuda:1", None) == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="a GPU of its own"):
        device_of("cuda:1", 0)
    with pytest.raises(UsageError, match="2 GPUs"):
        device_of("cuda", 2)
