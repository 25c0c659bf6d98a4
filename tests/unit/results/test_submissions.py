"""What a submission shares with those of others: files, byte for byte, but for what everybody has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import StoreFailed
from harness.intake.archive import Entry, open_archive
from harness.intake.pack import pack
from harness.intake.template import handed_out
from harness.results.store import Store
from harness.results.submissions import likenesses, remember, submissions

TEMPLATE = Path(__file__).parents[3] / "submissions_template"
WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def entry(tmp_path):
    """Packs and opens the template, sent by this user, with these files added."""

    def make(user: str, **files: bytes) -> Entry:
        folder = tmp_path / f"{user}-folder"
        folder.mkdir()
        for path in TEMPLATE.iterdir():
            if path.is_file():
                (folder / path.name).write_bytes(path.read_bytes())
                (folder / path.name).chmod(path.stat().st_mode)
        manifest = (TEMPLATE / "wmc.toml").read_text()
        manifest = manifest.replace("your-name", user).replace("you@", f"{user}@")
        (folder / "wmc.toml").write_text(manifest)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return open_archive(pack(folder, tmp_path / f"{user}.zip").path, tmp_path / f"{user}-entry")

    return make


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def alike(entry: Entry, store: Store, ours: frozenset[str] | None = None):
    return likenesses(entry, submissions(store), handed_out() if ours is None else ours)


def test_files_of_another_entrant_are_found_under_any_name(entry, store):
    """Control: the comparison by digest."""
    remember(store, entry("ann", weights=WEIGHTS, model=b"a" * 100))
    copier = entry("eve", renamed=WEIGHTS, own=b"b" * 5000)
    (found,) = alike(copier, store)
    assert (found.user_name, [(file.name, file.other_name) for file in found.files]) == (
        "ann", [("renamed", "weights")],
    )  # fmt: skip
    assert 0.6 < found.share < 0.7
    assert alike(entry("bob", weights=WEIGHTS[:-1] + b"x"), store) == (), "one byte makes another file"


def test_ones_own_earlier_submissions_the_template_and_tiny_files_are_nobodys_source(entry, store):
    first = entry("ann", weights=WEIGHTS, empty=b"", tiny=b"pass\n")
    remember(store, first)
    assert alike(first, store) == ()
    other = entry("bob", empty=b"", tiny=b"pass\n")
    assert alike(other, store) == ()
    (unfiltered,) = alike(other, store, frozenset())
    assert {file.name for file in unfiltered.files} >= {"evaluate.py", "predictor.py"}, (
        "twin: the template is shared"
    )


def test_what_several_others_have_is_what_everybody_has(entry, store):
    for user in ("ann", "bob"):
        remember(store, entry(user, library=WEIGHTS))
    late = entry("eve", library=WEIGHTS)
    assert len(alike(late, store)) == 2
    remember(store, entry("dan", library=WEIGHTS))
    assert alike(late, store) == ()


def test_a_list_is_kept_once_and_a_damaged_one_is_named(entry, store):
    first = entry("ann")
    remember(store, first)
    path = store.folder / "submissions" / f"{first.sha256}.json"
    kept = path.read_bytes()
    assert "example.org" not in kept.decode(), "the address stays in the zip"
    remember(store, first)
    assert path.read_bytes() == kept
    path.write_text(json.dumps({"sha256": "x"}))
    with pytest.raises(StoreFailed) as caught:
        submissions(store)
    assert caught.value.code == "store.bad_submission"
    assert str(path) in caught.value.message
