"""What is asked for when a grade is asked for; a journal keeps it, so that the same can be asked again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.admission import Rules
from harness.data.published import lpips_folder
from harness.data.windows import Schedule
from harness.protocol.conversation import Limits
from harness.protocol.regimes import Regime


@dataclass(frozen=True, kw_only=True)
class GradeRequest:
    """What to grade, on what, and how.

    Attributes:
        submission: the zip.
        data: the held-out clip's folder.
        regimes: empty for every regime the entry can be graded in.
        seed: orders the windows, draws warm-up, probe and bootstrap.
        max_windows: grade only the first so many, for a quick check; None for all.
        samples: how often the fully autoregressive regime is asked.
        pictures: whether predictions are decoded and compared with decoded truth.
        codec: path of the codec that decodes; None for the one the data names.
        lpips_weights: the folder of the weights of LPIPS.
        train: the clip that the entry may have copied; None for no retrieval check.
        panel: honest entries to compare with; None for the store's own, if it has a panel.
        rules: what keeps a submission from being graded; None for an entrant's own check, which nothing does.
    """

    submission: Path
    data: Path
    regimes: tuple[Regime, ...] = ()
    schedule: Schedule = Schedule.DISJOINT
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    max_windows: int | None = None
    samples: int = 1
    pictures: bool = True
    codec: str | None = None
    lpips_weights: Path = field(default_factory=lpips_folder)
    train: Path | None = None
    panel: Path | None = None
    rules: Rules | None = None

    @property
    def anywhere(self) -> GradeRequest:
        """The same, with absolute paths."""
        return replace(
            self,
            submission=self.submission.absolute(),
            data=self.data.absolute(),
            codec=self.codec and str(Path(self.codec).absolute()),
            lpips_weights=self.lpips_weights.absolute(),
            train=self.train and self.train.absolute(),
            panel=self.panel and self.panel.absolute(),
        )
