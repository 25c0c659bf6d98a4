"""Held-out pictures never reach the site unless the organiser names their split; what is published is intact."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import leaderboard as command
from harness.cli.console import Console
from harness.disk.whole_file import whole_file
from harness.errors import StoreFailed
from harness.protocol.regimes import Regime
from harness.results.regime_report import Strip
from harness.results.report import GradeReport
from harness.results.store import Store
from leaderboard.disclosure import Disclosure, disclose
from leaderboard.publish import publish
from leaderboard.samples import Gallery, copy_samples, open_gallery

AR, TTF = Regime.FULLY_AUTOREGRESSIVE, Regime.TEMPORALLY_TEACHER_FORCED


def picture_of(split: str, regime: Regime) -> bytes:
    """Stands for an image; a canary to search for."""
    return f"RIFF canary of {split} {regime.value}".encode()


def digest_of(split: str) -> str:
    return hashlib.sha256(split.encode()).hexdigest()


@pytest.fixture
def with_strips(grades: Any, tmp_path: Path) -> Callable[..., GradeReport]:
    """A grade on this split, in a folder of its name or of another; strips are in the store and the record."""
    store = Store(tmp_path / "store")

    def make(split: str, *, name: str | None = None, **options: Any) -> GradeReport:
        data = {"data_name": name or split, "data_sha256": digest_of(split)}
        report: GradeReport = grades.graded(provenance=data, **options)
        regimes = dict(report.regimes)
        for regime, result in report.regimes.items():
            if result:
                name, content = f"{regime.value}.window5.webp", picture_of(split, regime)
                file, sha256 = store.save_artifact(report.grade_id, name, content)
                strip = Strip(window=5, first_raw_frame=75, file=file, sha256=sha256, width=1602, height=253)
                regimes[regime] = replace(result, strips=(strip,))
        report = replace(report, regimes=regimes)
        store.append(report)
        return report

    return make


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def run(*options: str) -> Any:
        parser = argparse.ArgumentParser()
        command.register(parser.add_subparsers())
        where = ["leaderboard", "--store", str(tmp_path / "store"), "-o", str(tmp_path / "site")]
        args = parser.parse_args([*where, *options])
        args.run(args, Console())
        return capsys.readouterr()

    return run


def shows(site: Path, split: str) -> bool:
    """Whether any file below the site holds a picture of the split, or is named as one."""
    contents = [picture_of(split, regime) for regime in (AR, TTF)]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    files = [path for path in site.rglob("*") if path.is_file()]
    return any(
        content in path.read_bytes() or digest in path.name
        for path in files
        for content, digest in zip(contents, digests, strict=True)
    )


@pytest.mark.parametrize(
    "split", ["heldout", "test_v1.1", "val_private", "train", "VAL", "val\u200b", "../val"]
)
def test_held_out_pictures_are_not_published(
    with_strips: Callable[..., GradeReport], run: Callable[..., Any], tmp_path: Path, split: str
) -> None:
    """Control: only a split's exact name, public or named by the organiser, lets its pictures out."""
    with_strips("val")
    with_strips(split)
    run()
    assert shows(tmp_path / "site", "val")
    assert not shows(tmp_path / "site", split)


def test_without_the_control_they_would_be(
    with_strips: Callable[..., GradeReport], run: Callable[..., Any], tmp_path: Path, monkeypatch: Any
) -> None:
    with_strips("heldout")
    monkeypatch.setattr(Disclosure, "covers", lambda self, report: True)
    run()
    assert shows(tmp_path / "site", "heldout")


HELD_OUT = f"heldout@{digest_of('heldout')[:12]}"


@pytest.mark.parametrize(
    ("options", "published"),
    [
        ([], {"val", "val_v1.1"}),
        (["--publish-samples", "heldout"], set()),
        (["--publish-samples", HELD_OUT], {"heldout"}),
        (["--publish-samples", HELD_OUT, "val"], {"heldout", "val"}),
        (["--publish-samples"], set()),
    ],
)
def test_the_organiser_names_all_that_is_published(
    with_strips: Callable[..., GradeReport],
    run: Callable[..., Any],
    tmp_path: Path,
    options: list[str],
    published: set[str],
) -> None:
    splits = ("val", "val_v1.1", "heldout")
    for split in splits:
        with_strips(split)
    told = run(*options).err.replace("\n", " ")
    assert {split for split in splits if shows(tmp_path / "site", split)} == published
    for split in splits:
        data = f"pictures and maps of {split} (sha256 {digest_of(split)[:12]})"
        assert (f"{data} stay in the store" in told) == (split not in published)
        assert (f"{data} are public" in told) == (split in published)


def test_a_copy_of_held_out_data_called_val_is_not_published(
    with_strips: Callable[..., GradeReport], run: Callable[..., Any], tmp_path: Path
) -> None:
    """Whoever gives the folder its name: once it stands for two data sets, the digest says which is meant."""
    with_strips("val")
    with_strips("heldout", name="val", entry="second")
    told = run().err.replace("\n", " ")
    assert "val stands for 2 different data sets" in told
    assert digest_of("val")[:12] in told
    assert not shows(tmp_path / "site", "val")
    assert not shows(tmp_path / "site", "heldout")
    told = run("--publish-samples", f"val@{digest_of('val')[:12]}").err.replace("\n", " ")
    assert "stands for" not in told
    assert shows(tmp_path / "site", "val")
    assert not shows(tmp_path / "site", "heldout")


def test_what_is_not_published_any_more_is_taken_down(
    with_strips: Callable[..., GradeReport], run: Callable[..., Any], tmp_path: Path
) -> None:
    with_strips("heldout")
    run("--publish-samples", HELD_OUT)
    assert shows(tmp_path / "site", "heldout")
    folder = tmp_path / "site" / "samples"
    (folder / "mine.webp").write_bytes(b"the organiser's own")
    shown = next(path for path in folder.iterdir() if path.name != "mine.webp")
    with whole_file(folder / shown.name) as file:
        file.write(shown.read_bytes())
    Path(file.name).write_bytes(shown.read_bytes())  # as a killed process leaves it
    run()
    assert not shows(tmp_path / "site", "heldout")
    assert [path.name for path in folder.iterdir()] == ["mine.webp"]


def test_a_split_that_nothing_was_graded_on_is_mentioned(
    with_strips: Callable[..., GradeReport], run: Callable[..., Any]
) -> None:
    with_strips("heldout")
    assert "no grade is of a split held-out" in run("--publish-samples", "held-out").err.replace("\n", " ")
    assert "no grade is of" not in run().err


def test_a_gallery_says_all_that_a_page_needs(
    with_strips: Callable[..., GradeReport], tmp_path: Path
) -> None:
    report = with_strips("val")
    reports = Store(tmp_path / "store").reports()
    gallery = open_gallery(reports, tmp_path / "store", disclose(reports))
    shown = {sample.regime: sample for sample in gallery.samples[report.grade_id]}
    assert set(shown) == {AR, TTF}
    sample = shown[AR]
    assert (sample.window, sample.width, sample.height) == (5, 1602, 253)
    assert sample.alt == (
        "Window 5, fully autoregressive: 8 given frames, then 8 frames as they happened (above) and as predicted "
        "(below), half a second apart"
    )
    assert "1 given frame, then 15 frames" in shown[TTF].alt
    publish([report], tmp_path / "site", gallery)
    assert (tmp_path / "site" / sample.path).read_bytes() == picture_of("val", AR)


def test_only_grades_that_stand_on_the_page_have_pictures_there(
    with_strips: Callable[..., GradeReport], grades: Any, tmp_path: Path
) -> None:
    earlier = with_strips("val")
    later = replace(
        grades.graded(provenance={"data_name": "val", "data_sha256": earlier.provenance.data_sha256})
    )
    both = [earlier, later]
    publish(both, tmp_path / "site", open_gallery(both, tmp_path / "store", disclose(both)))
    assert not shows(tmp_path / "site", "val")


@pytest.mark.parametrize("harm", ["removed", "changed"])
def test_a_picture_that_is_not_the_recorded_one_is_left_out_and_mentioned(
    with_strips: Callable[..., GradeReport], run: Callable[..., Any], tmp_path: Path, harm: str
) -> None:
    report = with_strips("val")
    path = tmp_path / "store" / "grades" / report.grade_id / f"{AR.value}.window5.webp"
    if harm == "removed":
        path.unlink()
    else:
        path.write_bytes(picture_of("heldout", AR))
    told = run()
    assert "1 picture(s) left out" in told.err
    assert not shows(tmp_path / "site", "heldout")
    assert [path.read_bytes() for path in (tmp_path / "site" / "samples").iterdir()] == [
        picture_of("val", TTF)
    ]


@pytest.mark.parametrize(
    "place", ["../private.webp", "/private.webp", "link.webp", "private.json", "a\0b.webp"]
)
def test_a_record_publishes_no_other_file_of_this_host(
    with_strips: Callable[..., GradeReport], tmp_path: Path, place: str
) -> None:
    report, store, content = with_strips("val"), tmp_path / "store", b"the organiser's own"
    (tmp_path / "private.webp").write_bytes(content)
    (store / "private.json").write_bytes(content)
    (store / "link.webp").symlink_to(tmp_path / "private.webp")
    file = f"{tmp_path}{place}" if place.startswith("/") else place
    strip = Strip(
        window=5, first_raw_frame=75, file=file, sha256=hashlib.sha256(content).hexdigest(), width=2, height=2
    )
    shown = replace(report.regimes[AR], strips=(strip,))  # type: ignore[type-var]
    report = replace(report, regimes={AR: shown})
    gallery = open_gallery([report], store, disclose([report]))
    assert (gallery.samples, gallery.lost) == ({}, (file,))


def test_a_picture_that_changes_while_the_site_is_written_is_not_copied(
    with_strips: Callable[..., GradeReport], tmp_path: Path
) -> None:
    report = with_strips("val")
    gallery = open_gallery([report], tmp_path / "store", disclose([report]))
    for sample in gallery.samples[report.grade_id]:
        sample.source.write_bytes(picture_of("heldout", AR))
    (tmp_path / "site").mkdir()
    with pytest.raises(StoreFailed) as caught:
        copy_samples(gallery.samples[report.grade_id], tmp_path / "site")
    assert caught.value.code == "store.picture_changed"
    assert not shows(tmp_path / "site", "heldout")


def test_without_a_gallery_nothing_is_published(
    with_strips: Callable[..., GradeReport], tmp_path: Path
) -> None:
    publish([with_strips("val")], tmp_path / "site")
    assert not shows(tmp_path / "site", "val")
    assert Gallery().samples == {}
