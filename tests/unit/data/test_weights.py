"""Files of weights: what they hold, and that nothing in them runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from harness.data.weights import read_weights, require_torch
from harness.errors import DataInvalid, DependencyMissing

NAMED = {"name": "the file", "code": "weights.invalid", "fix": "fetch it again"}


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.mark.torch
def test_tensors_come_back_from_a_path_and_from_bytes(torch: Any, tmp_path: Path) -> None:
    torch.save({"a": torch.arange(3)}, tmp_path / "weights")
    with (tmp_path / "weights").open("rb") as file:
        for source in (tmp_path / "weights", file):
            assert read_weights(source, **NAMED)["a"].tolist() == [0, 1, 2]


@pytest.mark.torch
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 nor a zip", b"\x80\x02}q\x00."])
def test_what_is_no_file_of_weights_is_named_as_the_caller_says(
    torch: Any, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "weights").write_bytes(content)
    with pytest.raises(DataInvalid, match=r"^the file ") as caught:
        read_weights(tmp_path / "weights", **NAMED)
    assert (caught.value.code, caught.value.fix) == ("weights.invalid", "fetch it again")


@pytest.mark.torch
def test_a_lone_tensor_is_no_dictionary(torch: Any, tmp_path: Path) -> None:
    torch.save(torch.arange(3), tmp_path / "weights")
    with pytest.raises(DataInvalid, match="no dictionary"):
        read_weights(tmp_path / "weights", **NAMED)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyMissing, match="LPIPS needs the package torch") as caught:
        require_torch("LPIPS")
    assert "-e '.[codec]'" in caught.value.fix
