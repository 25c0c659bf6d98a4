"""The last stage of a grade: pictures are looked at when the guests are gone, and nothing of it costs the scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from harness.codec.codec import Codec
from harness.data.clips import Clip
from harness.exam import Exam, Predicted
from harness.pictures.strips import StripKeeper, shown_windows
from harness.pictures.suspects import keep_pictures
from harness.pictures.viewer import SWITCHED_OFF, Blind, Pictures, Viewer, with_pictures
from harness.progress import Progress
from harness.protocol.regimes import Regime
from harness.results.record import Record
from harness.results.store import Store
from harness.retrieval.report import COPIES_IN
from harness.scoring.perceptual import by_reason


class OpenViewer(Protocol):
    """Opens the codec and the metrics of this grade."""

    def __call__(self, *, device: str | None = None) -> Viewer | Blind:
        """On this device; None for the GPU where there is one."""
        ...


@dataclass(frozen=True, kw_only=True)
class PictureStage:
    """What looks at the pictures of one grade; `open_viewer` is None where they were not asked for."""

    open_viewer: OpenViewer | None
    store: Store
    record: Record
    progress: Progress

    def expect(self, *, asked_for: bool) -> None:
        """Says which metrics there will not be, before hours are spent on the guest.

        On the CPU, and let go again: while a guest runs, the GPU and the memory are its own.
        Raises: what keeps the codec from being opened, if it was asked for by name.
        """
        if self.open_viewer is None:
            return
        viewer = self.open_viewer(device="cpu")
        if asked_for and isinstance(viewer, Blind) and viewer.error:
            raise viewer.error
        missing = ((metric.value, reason) for metric, reason in viewer.missing.items())
        for reason, metrics in by_reason(missing).items():
            self.progress.note(f"will not be measured: {', '.join(metrics)}: {reason}")

    def look(self, results: list[Predicted], exam: Exam, *, train: Clip | None) -> None:
        """What each regime's pictures are worth, in its record too; where there are none, the reason why.

        With the training clip, suspected sources of copies are shown as well.
        """
        with self.record.timed("pictures"):
            viewer = self.open_viewer() if self.open_viewer else Blind(reason=SWITCHED_OFF)
            self.record.learn(**viewer.facts)
            for result in results:
                self._add(result.regime, viewer.look(result, exam, self.progress))
            if viewer.codec:
                self._keep_strips(viewer.codec, results, exam)
                if train:
                    self._keep_suspects(viewer.codec, results, exam, train)

    def _keep_strips(self, codec: Codec, results: list[Predicted], exam: Exam) -> None:
        keeper = StripKeeper(codec=codec, store=self.store, grade_id=self.record.grade_id)
        windows_B = shown_windows(str(self.record.provenance.data_sha256), exam.num_windows)
        for regime, strips in keeper.keep(results, exam, windows_B, self.progress).items():
            report = self.record.regimes[regime]
            self.record.regimes[regime] = report and replace(report, strips=strips)

    def _keep_suspects(self, codec: Codec, results: list[Predicted], exam: Exam, train: Clip) -> None:
        check = self.record.retrieval
        if not check:
            return
        (result,) = (result for result in results if result.regime is COPIES_IN)
        pictures = keep_pictures(
            check.sources,
            tokens_BTHW=result.draws[0],
            truth=exam.truth,
            train=train,
            codec=codec,
            store=self.store,
            grade_id=self.record.grade_id,
            progress=self.progress,
        )
        self.record.retrieval = replace(check, pictures=pictures)

    def _add(self, regime: Regime, pictures: Pictures) -> None:
        report = self.record.regimes[regime]
        self.record.regimes[regime] = report and with_pictures(report, pictures)
