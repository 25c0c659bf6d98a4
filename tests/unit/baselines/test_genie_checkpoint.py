"""Checkpoints come and go unchanged; one that does not fit is refused with the reason."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).parents[2] / "golden" / "genie"


@pytest.fixture
def checkpoint(genie):
    """The module."""
    return genie("checkpoint")


@pytest.fixture
def refused(genie, checkpoint):
    """Loads what must not load; gives the complaint."""

    def complaint(where) -> str:
        with pytest.raises(genie("config").CheckpointError) as caught:
            checkpoint.load(where)
        assert caught.value.fix in str(caught.value)
        return str(caught.value)

    return complaint


@pytest.fixture(params=["plain", "qknorm-mup"])
def folder(request, tmp_path) -> Path:
    """A copy of a golden checkpoint, to be damaged."""
    shutil.copytree(GOLDEN / request.param, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def change(folder: Path, **words) -> None:
    """Other values in config.json; None removes a key."""
    path = folder / "config.json"
    values = json.loads(path.read_text()) | words
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def test_a_round_trip_changes_nothing(torch, checkpoint, folder, tmp_path):
    from safetensors.torch import load_file

    model = checkpoint.load(folder)
    assert not model.training
    checkpoint.save(model, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["config.json", "model.safetensors"]
    assert len({path.stat().st_mode for path in (tmp_path / "copy").iterdir()}) == 1
    assert json.loads((tmp_path / "copy/config.json").read_text()) == json.loads(
        (folder / "config.json").read_text()
    )
    before, after = (load_file(where / "model.safetensors") for where in (folder, tmp_path / "copy"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_saving_replaces_what_was_there(torch, checkpoint, make_genie, folder):
    model = make_genie(seed=7)
    checkpoint.save(model, folder)
    assert torch.equal(checkpoint.load(folder).out_x_proj.weight, model.out_x_proj.weight)


def test_half_precision_is_read_as_float32(torch, checkpoint, folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path)
    assert {p.dtype for p in checkpoint.load(folder).parameters()} == {torch.float32}


def test_a_hub_id_is_downloaded(checkpoint, monkeypatch):
    hub = ModuleType("huggingface_hub")
    hub.errors = ModuleType("huggingface_hub.errors")
    hub.errors.HfHubHTTPError = hub.errors.LocalEntryNotFoundError = OSError
    asked = []

    def hf_hub_download(repo, name, *, revision):
        asked.append((repo, name, revision))
        return str(GOLDEN / "plain" / name)

    hub.hf_hub_download = hf_hub_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", hub.errors)
    assert checkpoint.load("1x-technologies/GENIE_138M", revision="abc").config.num_layers == 3
    assert asked == [
        ("1x-technologies/GENIE_138M", name, "abc") for name in ("config.json", "model.safetensors")
    ]


def test_a_hub_that_does_not_answer_is_named(refused, monkeypatch):
    hub = ModuleType("huggingface_hub")
    hub.errors = ModuleType("huggingface_hub.errors")
    hub.errors.HfHubHTTPError = hub.errors.LocalEntryNotFoundError = OSError

    def hf_hub_download(*_, **__):
        raise OSError("no route to host")

    hub.hf_hub_download = hf_hub_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", hub.errors)
    assert "the Hub did not give it: no route to host" in refused("someone/something")


def test_a_hub_id_without_the_hubs_library_says_what_to_install(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert ".venv/bin/pip install -c constraints.txt -e '.[hub]'" in refused("someone/something")


@pytest.mark.parametrize("where", ["nowhere", "./some/where", Path("some/where")])
def test_a_folder_that_is_not_there(refused, where):
    assert "is no folder" in refused(where)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(refused, folder, name):
    (folder / name).unlink()
    assert f"{name} is missing" in refused(folder)


def test_weights_that_were_cut_short_are_refused(refused, folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "cannot be read" in refused(folder)


def test_weights_of_another_shape(refused, folder):
    change(folder, d_model=64)
    assert "model.safetensors does not fit: " in refused(folder)
    assert "pos_embed_TSC is [1, 16, 16, 32] instead of [1, 16, 16, 64]" in refused(folder)


def test_too_few_weights_and_too_many(refused, folder):
    change(folder, num_layers=4)
    assert "model.safetensors lacks decoder.layers.3" in refused(folder)
    change(folder, num_layers=2)
    assert "has, of no use to this config, decoder.layers.2" in refused(folder)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"num_layers": None, "d_model": None}, "lacks num_layers, d_model"),
        ({"rope_theta": 1.0}, "keys of no Genie known here: rope_theta"),
        ({"num_layers": "three"}, "num_layers is 'three', not a whole number"),
        ({"num_layers": True}, "num_layers is True, not a whole number"),
        ({"qk_norm": 1}, "qk_norm is 1, not true or false"),
        ({"num_heads": 0}, "num_heads is 0, it must be positive"),
        ({"num_heads": 5}, "d_model 32 is no multiple of num_heads 5"),
        ({"S": 20}, "S is 20; a frame is a square"),
        ({"image_vocab_size": 1000}, "a vocabulary of 1000 in 2 factors of 512"),
        ({"num_factored_vocabs": 1}, "in 1 factors of 512"),
        ({"num_prompt_frames": 16}, "num_prompt_frames is 16 of 16 frames, it must be 1 to 15"),
        ({"mlp_ratio": 0.001}, "mlp_ratio is 0.001: of a d_model of 32 it leaves nothing"),
    ],
)
def test_a_config_that_cannot_be_right(refused, folder, words, complaint):
    change(folder, **words)
    found = refused(folder)
    assert complaint in found
    assert str(folder / "config.json") in found


@pytest.mark.parametrize(("text", "complaint"), [("{", "is not JSON"), ("[1]", "holds no table")])
def test_a_config_that_is_none(refused, folder, text, complaint):
    (folder / "config.json").write_text(text)
    assert complaint in refused(folder)


def test_mup_changes_the_scales_only_where_the_width_is_not_the_published_one(genie):
    make = genie("config").GenieConfig
    shape = {"num_layers": 1, "num_heads": 4}
    for width, expected in ((256, 1.0), (512, 0.5), (64, 4.0)):
        config = make(d_model=width, use_mup=True, **shape)
        assert config.readout_scale == expected
        assert config.attention_scale == pytest.approx(8 / (width / 4))
        assert make(d_model=width, **shape).readout_scale == 1
        assert make(d_model=width, **shape).attention_scale == pytest.approx((width / 4) ** -0.5)


def test_a_new_models_weights_shrink_with_the_width_under_mup(torch, genie):
    def std(*, use_mup):
        torch.manual_seed(0)
        config = genie("config").GenieConfig(num_layers=1, num_heads=4, d_model=1024, S=1, use_mup=use_mup)
        model = genie("model").Genie(config)
        return model.decoder.layers[0].mlp.fc1.weight.std().item(), model.out_x_proj.weight.std().item()

    assert std(use_mup=False) == pytest.approx((0.02, 0.02), rel=0.02)
    assert std(use_mup=True) == pytest.approx((0.01, 0.02), rel=0.02)
