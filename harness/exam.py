"""One regime of one entry, over a channel: what is asked, in which order, and what the answers are worth."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip, open_clip
from harness.data.reveal import Leak, first_leak
from harness.data.truth import ClipTruth, RandomTruth
from harness.data.windows import Schedule, Segments, find_segments, serving_order, window_starts
from harness.errors import DataInvalid, GuestFailed
from harness.progress import Progress
from harness.protocol.conversation import GATE_VERSION, Conversation
from harness.protocol.host import Prediction, Sink, Timing, play
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.protocol.replies import Terms
from harness.scoring.sheet import Scores, ScoreSheet
from harness.scoring.state_probe import StateProbe, choose_windows, compare, unfinished
from harness.spec import CHALLENGE

SCORING_VERSION = 2
"""Raised when equal answers would get other figures; 1 drew intervals after everything else, and out of its reach."""


@dataclass(frozen=True, kw_only=True)
class Exam:
    """The questions: the graded windows of a held-out clip, and the seed that orders them.

    `samples` says how often the fully autoregressive regime is asked; it shows no more than its prompts.
    """

    clip: Clip
    segments: Segments
    truth: ClipTruth
    schedule: Schedule
    seed: int
    samples: int = 1

    @property
    def num_windows(self) -> int:
        """How many windows are graded."""
        return len(self.truth.starts)

    @property
    def order_leaks(self) -> bool:
        """Whether the order breaks the reveal rule; such a grade is for comparison with published numbers only."""
        once = Regime.TEMPORALLY_TEACHER_FORCED
        if self._first_leak(once, shown=None) is not None:
            return True
        drawn = Regime.FULLY_AUTOREGRESSIVE
        return self.draws(drawn) > 1 and self._first_leak(drawn, shown=drawn.first_target()) is not None

    def draws(self, regime: Regime) -> int:
        """How often this regime's windows are served for their scores."""
        return self.samples if regime is Regime.FULLY_AUTOREGRESSIVE else 1

    def served(self, regime: Regime) -> ClipTruth:
        """The windows of every draw, one draw after the other; `batches` are indices into them."""
        return replace(self.truth, starts=np.tile(self.truth.starts, self.draws(regime)))

    def batches(self, regime: Regime, max_batch: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """The windows in serving order, by index."""
        return serving_order(
            self.truth.starts, self.segments, max_batch=max_batch, rng=rng, draws=self.draws(regime)
        )

    def rng(self, regime: Regime) -> np.random.Generator:
        """A generator of its own for each regime, so that grading fewer regimes changes no number."""
        return np.random.default_rng([self.seed, DISCLOSURE_ORDER.index(regime)])

    def _first_leak(self, regime: Regime, *, shown: int | None) -> Leak | None:
        batches = self.batches(regime, self.num_windows, self.rng(regime))
        return first_leak(self.served(regime).starts, batches, self.segments, shown=shown)

    def gate_metadata(self, regime: Regime) -> dict[str, Any]:
        """What the guest reads in `metadata.json`: the clip's own keys and the gate's."""
        gate = {"gate": GATE_VERSION, "regime": regime.value, "num_prompt_frames": regime.first_target()}
        return {**asdict(self.clip.metadata), **gate}


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The tokens that an entry predicted in one regime: all that is looked at once it has its scores.

    Attributes:
        draws: uint32 `[B, T, H, W]` of each draw; the figures of a record are those of the first.
    """

    regime: Regime
    draws: tuple[NDArray[np.uint32], ...]


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of one regime; `sheets` has one for each draw, and `scores` are the first one's."""

    regime: Regime
    scores: Scores
    sheets: tuple[ScoreSheet, ...]
    timing: Timing
    terms: Terms
    batch: int
    state_probe: StateProbe

    @property
    def predicted(self) -> Predicted:
        """What the stages after the scores need of it."""
        return Predicted(regime=self.regime, draws=tuple(sheet.tokens_BTHW for sheet in self.sheets))


def set_exam(
    data: Path, schedule: Schedule, seed: int, *, max_windows: int | None = None, samples: int = 1
) -> Exam:
    """The exam over a clip.

    Raises: DataInvalid, also when no window fits into any segment.
    """
    clip = open_clip(data)
    segments = find_segments(clip.segment_ids_N)
    starts = window_starts(segments, schedule)[:max_windows]
    if not len(starts):
        raise DataInvalid(
            f"{data} has no segment of at least {CHALLENGE.raw_span} raw frames, so no window fits",
            code="data.no_window",
            fix="grade on a clip with longer segments, such as val_v1.1",
        )
    return Exam(
        clip=clip,
        segments=segments,
        truth=ClipTruth(clip=clip, starts=starts),
        schedule=schedule,
        seed=seed,
        samples=samples,
    )


def examine(
    conversation: Conversation, exam: Exam, *, ready_by: float, progress: Progress, tap: Sink | None = None
) -> Result:
    """Greet the guest, warm it up, ask everything, ask some of it again, say goodbye.

    `tap` sees every scored prediction too, in the scoring thread.
    Raises: GuestFailed. A guest that fails only while it is probed has its scores, and the probe says so.
    """
    regime, rng = conversation.regime, exam.rng(conversation.regime)
    with progress.step(f"{regime.in_words}: loading and warming up"):
        terms = conversation.greet(exam.clip.action_widths, ready_by=ready_by)
        batches = exam.batches(regime, conversation.max_batch, rng)
        warm_up(conversation, exam.truth.num_actions, batches[0], rng)
    sheets, timing = _ask(conversation, exam, batches, progress, tap)
    with progress.step(f"{regime.in_words}: asking some again"):
        probe = _probe_state(conversation, exam, sheets[0], rng)
    return Result(
        regime=regime,
        scores=sheets[0].total(interval_rng(exam.seed, regime)),
        sheets=sheets,
        timing=timing,
        terms=terms,
        batch=max(map(len, batches)),
        state_probe=probe,
    )


def interval_rng(seed: int, regime: Regime) -> np.random.Generator:
    """What draws a regime's interval: nothing else, so that the kept nats alone give the same interval again."""
    return np.random.default_rng([seed, DISCLOSURE_ORDER.index(regime), 2])


def warm_up(
    conversation: Conversation, num_actions: int, batch: NDArray[np.int64], rng: np.random.Generator
) -> None:
    """One batch of random frames, neither scored nor timed; as large as `batch`."""
    conversation.begin()
    play(conversation, RandomTruth(num_actions=num_actions, rng=rng), [batch], lambda _prediction: None)


def _ask(
    conversation: Conversation,
    exam: Exam,
    batches: list[NDArray[np.int64]],
    progress: Progress,
    tap: Sink | None,
) -> tuple[tuple[ScoreSheet, ...], Timing]:
    """Everything, as often as it is asked; this is what counts."""
    regime = conversation.regime
    targets, draws = regime.targets(), exam.draws(regime)
    sheet = ScoreSheet(num_windows=draws * exam.num_windows, targets=targets)
    title = f"{regime.in_words}, frames"
    with progress.step(title, total=sheet.num_windows * len(targets)) as advance:

        def record(prediction: Prediction) -> None:
            sheet.record(prediction)
            if tap:
                tap(prediction)
            advance(len(prediction.windows_B), status=f"loss {sheet.loss_so_far:.3f}")

        conversation.begin(servings=draws)
        timing = play(conversation, exam.served(regime), batches, record)
    return sheet.split(draws), timing


def _probe_state(
    conversation: Conversation, exam: Exam, first: ScoreSheet, rng: np.random.Generator
) -> StateProbe:
    """Some windows a second time, in other batches, and the goodbye; what changes should not."""
    windows = choose_windows(exam.num_windows, rng)
    second = ScoreSheet(num_windows=exam.num_windows, targets=first.targets)
    parts = min(len(windows), max(2, math.ceil(len(windows) / conversation.max_batch)))
    try:
        conversation.begin()
        play(conversation, exam.truth, np.array_split(windows, parts), second.record)
        conversation.say_goodbye()
    except GuestFailed as error:
        return unfinished(error.code)
    return compare(
        first.window_losses_B[windows],
        second.window_losses_B[windows],
        feeds_back_own_tokens=conversation.regime is Regime.FULLY_AUTOREGRESSIVE,
    )
