"""A checkpoint comes back unchanged; one that cannot be used is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.torch


@pytest.fixture
def checkpoint(causal_lm):
    """checkpoint.py."""
    return causal_lm("checkpoint")


@pytest.fixture
def folder(checkpoint, make_causal_lm, tmp_path) -> Path:
    """A checkpoint, to be damaged."""
    checkpoint.save(make_causal_lm(), tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.fixture
def refused(causal_lm, checkpoint):
    """Loads what must not load; gives the complaint."""

    def complaint(folder: Path) -> str:
        with pytest.raises(causal_lm("config").CheckpointError) as caught:
            checkpoint.load(folder)
        assert caught.value.fix in str(caught.value)
        return str(caught.value)

    return complaint


def test_a_round_trip_changes_nothing(torch, checkpoint, make_causal_lm, folder):
    model, loaded = make_causal_lm(), checkpoint.load(folder)
    assert not loaded.training
    assert loaded.config == model.config
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    before, after = model.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_saving_replaces_what_was_there(torch, checkpoint, make_causal_lm, folder):
    model = make_causal_lm(seed=7)
    checkpoint.save(model, folder)
    assert torch.equal(checkpoint.load(folder).heads.weight, model.heads.weight)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(refused, folder, name):
    (folder / name).unlink()
    assert f"{name} is missing" in refused(folder)


def test_weights_that_were_cut_short_are_refused(refused, folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "cannot be read" in refused(folder)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"num_layers": 3}, "model.safetensors lacks blocks.2"),
        ({"num_layers": 1}, "has, of no use to this config, blocks.1"),
        ({"d_model": 32}, "does not fit: context.factors.weight is [49, 16] instead of [49, 32]"),
    ],
)
def test_weights_of_another_shape(refused, make_causal_lm, folder, words, complaint):
    (folder / "config.json").write_text(make_causal_lm(**words).config.to_json())
    assert complaint in refused(folder)


@pytest.mark.parametrize(("text", "complaint"), [("{", "is not JSON"), ("[1]", "holds no table")])
def test_a_config_that_is_none(refused, folder, text, complaint):
    (folder / "config.json").write_text(text)
    assert complaint in refused(folder)
