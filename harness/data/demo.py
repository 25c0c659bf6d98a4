"""A folder of demo data: `train`, `val`, `heldout` and the codec that their tokens were made with."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import ACTION_WIDTHS, write_clip
from harness.data.demo_filming import Footage, FrameCodec, Route, film, record
from harness.data.demo_plan import HOME, DemoPlan, RoundsPlan
from harness.data.demo_robot import open_robot
from harness.errors import DependencyMissing, UsageError
from harness.progress import Progress
from harness.workers import pool_of

CODEC_FILE = "codec.npz"
SPLITS = ("train", "val", "heldout")

T = TypeVar("T")
Crew = Callable[..., Iterable[Any]]
"""Like `map`: a function and its arguments, results in order."""


@dataclass(frozen=True, kw_only=True)
class SplitSummary:
    """What became of a split: its size, and how well its images survive the codec."""

    frames: int
    segments: int
    psnr_db: float


def make_demo(
    folder: Path,
    *,
    plan: DemoPlan,
    fit_codec: Callable[[NDArray[np.uint8]], FrameCodec],
    workers: int,
    progress: Progress,
    force: bool = False,
) -> dict[str, SplitSummary]:
    """Write `folder`/{train,val,heldout,codec.npz} and say what is in them; all of it appears at the end.

    The same plan gives the same bytes with any number of workers. With `force` older demo data is replaced.
    Raises: UsageError, DependencyMissing.
    """
    _refuse_to_overwrite(folder, force=force)
    rounds = plan.rounds()
    if workers < 1:
        raise UsageError(
            f"{workers} workers cannot render", code="usage.workers", fix="use --workers 1 or more"
        )
    with open_robot(HOME):
        pass  # what keeps ViZDoom from starting is said here, before any work is done
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as scratch, _crew(workers) as crew:
        made = Path(scratch) / "new"
        made.mkdir()
        routes, views_BYXC = _record(rounds, plan, crew, progress)
        with progress.step("Fitting the codec"):
            codec = fit_codec(views_BYXC)
        codec.save(made / CODEC_FILE)
        del views_BYXC  # the largest thing held; filming needs the room
        footage = _film(routes, rounds, plan, codec, crew, progress)
        summary = {split: _write_split(made / split, _of_split(footage, split)) for split in SPLITS}
        _publish(made, folder, discarded=Path(scratch) / "old")
    return summary


def _record(
    rounds: Sequence[RoundsPlan], plan: DemoPlan, crew: Crew, progress: Progress
) -> tuple[list[Route], NDArray[np.uint8]]:
    """Every route, and what the training routes' first drives see: uint8 [B,256,256,3]."""
    recorder = partial(record, deviations=plan.deviations)
    with progress.step("Recording routes", total=len(rounds)) as advance:
        recorded = list(_counted(crew(recorder, rounds), advance))
    views_BYXC = np.concatenate([views for _, views in recorded if len(views)])
    return [route for route, _ in recorded], views_BYXC


def _film(
    routes: Sequence[Route],
    rounds: Sequence[RoundsPlan],
    plan: DemoPlan,
    codec: FrameCodec,
    crew: Crew,
    progress: Progress,
) -> list[Footage]:
    """A segment for each drive of each route."""
    cameraman = partial(film, deviations=plan.deviations, codec=codec)
    total = sum(drive.frames for planned in rounds for drive in planned.drives)
    footage: list[Footage] = []
    with progress.step("Filming drives", total=total) as advance:
        for segments in crew(cameraman, routes, [planned.drives for planned in rounds]):
            footage += segments
            advance(sum(len(segment.tokens_NHW) for segment in segments))
    return footage


def _refuse_to_overwrite(folder: Path, *, force: bool) -> None:
    taken = [name for name in (*SPLITS, CODEC_FILE) if (folder / name).exists()]
    if taken and not force:
        raise UsageError(
            f"{folder} already holds {', '.join(taken)}",
            code="usage.demo_exists",
            fix="choose another folder, or replace them with --force",
        )


def _of_split(footage: Sequence[Footage], split: str) -> list[Footage]:
    return [segment for segment in footage if segment.split == split]


def _write_split(folder: Path, footage: Sequence[Footage]) -> SplitSummary:
    lengths = [len(segment.tokens_NHW) for segment in footage]
    frames = sum(lengths)
    actions = {name: np.zeros((frames, width), np.float32) for name, width in ACTION_WIDTHS.items()}
    actions["driving_command"] = np.concatenate([segment.driving_command_NA for segment in footage])
    write_clip(
        folder,
        tokens_NHW=np.concatenate([segment.tokens_NHW for segment in footage]),
        segment_ids_N=np.repeat(np.arange(len(footage), dtype=np.int32), lengths),
        actions=actions,
        tokenizer_ckpt=f"../{CODEC_FILE}",
    )
    squared_error = np.average([segment.squared_error for segment in footage], weights=lengths)
    return SplitSummary(
        frames=frames, segments=len(footage), psnr_db=10 * math.log10(255**2 / float(squared_error))
    )


def _publish(made: Path, folder: Path, *, discarded: Path) -> None:
    """Move everything that was made into place, and what was there before out of it."""
    discarded.mkdir()
    for name in (*SPLITS, CODEC_FILE):
        if (folder / name).exists():
            os.replace(folder / name, discarded / name)
        os.replace(made / name, folder / name)


def _counted(results: Iterable[T], advance: Callable[[], None]) -> Iterator[T]:
    for result in results:
        advance()
        yield result


@contextmanager
def _crew(workers: int) -> Iterator[Crew]:
    """A `map` over this many processes, in order; with one worker it is this process."""
    if workers == 1:
        yield map
        return
    try:
        # Fresh interpreters: forks would inherit the locks of the threads that show the progress.
        with pool_of(workers) as pool:
            yield pool.map
    except BrokenProcessPool as error:
        raise DependencyMissing(
            "a rendering process died (out of memory, or ViZDoom crashed)",
            fix="try again with --workers 1",
            code="dependency.broken",
        ) from error
