"""How much better an entry knows the training set: its loss on held-out windows minus its loss on training windows.

Both kinds are asked in one conversation, temporally teacher-forced and mixed, through the same noise
(`harness.data.noised`). The conversation is with a guest of its own that comes after every regime: what it is shown
was already predicted, and what it remembers is lost with it. Within it the reveal rule holds again.

A gap is compared with those of honest entries, never with zero: held-out places may be harder in themselves. A guest
that knows a training frame through the noise and then holds back hides its database; the noise only denies it the
exact match.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.data.noised import NoisedTruth, SideBySide
from harness.data.truth import ClipTruth
from harness.data.windows import Schedule, Segments, find_segments, serving_order, window_starts
from harness.errors import DataInvalid
from harness.exam import Exam, warm_up
from harness.progress import Progress
from harness.protocol.conversation import Conversation
from harness.protocol.host import Prediction, play
from harness.protocol.regimes import DISCLOSURE_ORDER
from harness.retrieval.report import TrainGap
from harness.scoring.bootstrap import difference_interval
from harness.scoring.sheet import ScoreSheet
from harness.spec import CHALLENGE

WINDOWS = 32
"""Of each kind, at most."""
MOST_NATS = 2 * CHALLENGE.uniform_loss
"""Per token, that one window counts at most. These answers cost an entry no score, so it could choose any figure; twice
what guessing uniformly costs is worse than anything that was trained."""


def measure_train_gap(
    conversation: Conversation, exam: Exam, train: Clip, *, ready_by: float, progress: Progress
) -> TrainGap:
    """Greet the guest, warm it up, ask windows of both kinds, say goodbye; temporally teacher-forced.

    Everything drawn comes from the exam's seed and none of it depends on the guest's batches, so the same windows
    come in the same order with the same noise to every entry.

    Raises: GuestFailed; DataInvalid, as `choose_windows` does.
    """
    rng = np.random.default_rng(
        [exam.seed, len(DISCLOSURE_ORDER)]
    )  # the exam's regimes have the numbers below
    clean = choose_windows(exam, train, rng)
    shown = NoisedTruth(clean=clean, seed=int(rng.integers(1 << 63)))
    with progress.step("training gap: loading and warming up"):
        conversation.greet(exam.clip.action_widths, ready_by=ready_by)
        batches = mixed_order(clean.heldout.starts, exam.segments, max_batch=conversation.max_batch, rng=rng)
        warm_up(conversation, clean.num_actions, batches[0], rng.spawn(1)[0])
    losses_B = np.minimum(_ask(conversation, shown, batches, progress), MOST_NATS)
    conversation.say_goodbye()
    heldout_B, train_B = np.split(losses_B, 2)
    return TrainGap(
        gap=float(heldout_B.mean() - train_B.mean()),
        gap_ci=difference_interval(heldout_B, train_B, rng),
        heldout_loss=float(heldout_B.mean()),
        train_loss=float(train_B.mean()),
        windows=len(heldout_B),
        flipped_bits=shown.flipped_bits,
    )


def choose_windows(exam: Exam, train: Clip, rng: np.random.Generator) -> SideBySide:
    """As many disjoint windows of the exam as of the training clip, spread over both.

    Raises: DataInvalid when the training clip holds no window, or has other actions than the held-out one.
    """
    if train.action_widths != exam.clip.action_widths:
        raise DataInvalid(
            f"{train.folder} has other action columns than {exam.clip.folder}",
            code="data.other_actions",
            fix="take both splits from the same version of the data, with their actions or both without",
        )
    heldout = window_starts(exam.segments, Schedule.DISJOINT)
    heldout = heldout[heldout <= exam.truth.starts[-1]]  # nothing beyond what is graded
    training = window_starts(find_segments(train.segment_ids_N), Schedule.DISJOINT)
    count = min(WINDOWS, len(heldout), len(training))
    if not count:
        raise DataInvalid(
            f"{train.folder} has no segment that is long enough for a window",
            code="data.no_window",
            fix="name a training split with longer segments, such as train_v1.1",
        )
    return SideBySide(
        heldout=ClipTruth(clip=exam.clip, starts=_spread(heldout, count, rng)),
        train=ClipTruth(clip=train, starts=_spread(training, count, rng)),
    )


def mixed_order(
    heldout_starts: NDArray[np.int64], segments: Segments, *, max_batch: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Batches of window indices: the B held-out windows are 0..B-1, as many training windows follow.

    Held-out windows come in the rounds of `serving_order`, which keeps the reveal rule. Each round takes as many
    training windows in and is shuffled as a whole, so every place in the order is as likely to be of either kind.
    """
    count = len(heldout_starts)
    rounds = serving_order(heldout_starts, segments, max_batch=count, rng=rng)
    partners = np.split(rng.permutation(count) + count, np.cumsum([len(members) for members in rounds])[:-1])
    batches: list[NDArray[np.int64]] = []
    for heldout, training in zip(rounds, partners, strict=True):
        members = rng.permutation(np.concatenate([heldout, training]))
        batches += [members[i : i + max_batch] for i in range(0, len(members), max_batch)]
    return batches


def _spread(starts: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """One start from each of `count` equal runs of them, increasing."""
    edges = np.arange(count + 1) * len(starts) // count
    return starts[rng.integers(edges[:-1], edges[1:])]


def _ask(
    conversation: Conversation, shown: NoisedTruth, batches: list[NDArray[np.int64]], progress: Progress
) -> NDArray[np.float64]:
    """The loss of each window, in nats per token: `[B]`."""
    targets = conversation.regime.targets()
    sheet = ScoreSheet(num_windows=2 * shown.clean.num_heldout, targets=targets)
    with progress.step("training gap, frames", total=sheet.num_windows * len(targets)) as advance:

        def record(prediction: Prediction) -> None:
            target_BHW = shown.clean.tokens_at(prediction.windows_B, prediction.t)
            sheet.record(replace(prediction, target_BHW=target_BHW))
            advance(len(prediction.windows_B))

        conversation.begin()
        play(conversation, shown, batches, record)
    return sheet.window_losses_B
