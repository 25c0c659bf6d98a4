"""The whole demo data, made small: format, reproducibility, and what happens when it cannot be made."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import harness
from harness.codec.patch import PatchCodec
from harness.data.clips import ACTION_WIDTHS, open_clip
from harness.data.demo import SPLITS, SplitSummary, make_demo
from harness.data.demo_plan import DemoPlan
from harness.errors import DependencyMissing, UsageError
from harness.progress import Silent
from harness.retrieval.rule_five import copy_losses

PLAN = DemoPlan(train_frames=600, routes=2, graded_segments=2)


def make(
    folder: Path, *, plan: DemoPlan = PLAN, workers: int = 1, force: bool = False
) -> dict[str, SplitSummary]:
    return make_demo(
        folder, plan=plan, fit_codec=PatchCodec.fit, workers=workers, progress=Silent(), force=force
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, SplitSummary]]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, make(folder)


def test_the_splits_are_valid_clips_of_the_planned_sizes(demo: tuple[Path, dict[str, SplitSummary]]) -> None:
    folder, summary = demo
    lengths = {split: np.bincount(open_clip(folder / split).segment_ids_N).tolist() for split in SPLITS}
    assert lengths["val"] == lengths["heldout"] == [226, 226]
    assert sum(lengths["train"]) == 600
    assert min(lengths["train"]) >= 226
    assert {split: (sum(n), len(n)) for split, n in lengths.items()} == {
        split: (made.frames, made.segments) for split, made in summary.items()
    }


def test_driving_is_the_only_action_that_is_not_zero(demo: tuple[Path, dict[str, SplitSummary]]) -> None:
    for split in SPLITS:
        clip = open_clip(demo[0] / split)
        assert clip.action_widths == dict(sorted(ACTION_WIDTHS.items()))
        assert {name for name, values in clip.actions.items() if values.any()} == {"driving_command"}
        speed_N, turn_N = clip.actions["driving_command"].T
        assert 0.5 < speed_N.mean() < 2.5  # metres a second
        assert 0 < np.abs(turn_N).max() < math.radians(5) * 30


def test_the_picture_never_stands_still(demo: tuple[Path, dict[str, SplitSummary]]) -> None:
    for split in SPLITS:
        tokens_NHW = open_clip(demo[0] / split).tokens_NHW
        assert (tokens_NHW[1:] != tokens_NHW[:-1]).any((1, 2)).all()


def test_val_drives_the_routes_of_train_but_not_in_the_same_way(
    demo: tuple[Path, dict[str, SplitSummary]],
) -> None:
    train, val = (open_clip(demo[0] / split).tokens_NHW for split in ("train", "val"))
    assert not (train[:, None] == val[None, ::15]).all((2, 3)).any()


def test_metadata_names_the_codec_that_decodes_the_tokens(
    demo: tuple[Path, dict[str, SplitSummary]],
) -> None:
    folder, summary = demo
    for split in SPLITS:
        named = json.loads((folder / split / "metadata.json").read_text())["tokenizer_ckpt"]
        codec = PatchCodec.load(folder / split / named)
        tokens_NHW = open_clip(folder / split).tokens_NHW[:5]
        np.testing.assert_array_equal(codec.decode(tokens_NHW).shape, (5, 256, 256, 3))
    assert summary["val"].psnr_db > 24


def test_the_number_of_workers_does_not_change_a_byte(
    demo: tuple[Path, dict[str, SplitSummary]], tmp_path: Path
) -> None:
    summary = make(tmp_path, workers=2)
    assert contents(tmp_path) == contents(demo[0])
    assert summary == demo[1]


def test_data_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "precious").write_bytes(b"frames")
    (tmp_path / "notes").write_bytes(b"mine")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="already holds val") as refusal:
        make(tmp_path)
    assert refusal.value.code == "usage.demo_exists"
    assert contents(tmp_path) == before
    make(tmp_path, plan=DemoPlan(train_frames=226, routes=1, graded_segments=1), force=True)
    assert open_clip(tmp_path / "val").num_frames == 226
    assert not (tmp_path / "val" / "precious").exists()
    assert (tmp_path / "notes").read_bytes() == b"mine"


def test_a_run_that_fails_leaves_nothing_half_made(tmp_path: Path) -> None:
    def broken(images_BYXC: NDArray[np.uint8]) -> PatchCodec:
        raise MemoryError(f"no room for {len(images_BYXC)} images")

    plan = DemoPlan(train_frames=226, routes=1, graded_segments=1)
    with pytest.raises(MemoryError):
        make_demo(tmp_path / "demo", plan=plan, fit_codec=broken, workers=1, progress=Silent())
    assert list((tmp_path / "demo").iterdir()) == []


def test_without_vizdoom_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(DependencyMissing):
        make(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_a_crew_of_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        make(tmp_path / "demo", workers=0)
    assert refusal.value.code == "usage.workers"
    assert not (tmp_path / "demo").exists()


_LONG_RUN = """
import sys
from pathlib import Path
from harness.codec.patch import PatchCodec
from harness.data.demo import make_demo
from harness.data.demo_plan import DemoPlan
from harness.progress import Silent

if __name__ == "__main__":
    plan = DemoPlan(train_frames=30_000)
    make_demo(Path(sys.argv[1]), plan=plan, fit_codec=PatchCodec.fit, workers=2, progress=Silent())
"""


def crew_of(session: int) -> list[str]:
    """The command lines of the workers and engines in a session."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "stat").read_text().rpartition(") ")[2].split()
            command = (process / "cmdline").read_text()
        except OSError:
            continue
        if words[0] != "Z" and int(words[3]) == session and command:
            found.append(command)
    return [command for command in found if "-iwad" in command or "spawn_main" in command]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_killed_run_leaves_no_process_behind(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(_LONG_RUN)
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "demo")],
        start_new_session=True,
        stderr=subprocess.DEVNULL,  # Python's own tracker of semaphores remarks on the killing
        env={**os.environ, "PYTHONPATH": str(Path(harness.__file__).parents[1])},
    )
    try:
        wait_until(lambda: sum("-iwad" in command for command in crew_of(run.pid)) >= 2)
    finally:
        run.kill()
        run.wait()
    wait_until(lambda: crew_of(run.pid) == [])
    assert not set(SPLITS) & {path.name for path in (tmp_path / "demo").iterdir()}


def wait_until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_retrieval_beats_copying_on_val_and_not_on_heldout(tmp_path: Path) -> None:
    make(tmp_path, plan=DemoPlan(train_frames=2000, seed=1, routes=3, graded_segments=6), workers=2)
    train = open_clip(tmp_path / "train")
    val, heldout = (copy_losses(train, open_clip(tmp_path / split)) for split in ("val", "heldout"))
    assert val.margin > 0.2
    assert heldout.margin < 0
    assert val.copy_last < val.unigram
