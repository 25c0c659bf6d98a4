"""The command's work with a real, very small Genie: finished, exported, and what is refused before it begins."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baselines.training.recipe import Recipe
from baselines.training.sole import alone_in
from harness.data.clips import open_clip
from harness.errors import CheckpointInvalid, DataInvalid, UsageError
from harness.intake.pack import read_manifest
from harness.progress import Silent

pytestmark = pytest.mark.torch


def test_a_finished_run_says_so_and_only_exports(
    request_of, train, tmp_path, monkeypatch, training, genie
) -> None:
    first = train(request_of(tmp_path / "run", steps=2, running={"eval_windows": None}))
    monkeypatch.setattr(training("run"), "train", None)
    entry = tmp_path / "entry"
    assert train(request_of(tmp_path / "run", entry, steps=2, running={"eval_windows": None})) == first
    manifest = read_manifest(entry)
    assert manifest.training_flops == first.training_flops > 0
    assert manifest.claimed_val_loss == first.heldout_loss
    model = genie("checkpoint").load(entry)
    assert manifest.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert (entry / "model.safetensors").read_bytes() == (
        tmp_path / "run" / "best" / "model.safetensors"
    ).read_bytes()
    assert not list(entry.rglob("optimizer*"))


def test_a_finished_run_whose_best_is_gone_exports_nothing(request_of, train, tmp_path) -> None:
    train(request_of(tmp_path / "run", steps=1))
    (tmp_path / "run" / "best" / "model.safetensors").unlink()
    with pytest.raises(UsageError) as caught:
        train(request_of(tmp_path / "run", tmp_path / "entry", steps=1))
    assert caught.value.code == "usage.no_checkpoint"


def test_the_result_is_the_best_checkpoint_on_every_held_out_window(
    request_of, train, tmp_path, genie, torch, training
) -> None:
    result = train(request_of(tmp_path / "run", steps=4, running={"eval_windows": 2, "eval_every": 1}))
    assert result.heldout_windows == 3
    learner = genie("learner").make(
        str(tmp_path / "run" / "best" / "config.json"),
        torch.device("cpu"),
        clip=open_clip(request_of(tmp_path).train),
    )
    learner.load(tmp_path / "run" / "best")
    tokens_NHW = np.fromfile(request_of(tmp_path).val / "video.bin", "<u4").reshape(3, 226, 16, 16)[:, ::15]
    batch = training("learner").Batch(
        tokens_BTHW=torch.from_numpy(tokens_NHW.astype(np.int64)), actions_BTSA=torch.zeros(3, 16, 15, 0)
    )
    with torch.no_grad():
        expected = learner.heldout_loss(batch).mean()
    assert result.heldout_loss == pytest.approx(float(expected), rel=1e-6)


def test_a_damaged_result_names_the_way_on(request_of, train, tmp_path) -> None:
    train(request_of(tmp_path / "run", steps=2))
    (tmp_path / "run" / "result.json").write_text("{")
    with pytest.raises(CheckpointInvalid) as caught:
        train(request_of(tmp_path / "run", steps=2))
    assert "result.json" in caught.value.fix
    (tmp_path / "run" / "result.json").unlink()
    train(request_of(tmp_path / "run", steps=2))


def test_another_recipe_does_not_resume(request_of, train, tmp_path) -> None:
    train(request_of(tmp_path / "run", steps=2))
    with pytest.raises(UsageError, match=r"recipe\.seed is 0 there and 1 now"):
        train(request_of(tmp_path / "run", steps=2, seed=1))


def test_a_checkpoint_of_another_shape_is_refused(request_of, train, tmp_path) -> None:
    train(request_of(tmp_path / "run", steps=2))
    (tmp_path / "run" / "result.json").unlink()
    wide = tmp_path / "wide.json"
    wide.write_text(json.dumps({"num_layers": 1, "num_heads": 1, "d_model": 16}))
    train(request_of(tmp_path / "wide", steps=2, config=wide))
    for path in (tmp_path / "wide" / "checkpoints").glob("*/model.safetensors"):
        (tmp_path / "run" / path.relative_to(tmp_path / "wide")).write_bytes(path.read_bytes())
    with pytest.raises(CheckpointInvalid) as caught:
        train(request_of(tmp_path / "run", steps=2))
    assert caught.value.fix.startswith(f"remove {tmp_path / 'run' / 'checkpoints'}")


def test_no_data_is_the_operator_s(request_of, train, tmp_path) -> None:
    with pytest.raises(DataInvalid) as caught:
        train(request_of(tmp_path / "run", train="nowhere"))
    assert caught.value.code == "data.folder_missing"
    assert not (tmp_path / "run").exists()


def test_an_unknown_config_leaves_no_folder_behind(request_of, train, tmp_path) -> None:
    with pytest.raises(UsageError) as caught:
        train(request_of(tmp_path / "run", config="enormous"))
    assert caught.value.code == "usage.config"
    assert not (tmp_path / "run").exists()


def test_a_second_run_in_the_same_folder_is_refused_and_touches_nothing(request_of, train, tmp_path) -> None:
    out = tmp_path / "run"
    train(request_of(out, steps=2))
    (out / "result.json").unlink()
    half = out / "checkpoints" / ".unfinished-step-00000003"
    half.mkdir()
    with alone_in(out), pytest.raises(UsageError) as caught:
        train(request_of(out, steps=2))
    assert caught.value.code == "usage.run_in_use"
    assert half.is_dir()
    train(request_of(out, steps=2))
    assert not half.exists()


def test_a_clip_s_folder_is_not_written_into(request_of, train, workplace) -> None:
    before = sorted(workplace.rglob("*"))
    with pytest.raises(UsageError) as caught:
        train(request_of(workplace / "val"))
    assert caught.value.code == "usage.not_a_run"
    assert sorted(workplace.rglob("*")) == before


def test_a_best_that_was_removed_is_replaced_by_the_last(request_of, train, tmp_path) -> None:
    whole = train(request_of(tmp_path / "run", steps=2))
    (tmp_path / "run" / "result.json").unlink()
    shutil.rmtree(tmp_path / "run" / "best")
    assert train(request_of(tmp_path / "run", steps=2)) == whole  # the last had been the best


def test_a_place_for_the_entry_that_is_taken_is_refused_before_anything_is_done(
    request_of, train, tmp_path
) -> None:
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry" / "thesis").write_text("years of work")
    with pytest.raises(UsageError) as caught:
        train(request_of(tmp_path / "run", tmp_path / "entry"))
    assert caught.value.code == "usage.folder_not_empty"
    assert not (tmp_path / "run").exists()


def test_what_is_learned_from_is_not_held_out(request_of, train, tmp_path) -> None:
    with pytest.raises(UsageError) as caught:
        train(request_of(tmp_path / "run", train="val"))
    assert caught.value.code == "usage.same_clip"


def test_only_a_loss_on_the_public_val_is_claimed(
    request_of, train, workplace, tmp_path, training, monkeypatch
) -> None:
    """By what the folder is really called; and the description says what was learned from, wherever one stood."""
    (tmp_path / "val").symlink_to(workplace / "own")
    shutil.copytree(workplace / "val", workplace / "own", dirs_exist_ok=True)
    monkeypatch.chdir(workplace / "train")
    asked = replace(request_of(tmp_path / "run", tmp_path / "entry", steps=2), train=Path())
    told = []
    listener = Silent()
    monkeypatch.setattr(listener, "note", told.append, raising=False)
    training("run").train_baseline(replace(asked, val=tmp_path / "val"), listener)
    manifest = read_manifest(tmp_path / "entry")
    assert manifest.claimed_val_loss is None
    assert manifest.description.startswith("genie of its own size, from noise, step 2 of 2 with 4 windows")
    assert manifest.description.endswith("each of train, the best on own")
    assert "external_data" in told[-1]


def test_dropout_is_refused(request_of, train, tmp_path) -> None:
    """It would not be the same in parts and over processes."""
    config = tmp_path / "drop.json"
    config.write_text(json.dumps({"num_layers": 1, "num_heads": 1, "d_model": 8, "mlp_drop": 0.1}))
    with pytest.raises(UsageError, match="dropout") as caught:
        train(request_of(tmp_path / "run", config=config))
    assert caught.value.code == "usage.config"


def test_fewer_steps_have_a_shorter_warm_up_unless_it_is_given(training) -> None:
    recipe_of = training("run").recipe_of
    preset = Recipe(steps=60_000, warmup_steps=1000)
    assert recipe_of(preset, {}).warmup_steps == 1000
    assert recipe_of(preset, {"steps": 500}).warmup_steps == 50
    assert recipe_of(preset, {"steps": 500, "warmup_steps": 499}).warmup_steps == 499
    with pytest.raises(UsageError) as caught:
        recipe_of(preset, {"steps": 500, "warmup_steps": 500})
    assert caught.value.code == "usage.warmup"
