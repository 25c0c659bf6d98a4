"""Clips, and what turns their tokens into pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.codec.choose import open_codec
from harness.data.clips import clip_sha256, open_clip
from harness.data.published import lpips_folder
from harness.doctor.check import Check, Health, broken, told, warned, well
from harness.errors import StoreFailed, WmcError
from harness.progress import Progress
from harness.results.store import Store
from harness.scoring.perceptual import CANNOT_LOOK, why
from harness.scoring.perceptual_lpips import Lpips


def data_checks(
    data: Sequence[Path], train: Path | None, store: Store, *, progress: Progress
) -> Iterator[Check]:
    """Every clip, its digest beside those on record, and the codec of each."""
    for folder in data:
        yield clip_check(f"data {folder}", folder, store, progress=progress)
        yield codec_check(folder)
    if train is not None:
        yield clip_check(f"training data {train}", train, store, progress=progress)
    yield lpips_check(lpips_folder())


def clip_check(what: str, folder: Path, store: Store, *, progress: Progress) -> Check:
    """Whether a clip is whole, and the one that earlier grades on a folder of this name saw."""
    try:
        with progress.step(f"checking {folder}"):
            digest = clip_sha256(open_clip(folder))
    except WmcError as error:
        return told(what, error)
    name = folder.resolve().name
    known = _digests_on_record(store, name)
    if not known:
        return well(what, f"sha256 {digest}; no grade on data called {name} is in {store.folder}")
    if digest in known:
        return well(what, f"sha256 {digest}, as in {known.count(digest)} of {len(known)} grades on {name}")
    return broken(
        what,
        f"sha256 {digest}, but {len(known)} grades on data called {name} saw {known[-1]}",
        "restore the clip from a copy, or give other data another folder's name: grades of both do not compare",
    )


def codec_check(folder: Path) -> Check:
    """Whether the clip's tokens can be decoded here."""
    what = f"codec of {folder}"
    try:
        codec = open_codec(folder)
    except WmcError as error:
        return told(what, error, health=Health.WARNING)
    except CANNOT_LOOK as error:
        return warned(what, why(error), "look at the file, or name another with --codec when you grade")
    return well(what, f"{codec.name}, sha256 {codec.digest}")


def lpips_check(folder: Path) -> Check:
    """Whether LPIPS can be measured here."""
    try:
        lpips = Lpips.load(folder, device="cpu")
    except WmcError as error:
        return told("LPIPS", error, health=Health.WARNING)
    except CANNOT_LOOK as error:
        return warned("LPIPS", why(error), "wmc data pull --lpips")
    return well("LPIPS", f"its weights at {folder}, sha256 {lpips.sha256}")


def _digests_on_record(store: Store, name: str) -> list[str]:
    """The digest of each grade's clip of this name, oldest first."""
    try:
        reports = store.reports()
    except StoreFailed:
        return []  # the store's own check says why
    facts = [report.provenance for report in reports if report.provenance.data_name == name]
    return [each.data_sha256 for each in facts if each.data_sha256]
