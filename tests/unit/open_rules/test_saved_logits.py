"""Saved logits are read by a process without rights, by size; whatever is not exactly a tensor of them is refused."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.errors import DependencyMissing, GuestFailed
from harness.open_rules import loading, saved_logits
from harness.open_rules.saved_logits import LOGITS_FILE, read_logits

pytestmark = pytest.mark.torch
SHAPE = (1, 512, 2, 15, 16, 16)
UID = 210_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "logits").mkdir()
    return tmp_path / "logits" / LOGITS_FILE


def refusal(file: Path, *, num_windows: int = 1) -> str:
    with (
        pytest.raises(GuestFailed) as refused,
        read_logits(file, num_windows=num_windows, uid=UID) as windows,
    ):
        for _ in windows:
            pass
    return refused.value.code


def loaded(file: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The loading program's exit status, run here, where it keeps its rights."""
    names = ("windows", "values", "factors", "frames", "height", "width")
    settings = {**dict(zip(names, SHAPE, strict=True)), "uid": UID, "cpu_s": 60}
    monkeypatch.setattr(loading, "give_up_rights", lambda *_, **__: None)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=io.BytesIO()))
    return loading.main([str(file), json.dumps(settings)])


def test_every_window_comes_in_its_order_and_in_our_axes(file: Path) -> None:
    import torch

    logits = torch.randn(2, *SHAPE[1:]).to(torch.bfloat16)
    torch.save(logits, file)
    with read_logits(file, num_windows=2, uid=UID) as windows:
        read = [window.copy() for window in windows]
    assert len(read) == 2
    for number, window_THWFV in enumerate(read):
        assert window_THWFV.dtype == np.float32
        np.testing.assert_array_equal(window_THWFV, logits[number].float().permute(2, 3, 4, 1, 0).numpy())


@pytest.mark.parametrize(
    ("without", "runs"),
    [
        (("give_up_rights",), False),
        (("weights_only",), False),
        (("give_up_rights", "weights_only"), True),
    ],
)
def test_a_pickle_with_code_in_it_does_nothing(
    file: Path, tmp_path: Path, without: tuple[str, ...], runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Controls: weights_only, and a process without rights. Each holds alone; without both its code writes a file."""
    import torch

    written = tmp_path / "written"
    torch.save(Telltale(str(written)), file)
    program = Path(loading.__file__).read_text()
    if "give_up_rights" in without:
        program = program.replace("    give_up_rights(settings", "    (lambda *_, **__: None)(settings")
    if "weights_only" in without:
        program = program.replace("weights_only=True, mmap=True", "weights_only=False")
    (tmp_path / "loading.py").write_text(program)
    monkeypatch.setattr(loading, "__file__", str(tmp_path / "loading.py"))
    refusal(file)
    assert (written.exists() and written.read_text() == "x") is runs


class Telltale:
    """Runs code where it is unpickled carelessly: it writes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"open({self.path!r}, 'w').write('x')",)


def test_a_zip_bomb_is_stopped_by_the_limit_of_memory(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What says how tensors are laid out is read into memory, compressed or not; control: RLIMIT_AS, here 64 MiB."""
    import torch

    torch.save(torch.zeros(4), file)
    with zipfile.ZipFile(file) as good:
        parts = {name: good.read(name) for name in good.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb:
        for name, content in parts.items():
            bomb.writestr(name, content + bytes(200 << 20) * name.endswith("data.pkl"))
    assert file.stat().st_size < 2 << 20
    program = tmp_path / "loading.py"
    program.write_text(
        Path(loading.__file__).read_text().replace("_ROOM_BYTES = 1 << 30", "_ROOM_BYTES = 64 << 20")
    )
    assert refusal(file) == "open.wrong_shape", "loaded where there is room"
    monkeypatch.setattr(loading, "__file__", str(program))
    assert refusal(file) == "open.unreadable"


def test_a_huge_shape_over_a_tiny_storage_is_the_wrong_shape(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    torch.save(torch.zeros(1).expand(1 << 20, *SHAPE[1:]), file)
    assert file.stat().st_size < 10_000
    assert loaded(file, monkeypatch) == loading.WRONG_SHAPE


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda torch: torch.zeros(SHAPE), 0),
        (lambda torch: torch.zeros(SHAPE, dtype=torch.float16), 0),
        (lambda torch: torch.nn.Parameter(torch.zeros(SHAPE)), 0),
        (lambda torch: torch.zeros(SHAPE, dtype=torch.float64), loading.WRONG_KIND),
        (lambda torch: torch.zeros(SHAPE, dtype=torch.int32), loading.WRONG_KIND),
        (lambda torch: torch.zeros(SHAPE).to_sparse(), loading.WRONG_KIND),
        (lambda torch: {"logits": torch.zeros(2)}, loading.WRONG_KIND),
        (lambda torch: [1.0, 2.0], loading.WRONG_KIND),
        (lambda torch: torch.zeros(1, 2, 512, 15, 16, 16), loading.WRONG_SHAPE),
        (lambda torch: torch.zeros(2, *SHAPE[1:]), loading.WRONG_SHAPE),
        (lambda torch: torch.zeros(()), loading.WRONG_SHAPE),
    ],
)
def test_nothing_passes_but_dense_floats_of_the_one_shape(
    file: Path, make: Callable[[Any], Any], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    torch.save(make(torch), file)
    assert loaded(file, monkeypatch) == status


def test_what_is_not_finite_is_refused(file: Path) -> None:
    import torch

    logits = torch.zeros(SHAPE)
    logits[0, 500, 1, 14, 15, 15] = float("nan")
    torch.save(logits, file)
    assert refusal(file) == "open.not_finite"


@pytest.mark.parametrize("old", [False, True])
def test_what_torch_cannot_map_is_not_loaded(file: Path, old: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in torch's old format, and one that was cut off."""
    import torch

    torch.save(torch.zeros(SHAPE), file, _use_new_zipfile_serialization=not old)
    if not old:
        os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(RuntimeError):
        loaded(file, monkeypatch)


def test_a_loader_that_says_too_little_or_too_much_is_not_believed(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: exact sizes."""
    window_bytes = int(np.prod(SHAPE)) * 4
    file.write_bytes(b"")
    for size in (window_bytes - 1, window_bytes + 1):
        program = tmp_path / f"says{size}.py"
        program.write_text(f"import sys; sys.stdout.buffer.write(bytes({size}))")
        monkeypatch.setattr(loading, "__file__", str(program))
        assert refusal(file) == "open.unreadable"


def test_a_loader_that_hangs_is_ended(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: the watchdog."""
    program = tmp_path / "hangs.py"
    program.write_text("import time; time.sleep(600)")
    file.write_bytes(b"")
    monkeypatch.setattr(loading, "__file__", str(program))
    monkeypatch.setattr(saved_logits, "_START_S", 0)
    monkeypatch.setattr(saved_logits, "_BYTES_PER_CPU_SECOND", 1 << 30)
    assert refusal(file) == "open.unreadable"


def test_without_torch_the_reason_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(saved_logits.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyMissing) as missing, read_logits(file, num_windows=1, uid=UID):
        pass
    assert missing.value.code == "dependency.torch"
    assert "-e '.[codec]'" in missing.value.fix
