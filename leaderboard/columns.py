"""The table's columns: what stands above each and what it means, written once for the table and its legend."""

from __future__ import annotations

from dataclasses import dataclass

from harness.protocol.regimes import Regime
from harness.spec import CHALLENGE


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's heading and one line on its meaning.

    Attributes:
        figures: whether it holds figures, right-aligned.
        sorts: whether rows can be sorted by it, and `descends` whether the largest comes first then.
    """

    name: str
    title: str
    meaning: str
    figures: bool = False
    sorts: bool = True
    descends: bool = False


_PREDICTED = CHALLENGE.window - 1

REGIME_COLUMNS = {
    Regime.FULLY_AUTOREGRESSIVE: Column(
        name="autoregressive",
        title="AR loss",
        figures=True,
        meaning=f"{Regime.FULLY_AUTOREGRESSIVE.in_words.capitalize()}: "
        f"after {CHALLENGE.prompt_frames} true frames the entry sees only its own "
        "predictions.",
    ),
    Regime.FULLY_TEACHER_FORCED: Column(
        name="token-forced",
        title="Fully TF loss",
        figures=True,
        meaning=f"{Regime.FULLY_TEACHER_FORCED.in_words.capitalize()}: token by token, given every true token before "
        "it. Only causal entries have it.",
    ),
}
"""The losses beside the one that ranks."""

COLUMNS = (
    Column(
        name="rank",
        title="Rank",
        figures=True,
        meaning="By loss, lowest first. Entries that cannot be told apart share a band of ranks, such as "
        "2\N{EN DASH}4: where everybody has the data, a paired bootstrap over windows says who is worse than a band's "
        "first (5% for all that follow, Bonferroni); on private data, and for older records, the published intervals "
        "do. Only grades of the same data, schedule and number of windows are ranked together, and only the latest "
        "grade of each entry that was not withdrawn.",
    ),
    Column(name="user", title="User", meaning="Who sent the entry."),
    Column(name="entry", title="Entry", meaning="What its entrant calls it; leads to its details."),
    Column(
        name="loss",
        title="Loss",
        figures=True,
        meaning=f"{Regime.TEMPORALLY_TEACHER_FORCED.in_words.capitalize()}: "
        "every frame is predicted from the true frames before it. Cross-entropy in "
        "nats per token, mean over windows, frames and positions; lower is better. Below it the 95% "
        "bootstrap interval over windows, the loss in bits, and the interval as a bar on one scale for the table.",
    ),
    Column(
        name="by-frame",
        title="By frame",
        sorts=False,
        meaning=f"The same loss for each predicted frame, 1 to {_PREDICTED} from left to right. Every row "
        "has its own middle and the same height per nat.",
    ),
    Column(
        name="accuracy",
        title="Accuracy",
        figures=True,
        descends=True,
        meaning="Share of tokens predicted exactly (both factors right), in the same regime.",
    ),
    Column(
        name="lpips",
        title="LPIPS",
        figures=True,
        meaning="Perceptual distance (AlexNet) of the decoded prediction to the decoded truth, in the same regime, "
        "as 1X publishes it; lower is better. Empty where it was not measured.",
    ),
    Column(
        name="seconds",
        title="s/frame",
        figures=True,
        meaning="Seconds per predicted frame on the host's clock, from the first request to the last answer.",
    ),
    *REGIME_COLUMNS.values(),
    Column(
        name="flops",
        title="Training FLOPs",
        figures=True,
        meaning="Spent to train the entry, as its entrant declares.",
    ),
    Column(
        name="external",
        title="External data",
        figures=True,
        meaning="Number of sources beyond the challenge's own data, pretrained weights included, as declared.",
    ),
    Column(
        name="claimed",
        title="Claimed loss",
        figures=True,
        meaning="The entrant's own figure for the public validation set; below it what was measured here, where the "
        "same submission was graded on that set.",
    ),
    Column(name="origin", title="Origin", meaning="What stands behind the figures: see the legend below."),
    Column(name="date", title="Date", descends=True, meaning="When the grade ended (UTC)."),
)

_IMAGINED = (
    f"frames {CHALLENGE.prompt_frames} to {_PREDICTED}, each predicted from {CHALLENGE.prompt_frames} true frames and "
    "the entry's own"
)

SAMPLING_COLUMNS = (
    Column(
        name="rank",
        title="Rank",
        figures=True,
        meaning="By LPIPS, lowest first; entries whose published intervals overlap with that of the first of a band "
        "share it, such as 2\N{EN DASH}4. Only what the same codec decoded and the "
        "same weights compared is ranked together. Without LPIPS there is no rank: PSNR and SSIM prefer a blurred "
        "guess to a sharp one, so nothing is ranked by them.",
    ),
    Column(name="user", title="User", meaning="Who sent the entry."),
    Column(name="entry", title="Entry", meaning="What its entrant calls it; leads to its page."),
    Column(
        name="lpips",
        title="LPIPS",
        figures=True,
        meaning=f"Fully autoregressive: of {_IMAGINED} predictions. Perceptual distance (AlexNet) to the decoded "
        "truth, mean over windows and frames, and over draws where an entry was asked several times; lower is "
        "better. Below it the 95% bootstrap interval over windows.",
    ),
    Column(
        name="horizon",
        title="By horizon",
        sorts=False,
        meaning=f"The same for each of these frames, {CHALLENGE.prompt_frames} to {_PREDICTED} from left to right, on "
        "one scale for the whole table: higher is worse.",
    ),
    Column(
        name="best",
        title="Best of k",
        figures=True,
        meaning="Of an entry that was asked k times, the same figure for the best draw of each window. It flatters the "
        "more, the larger k, and ranks nothing.",
    ),
    Column(
        name="forced",
        title="TF LPIPS",
        figures=True,
        meaning="Temporally teacher-forced: of every frame predicted from true ones, as 1X publishes it.",
    ),
    Column(
        name="psnr",
        title="PSNR",
        figures=True,
        descends=True,
        meaning="Peak signal-to-noise ratio of the same frames in decibels; higher is better.",
    ),
    Column(
        name="ssim",
        title="SSIM",
        figures=True,
        descends=True,
        meaning="Structural similarity of the same frames, at most 1; higher is better.",
    ),
    Column(
        name="autoregressive",
        title="AR loss",
        figures=True,
        meaning="Nats per token of the same frames.",
    ),
    Column(
        name="seconds",
        title="s/frame",
        figures=True,
        meaning="Seconds per predicted frame of the same regime, on the host's clock.",
    ),
    Column(name="date", title="Date", descends=True, meaning="When the grade ended (UTC)."),
)
"""Of the sampling track."""
