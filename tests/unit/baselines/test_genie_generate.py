"""What a Genie generates: which windows, from which frames, by which dice, and where it goes."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.data.clips import ACTION_WIDTHS, clip_sha256, open_clip, write_clip
from harness.data.generated import open_generated
from harness.data.truth import ClipTruth
from harness.errors import CheckpointInvalid, DataInvalid, OutputFailed, UsageError
from harness.progress import Silent

pytestmark = pytest.mark.torch

WINDOWS = 12
"""Disjoint ones in the clip: four in its first segment, eight in its second."""


@pytest.fixture
def modules(genie):
    """What generates: (generate, continuation)."""
    return genie("generate"), genie("continuation")


@pytest.fixture
def checkpoint(genie, make_genie, tmp_path) -> Path:
    """A small Genie of the challenge's frames, on disk."""
    genie("checkpoint").save(make_genie(S=256, num_layers=1), tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.fixture
def generate(modules, checkpoint, clip, tmp_path):
    """Generates from the clip; words are settings, or `name`, `data`, `where` and `device`."""
    module, continuation = modules

    def run(*examples: int, name: str = "out", data: Path = clip, where=checkpoint, device="cpu", **words):
        settings = continuation.Settings(examples=examples, **words)
        out = tmp_path / name
        return module.generate(str(where), data, out, settings, device=device, progress=Silent()), out

    return run


@pytest.fixture
def continued(torch, modules, make_genie):
    """The windows of a small Genie whose frames are 4x4, continued; words are settings."""
    model = make_genie()
    with torch.no_grad():
        for embedding in model.token_embed.factored_embeds:
            embedding.weight.mul_(10)  # so that what it predicts depends on what it sees

    def run(truth_BTHW, **words):
        words = {"examples": tuple(range(len(truth_BTHW)))} | words
        untold_BTSA = np.zeros((*truth_BTHW.shape[:2], 15, 0), np.float32)
        settings = modules[1].Settings(**words)
        return modules[1].continued(model, truth_BTHW, untold_BTSA, settings, progress=Silent())

    return run


def random_windows(batch: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(2**18, size=(batch, 16, 4, 4), dtype=np.uint32)


@pytest.mark.parametrize("teacher_forced", [False, True])
@pytest.mark.parametrize("temperature", [0, 1])
def test_the_prompt_is_true_and_the_rest_is_predicted(continued, teacher_forced, temperature):
    truth_BTHW = random_windows(3)
    how = {"prompt_frames": 5, "teacher_forced": teacher_forced, "temperature": temperature}
    tokens_BTHW = continued(truth_BTHW, **how)
    assert tokens_BTHW.dtype == np.uint32
    assert tokens_BTHW.max() < 2**18
    np.testing.assert_array_equal(tokens_BTHW[:, :5], truth_BTHW[:, :5])
    assert (tokens_BTHW[:, 5:] != truth_BTHW[:, 5:]).mean(axis=(0, 2, 3)).min() > 0.9  # each frame of them
    assert len(np.unique(tokens_BTHW[:, 5:])) > 100


def test_predictions_see_the_truth_up_to_the_prompt_only(continued):
    truth_BTHW = random_windows(2)
    other_BTHW = truth_BTHW.copy()
    other_BTHW[:, 8:] = random_windows(2, seed=1)[:, 8:]
    np.testing.assert_array_equal(continued(truth_BTHW)[:, 8:], continued(other_BTHW)[:, 8:])
    other_BTHW[:, 7] = random_windows(2, seed=1)[:, 7]
    assert (continued(truth_BTHW) != continued(other_BTHW))[:, 8:].any(axis=(2, 3)).all()


def test_teacher_forced_each_frame_sees_the_truth_before_it(continued):
    truth_BTHW = random_windows(2)
    other_BTHW = truth_BTHW.copy()
    other_BTHW[:, 11:] = random_windows(2, seed=1)[:, 11:]
    first, second = (
        continued(windows_BTHW, teacher_forced=True) for windows_BTHW in (truth_BTHW, other_BTHW)
    )
    np.testing.assert_array_equal(first[:, 8:12], second[:, 8:12])
    assert (first[:, 12:] != second[:, 12:]).any(axis=(2, 3)).all()


@pytest.mark.parametrize("teacher_forced", [False, True])
@pytest.mark.parametrize("temperature", [0, 0.7])
def test_a_window_is_the_same_whatever_is_generated_with_it(continued, teacher_forced, temperature):
    truth_BTHW = random_windows(7)  # more than one batch
    how = {"teacher_forced": teacher_forced, "temperature": temperature, "seed": 3}
    together_BTHW = continued(truth_BTHW, **how)
    for order in ([6, 2, 0], [4]):
        np.testing.assert_array_equal(
            continued(truth_BTHW[order], examples=tuple(order), **how), together_BTHW[order]
        )


def test_the_seed_decides_the_draws_and_every_window_has_its_own(continued):
    truth_BTHW = np.repeat(random_windows(1), 2, axis=0)  # twice the same
    first, again, other = (continued(truth_BTHW, temperature=1.0, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first[:, 8:] != other[:, 8:]).mean() > 0.5
    assert (first[0, 8:] != first[1, 8:]).mean() > 0.5


def test_a_low_temperature_draws_the_likeliest(continued, modules):
    truth_BTHW = random_windows(2)
    cold_BTHW = continued(truth_BTHW, temperature=modules[1].LEAST_TEMPERATURE)
    np.testing.assert_array_equal(cold_BTHW, continued(truth_BTHW))


def test_the_order_of_settling_is_random_by_the_seed_or_by_confidence(continued):
    truth_BTHW = random_windows(2)
    ways = [continued(truth_BTHW, seed=1), continued(truth_BTHW, seed=2)]
    ways += [continued(truth_BTHW, by_confidence=True, seed=seed) for seed in (1, 2)]
    np.testing.assert_array_equal(ways[2], ways[3])
    assert (ways[0] != ways[1]).any()
    assert (ways[0] != ways[2]).any()


@pytest.fixture
def told(torch, genie, make_genie, make_clip, tmp_path) -> tuple[Path, Path]:
    """A checkpoint whose predictions depend on the actions it is told, and a clip that has them."""
    model = make_genie(S=256, num_layers=1, action_width=sum(ACTION_WIDTHS.values()))
    genie("checkpoint").save(model, tmp_path / "told")
    return tmp_path / "told", make_clip()


@pytest.mark.parametrize("teacher_forced", [False, True])
def test_told_actions_it_predicts_what_the_grader_would_see(generate, genie, told, teacher_forced):
    """The grader shows zeros once an entry goes on with its own predictions."""
    where, data = told
    words = {"teacher_forced": teacher_forced, "prompt_frames": 13, "seed": genie("predictor").SEED}
    found, _ = generate(2, 0, data=data, where=where, **words)
    truth = ClipTruth(clip=open_clip(data), starts=np.arange(4) * 226)
    predictor, windows_B = genie("predictor").Predictor(where, device="cpu"), np.array([2, 0])
    predictor.reset(2)
    for t in range(16):
        shown_BHW, actions_BSA = truth.tokens_at(windows_B, t), truth.actions_until(windows_B, t)
        if t >= 13:
            _, predicted_BHW = predictor.predict()
            np.testing.assert_array_equal(found.tokens_BTHW[:, t], predicted_BHW)
            if not teacher_forced:
                shown_BHW, actions_BSA = predicted_BHW, np.zeros_like(actions_BSA)
        predictor.observe(shown_BHW, actions_BSA)


def test_other_actions_mean_other_predictions(generate, told, tmp_path):
    where, data = told
    blind = open_clip(data)
    write_clip(
        tmp_path / "other",
        tokens_NHW=blind.tokens_NHW,
        segment_ids_N=blind.segment_ids_N,
        actions={name: -values for name, values in blind.actions.items()},
        tokenizer_ckpt="",
    )
    one, other = (
        generate(0, data=clip, where=where, name=clip.name + "-out", prompt_frames=15)[0].tokens_BTHW
        for clip in (data, tmp_path / "other")
    )
    assert (one != other).any()


def test_a_clip_without_the_actions_it_is_told_is_refused(generate, told, tmp_path):
    with pytest.raises(UsageError, match=r"is told 28 columns of actions; .* has 0") as caught:
        generate(0, where=told[0])
    assert caught.value.code == "usage.actions"
    assert not (tmp_path / "out").exists()


def test_memory_bounds_how_many_windows_go_at_once(torch, genie):
    """138M's frames, clean and guessed, take a GiB of keys and values a window."""
    shapes = [
        genie("config").GenieConfig(num_layers=32, num_heads=8, d_model=width)
        for width in (64, 512, 1024, 2048)
    ]
    fit = genie("cache").windows_that_fit
    assert [fit(shape, capacity=32, device=torch.device("cpu")) for shape in shapes] == [4, 2, 1, 1]
    half = {"capacity": 32, "device": torch.device("cpu"), "dtype": torch.bfloat16}
    assert fit(shapes[2], **half) == 2


def test_what_is_written_is_the_windows_asked_for(generate, clip):
    generated, out = generate(11, 0, 4, prompt_frames=3)
    tokens_NHW = np.fromfile(clip / "video.bin", "<u4").reshape(-1, 16, 16)
    starts = [1000 + 7 * 226, 0, 1000]
    truth_BTHW = np.stack([tokens_NHW[start : start + 226 : 15] for start in starts])
    found = open_generated(out)
    np.testing.assert_array_equal(found.truth_BTHW, truth_BTHW)
    np.testing.assert_array_equal(found.tokens_BTHW[:, :3], truth_BTHW[:, :3])
    np.testing.assert_array_equal(found.tokens_BTHW, generated.tokens_BTHW)
    assert found.prompt_frames == 3
    assert found.accuracy_B.tolist() == generated.accuracy_B.tolist()


def test_the_settings_are_written_and_give_the_same_tokens_again(generate, modules, checkpoint, clip):
    first, out = generate(2, 5, maskgit_steps=3, temperature=0.5, by_confidence=True, seed=9, prompt_frames=4)
    settings = json.loads((out / "metadata.json").read_text())["generation"]
    assert len(settings.pop("weights_sha256")) == 64
    about_the_run = {
        "checkpoint": str(checkpoint),
        "data": str(clip),
        "data_sha256": clip_sha256(open_clip(clip)),
        "device": "cpu",
    }
    assert {key: settings.pop(key) for key in about_the_run} == about_the_run
    assert settings == {
        "examples": [2, 5],
        "prompt_frames": 4,
        "maskgit_steps": 3,
        "temperature": 0.5,
        "teacher_forced": False,
        "by_confidence": True,
        "seed": 9,
    }
    again, _ = generate(*settings.pop("examples"), name="again", **settings)
    np.testing.assert_array_equal(first.tokens_BTHW, again.tokens_BTHW)


def test_other_weights_have_another_digest(generate, genie, make_genie, tmp_path):
    genie("checkpoint").save(make_genie(S=256, num_layers=1, seed=1), tmp_path / "other")
    digests = {
        generate(0, name=name, where=where)[0].settings["weights_sha256"]
        for name, where in (("a", tmp_path / "checkpoint"), ("b", tmp_path / "other"))
    }
    assert len(digests) == 2


def test_a_codec_beside_the_clip_is_found_from_the_new_folder(generate, tmp_path):
    tokens_NHW = np.zeros((226, 16, 16), np.uint32)
    for name, codec, expected in (
        ("near", "../codec.npz", str(tmp_path / "codec.npz")),
        ("beside", "data/codec.npz", str(tmp_path / "codec.npz")),  # as 1X names it, from above `data`
        ("far", "data/magvit2.ckpt", "data/magvit2.ckpt"),
        ("none", "", ""),
    ):
        (tmp_path / "codec.npz").touch()
        write_clip(
            tmp_path / name,
            tokens_NHW=tokens_NHW,
            segment_ids_N=np.zeros(226, np.int32),
            actions={},
            tokenizer_ckpt=codec,
        )
        _, out = generate(0, name=f"from-{name}", data=tmp_path / name)
        assert open_generated(out).tokenizer_ckpt == expected


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"examples": ()}, "usage.example"),
        ({"examples": (1, 0, 1)}, "usage.example"),
        ({"prompt_frames": 0}, "usage.prompt_frames"),
        ({"prompt_frames": 16}, "usage.prompt_frames"),
        ({"maskgit_steps": 0}, "usage.maskgit_steps"),
        ({"maskgit_steps": 257}, "usage.maskgit_steps"),
        ({"temperature": -0.1}, "usage.temperature"),
        ({"temperature": 1e-5}, "usage.temperature"),
        ({"temperature": math.nan}, "usage.temperature"),
        ({"temperature": math.inf}, "usage.temperature"),
        ({"seed": -1}, "usage.seed"),
        ({"seed": 2**63}, "usage.seed"),
    ],
)
def test_settings_that_make_no_sense_are_refused(modules, words, code):
    with pytest.raises(UsageError) as caught:
        modules[1].Settings(**{"examples": (0,)} | words)
    assert caught.value.code == code


def test_settings_at_their_limits_are_taken(modules):
    modules[1].Settings(examples=(0,), prompt_frames=1, maskgit_steps=1, seed=2**63 - 1)
    modules[1].Settings(examples=(0,), prompt_frames=15, maskgit_steps=256, temperature=1e-4)


@pytest.mark.parametrize("example", [WINDOWS, -1])
def test_an_example_that_is_not_there_is_told_the_range(generate, example, tmp_path):
    with pytest.raises(UsageError, match=f"no example {example}: .* has 12 windows") as caught:
        generate(0, example)
    assert caught.value.fix == "use --example 0 to 11"
    assert not (tmp_path / "out").exists()


def test_a_clip_without_a_window_is_told(generate, make_clip):
    with pytest.raises(DataInvalid, match="no segment of at least 226") as caught:
        generate(0, data=make_clip((225, 100)))
    assert caught.value.code == "data.no_window"


def test_a_folder_that_is_there_is_left_alone(generate, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(UsageError, match="out is there already") as caught:
        generate(0)
    assert caught.value.code == "usage.output_exists"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_made_is_told(generate, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputFailed, match="cannot be written"):
        generate(0, name="file/out")


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ({"S": 64}, "frames of 64 tokens"),
        ({"S": 256, "factored_vocab_size": 32, "image_vocab_size": 1024}, "out of 1024"),
        ({"S": 256, "T": 8, "num_prompt_frames": 4}, "windows of 8 frames"),
    ],
)
def test_a_checkpoint_of_other_frames_is_refused(generate, genie, make_genie, tmp_path, shape, complaint):
    genie("checkpoint").save(make_genie(**shape), tmp_path / "other")
    with pytest.raises(CheckpointInvalid, match=complaint) as caught:
        generate(0, where=tmp_path / "other")
    assert caught.value.fix


def test_a_checkpoint_that_is_not_there_is_told(generate, tmp_path):
    with pytest.raises(CheckpointInvalid, match="nowhere is no folder"):
        generate(0, where=tmp_path / "nowhere")


def test_before_the_hub_is_asked_it_says_so(generate, checkpoint, monkeypatch):
    notes: list[str] = []
    monkeypatch.setattr(Silent, "note", lambda _, text: notes.append(text))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # as if it were not installed
    with pytest.raises(CheckpointInvalid, match="some/thing is no folder"):
        generate(0, where="some/thing")
    assert notes == ["there is no folder some/thing here; the Hub is asked for it"]
    notes.clear()
    generate(0, where=checkpoint)
    assert notes == []


def test_of_a_training_run_its_best_is_to_be_named(generate, checkpoint, tmp_path):
    (tmp_path / "run").mkdir()
    checkpoint.rename(tmp_path / "run" / "best")
    with pytest.raises(UsageError, match="is the folder of a training run") as caught:
        generate(0, where=tmp_path / "run")
    assert caught.value.fix.endswith("run/best")


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "meta"])
def test_a_device_that_cannot_be_used_is_told(generate, device):
    with pytest.raises(UsageError) as caught:
        generate(0, device=device)
    assert caught.value.code == "usage.device"
