"""What a grade keeps to be looked at: a few windows of each regime, the prediction below what happened.

Axes: B windows, T frames, H and W tokens, Y and X pixels, C colours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.codec.codec import Codec
from harness.codec.comic import ON_A_PAGE, draw_comic, small_file
from harness.codec.scenes import Scene
from harness.exam import Exam, Predicted
from harness.progress import Progress
from harness.protocol.regimes import Regime
from harness.results.regime_report import Strip
from harness.results.store import Store
from harness.scoring.perceptual import CANNOT_LOOK, why
from harness.spec import CHALLENGE

STRIPS = 3
"""Windows of each regime."""

MOST_BYTES = 40_000
"""Of one strip's file."""


def shown_windows(data_sha256: str, num_windows: int, *, count: int = STRIPS) -> NDArray[np.int64]:
    """Which of the graded windows are shown, increasing: the data decides, and neither an entry nor a seed."""
    seed = int.from_bytes(hashlib.sha256(data_sha256.encode()).digest(), "big")
    chosen = np.random.default_rng(seed).permutation(num_windows)[:count]
    return np.sort(chosen).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class StripKeeper:
    """Draws strips and keeps them beside the record of one grade."""

    codec: Codec
    store: Store
    grade_id: str

    def keep(
        self, results: Iterable[Predicted], exam: Exam, windows_B: NDArray[np.int64], progress: Progress
    ) -> Mapping[Regime, tuple[Strip, ...]]:
        """The strips of these windows in every regime, of its first draw.

        Where one cannot be drawn or kept there are none, and a note says why: it costs no grade.
        """
        try:
            with progress.step("drawing strips"):
                truth_BTYXC = [self._truth(exam, window) for window in windows_B]
                return {
                    result.regime: tuple(self._strips(result, exam, windows_B, truth_BTYXC))
                    for result in results
                }
        except CANNOT_LOOK as error:
            progress.note(f"no strips of pictures are kept: {why(error)}")
            return {}

    def _truth(self, exam: Exam, window: np.int64) -> NDArray[np.uint8]:
        tokens = [exam.truth.tokens_at(np.array([window]), t) for t in range(CHALLENGE.window)]
        return self.codec.decode(np.concatenate(tokens))

    def _strips(
        self,
        predicted: Predicted,
        exam: Exam,
        windows_B: NDArray[np.int64],
        truth_BTYXC: list[NDArray[np.uint8]],
    ) -> Iterator[Strip]:
        first = predicted.regime.first_target()
        for window, truth_TYXC in zip(windows_B.tolist(), truth_BTYXC, strict=True):
            predicted_TYXC = self.codec.decode(predicted.draws[0][window])
            scene = Scene(
                title=f"window {window}",
                truth_TYXC=truth_TYXC,
                generated_TYXC=np.concatenate([truth_TYXC[:first], predicted_TYXC]),
                prompt_frames=first,
            )
            small = small_file(draw_comic(scene, ON_A_PAGE), most_bytes=MOST_BYTES)
            name = f"{predicted.regime.value}.window{window}.{small.suffix}"
            file, sha256 = self.store.save_artifact(self.grade_id, name, small.content)
            yield Strip(
                window=window,
                first_raw_frame=int(exam.truth.starts[window]),
                file=file,
                sha256=sha256,
                width=small.width,
                height=small.height,
            )
