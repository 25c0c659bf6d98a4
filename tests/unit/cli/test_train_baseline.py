"""`wmc train-baseline`: what its options come to, and what it shows."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import pytest

from baselines.training.recipe import Precision, Running, Starts
from harness.cli import train_baseline
from harness.errors import DependencyMissing, UsageError

PATHS = ["--train", "a", "--val", "b", "--out", "c"]


@pytest.fixture
def parsed():
    def parse(*words):
        parser = argparse.ArgumentParser()
        train_baseline.register(parser.add_subparsers())
        return parser.parse_args(["train-baseline", *words])

    return parse


@pytest.fixture
def request_of(parsed):
    pytest.importorskip("torch")
    return lambda *words: train_baseline._request(parsed(*words))


@pytest.mark.torch
def test_a_flag_that_is_not_given_leaves_the_recipe_alone(request_of) -> None:
    request = request_of("causal-lm", *PATHS)
    assert (request.baseline, request.config, request.changes) == ("causal_lm", None, {})
    assert (request.train, request.val, request.export, request.threads) == (Path("a"), Path("b"), None, None)
    assert request.running == Running(out=Path("c"))


@pytest.mark.torch
def test_every_flag_reaches_its_place(request_of) -> None:
    recipe = "--steps 9 --batch 3 --learning-rate 1e-3 --warmup-steps 0 --weight-decay 0.1 --starts all "
    recipe += "--precision bfloat16 --seed 7"
    running = (
        "--device cpu --windows-per-pass 2 --compile --log-every 4 --eval-every 5 --save-every 6 --keep 3"
    )
    others = "--config 35m --eval-windows all --threads 1 --export e"
    request = request_of("genie", *PATHS, *recipe.split(), *running.split(), *others.split())
    assert request.changes == {
        "steps": 9,
        "batch": 3,
        "learning_rate": 1e-3,
        "warmup_steps": 0,
        "weight_decay": 0.1,
        "starts": Starts.ALL,
        "precision": Precision.BFLOAT16,
        "seed": 7,
    }
    assert request.running == Running(
        out=Path("c"),
        device="cpu",
        windows_per_pass=2,
        compile=True,
        log_every=4,
        eval_every=5,
        save_every=6,
        eval_windows=None,
        keep=3,
    )
    assert (request.config, request.threads, request.export) == ("35m", 1, Path("e"))


@pytest.mark.parametrize(
    "words",
    [
        ["--steps", "0"],
        ["--steps", "1.5"],
        ["--batch", "-1"],
        ["--learning-rate", "0"],
        ["--learning-rate", "nan"],
        ["--learning-rate", "inf"],
        ["--weight-decay", "-0.1"],
        ["--eval-windows", "some"],
        ["--keep", "0"],
        ["--starts", "random"],
        ["--precision", "float16"],
        ["--seed", "-1"],
        ["--seed", str(2**63)],
        ["--seed", "9" * 5000],
        ["--steps", str(2**31)],
        ["--threads", "100000"],
    ],
)
def test_values_that_make_no_sense_are_refused(parsed, capsys, words) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed("genie", *PATHS, *words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_a_choice_that_there_is_not_names_those_there_are(parsed, capsys) -> None:
    with pytest.raises(SystemExit):
        parsed("genie", *PATHS, "--precision", "float16")
    assert "float32, bfloat16" in capsys.readouterr().err


def test_only_neural_baselines_are_trained_with_it(parsed, capsys) -> None:
    with pytest.raises(SystemExit):
        parsed("unigram", *PATHS)
    assert "genie" in capsys.readouterr().err


def test_without_torch_it_says_what_to_install(run_command, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("baselines.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(sys.modules["baselines"], "training", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyMissing) as caught:
        run_command(train_baseline, "train-baseline", "genie", *PATHS)
    assert "-e '.[genie]'" in caught.value.fix


@pytest.mark.torch
def test_it_trains_and_shows_what_became_of_it(run_command, make_clip, tmp_path, capsys) -> None:
    torch = importlib.import_module("torch")
    threads = torch.get_num_threads()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"num_layers": 1, "num_heads": 1, "d_model": 8}))
    words = ["genie", "--train", str(make_clip(name="train")), "--val", str(make_clip(hold=19, name="val"))]
    words += ["--out", str(tmp_path / "run"), "--config", str(config), "--steps", "2", "--batch", "2"]
    words += ["--threads", "1", "--device", "cpu", "--export", str(tmp_path / "entry"), "--log-every", "1"]
    try:
        run_command(train_baseline, "train-baseline", *words)
        shown = capsys.readouterr()
        run_command(train_baseline, "train-baseline", *words[:-4], "--json")
    finally:
        torch.set_num_threads(threads)
    result = json.loads(capsys.readouterr().out)
    assert set(result) >= {"best_step", "heldout_loss", "training_flops", "out"}
    assert (result["best"], result["export"]) == (str(tmp_path / "run" / "best"), None)
    assert f"{result['heldout_loss']:.4f} nats per token on val" in shown.out
    assert "temporally teacher-forced, 4 windows" in shown.out
    assert "step 2/2  loss 12." in shown.err
    assert "MFU" in shown.err
    assert (tmp_path / "entry" / "wmc.toml").is_file()


@pytest.mark.torch
def test_nothing_is_begun_for_a_config_that_is_not_there(run_command, make_clip, tmp_path) -> None:
    clip = str(make_clip())
    with pytest.raises(UsageError):
        run_command(
            train_baseline, "train-baseline", "genie", "--train", clip, "--val", clip, "--out", str(tmp_path / "run"),
            "--config", "enormous", "--device", "cpu",
        )  # fmt: skip
    assert not (tmp_path / "run").exists()
