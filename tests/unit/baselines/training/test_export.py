"""An exported folder is a submission: intake takes it, with the model in it and what the training cost."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from baselines.training.export import MODEL_FILES, export, manifest_text
from harness.errors import ManifestRejected, OutputFailed, UsageError
from harness.intake.manifest import EntryManifest, parse_manifest
from harness.intake.pack import pack, read_manifest

FILES = ("build.sh", "evaluate.py", "predictor.py", "parts/model.py")
MANIFEST = """
user_name = "someone"
email = "someone@example.org"
entry_name = "an entry"
description = "before training"
training_flops = 0
external_data = ["Ego4D: ego4d-data.org", 'a "quoted" \\ source']
causal = true
rules_accepted = true
eligibility_attested = true
"""


@pytest.fixture
def entry(tmp_path) -> Path:
    """A baseline's folder: what runs in the box, what trains it, and what lies about."""
    folder = tmp_path / "baseline"
    (folder / "parts").mkdir(parents=True)
    texts = {
        "build.sh": "#!/bin/sh\ntrue\n",
        "evaluate.py": "#!/usr/bin/env python3\n",
        "predictor.py": "import parts.model\n",
        "parts/model.py": "",
        "learner.py": "import baselines.training\n",
        "model.safetensors": "weights of another run",
        "wmc.toml": MANIFEST,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    for name in ("build.sh", "evaluate.py"):
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A checkpoint with what resuming needs beside the model."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "trainer.json", "optimizer.safetensors"):
        (folder / name).write_text(f"{name} of this run")
    return folder


@pytest.fixture
def run(entry, checkpoint, tmp_path):
    """The export with usual words."""

    def run(**words) -> Path:
        out = words.pop("out", tmp_path / "made" / "here")
        usual = {
            "training_flops": 1.5e19,
            "parameters": 138_000_000,
            "description": "trained",
            "claimed_val_loss": 8.25,
        }
        export(
            words.pop("entry", entry),
            words.pop("files", FILES),
            words.pop("checkpoint", checkpoint),
            out,
            **(usual | words),
        )
        return out

    return run


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_the_entrys_files_the_model_and_the_manifest_and_nothing_else(run, entry, checkpoint):
    """learner.py would not even import in the box; the optimizer's state is twice the model's size."""
    out = run()
    assert names(out) == {*FILES, *MODEL_FILES, "wmc.toml"}
    assert (out / "parts/model.py").read_bytes() == (entry / "parts/model.py").read_bytes()
    for name in MODEL_FILES:
        assert (out / name).read_text() == f"{name} of this run"


def test_intake_takes_an_exported_entry(run, tmp_path):
    packed = pack(run(), tmp_path / "out.zip")
    assert packed.num_files == len(FILES) + len(MODEL_FILES) + 1
    assert (packed.left_out, packed.doubtful) == ((), ())


def test_the_manifest_says_what_training_changed_and_keeps_the_rest(run, entry):
    before, after = read_manifest(entry), read_manifest(run())
    assert (after.training_flops, after.description, after.claimed_val_loss) == (1.5e19, "trained", 8.25)
    assert (before.parameters, after.parameters) == (None, 138_000_000)
    assert (after.user_name, after.email, after.entry_name) == (
        before.user_name,
        before.email,
        before.entry_name,
    )
    assert after.external_data == before.external_data == ("Ego4D: ego4d-data.org", 'a "quoted" \\ source')
    assert after.causal


def test_what_is_not_declared_is_not_mentioned(run):
    """A loss that was not computed; and nobody but who breaks the rules is asked whether he does."""
    out = run(claimed_val_loss=None)
    assert read_manifest(out).claimed_val_loss is None
    text = (out / "wmc.toml").read_text()
    assert "claimed_val_loss" not in text
    assert "forbidden_reference" not in text


@pytest.mark.parametrize("flops", [0.0, 1.0, 959123456789.0, 1e16, 1.2345678901234567e22])
def test_the_flops_are_written_to_the_last_digit(run, flops):
    assert read_manifest(run(training_flops=flops)).training_flops == flops


def test_the_scripts_start_and_the_folder_can_be_read_by_all(run):
    out = run()
    for name in ("build.sh", "evaluate.py"):
        assert (out / name).stat().st_mode & 0o777 == 0o755
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o777 & ~mask


def test_an_empty_folder_is_filled(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert names(run(out=tmp_path / "empty"))


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_exists_is_never_overwritten(run, tmp_path, kind):
    out = tmp_path / "precious"
    thesis = out
    if kind == "folder":
        out.mkdir()
        thesis = out / "thesis.txt"
    thesis.write_text("years of work")
    with pytest.raises(UsageError, match="not an empty folder") as caught:
        run(out=out)
    assert caught.value.code == "usage.folder_not_empty"
    assert thesis.read_text() == "years of work"


@pytest.mark.parametrize("missing", MODEL_FILES)
def test_a_folder_that_is_no_checkpoint_is_named(run, checkpoint, tmp_path, missing):
    (checkpoint / missing).unlink()
    with pytest.raises(UsageError, match=missing) as caught:
        run(out=tmp_path / "out")
    assert caught.value.code == "usage.no_checkpoint"
    assert not (tmp_path / "out").exists()


def test_a_failed_export_leaves_nothing(run, tmp_path):
    """A file that the entry names and does not have, and a description that no manifest takes."""
    place = tmp_path / "place"
    with pytest.raises(OutputFailed, match=r"nowhere\.py"):
        run(out=place / "out", files=(*FILES, "nowhere.py"))
    with pytest.raises(ManifestRejected, match="description"):
        run(out=place / "out", description="x" * 2001)
    assert list(place.iterdir()) == []


def test_an_entry_that_forgets_a_script_is_refused(run):
    with pytest.raises(Exception, match=r"build\.sh is missing"):
        run(files=("evaluate.py",))


def test_any_text_survives_the_manifest():
    """Quotes, backslashes, line breaks, tabs and characters beyond 16 bits: JSON and TOML agree on them."""
    text = 'a "b" \\ c\n\td \N{SNOWMAN} \N{GRINNING FACE} \u00e9 \'\'\' """ # = ['
    manifest = EntryManifest(
        user_name="a-b_C9",
        email="a@b.c",
        entry_name="n \\ \" ' # \N{GRINNING FACE}",
        description=text,
        training_flops=1e30,
        external_data=(text.replace("\n\t", " "), "x"),
        rules_accepted=True,
        eligibility_attested=True,
        claimed_val_loss=8.1,
        causal=True,
        parameters=1.8e6,
        forbidden_reference=True,
    )
    assert parse_manifest(manifest_text(manifest).encode()) == manifest
