"""Whether the retrieval check finds copiers and spares honest models: ROC curves, verdicts, and what is missed.

Run: python tests/benchmarks/retrieval_roc.py --data DIR --out DIR --bases NAME .. --entries NAME=ARCHITECTURE[:PATH] ..

DIR of --data holds `train`, `val` and `heldout`, as `wmc data demo DIR` makes them. Entries are honest: baselines of
baselines/, or `template`, with the file or checkpoint that their Predictor takes (train.py of unigram and ngram has
--out; `wmc train-baseline` writes checkpoints). A name is RUN or RUN-STEPS; entries of one run never judge each other,
so at least five runs are needed, and without any one architecture three must be left. Copiers start from --bases.
README.md says how the entries of its figures were trained.

Every entry is driven once through each split, in this process; every copier is mixed from what it answered. What was
measured is kept in --out, and a second call goes on from there: take another folder for another set of entries.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from retrieval_answers import Answers, Entry, answers_of
from retrieval_copies import PLANS, look_up, mixed, shown_of, smoothed
from retrieval_panels import Court, Subject, judged
from retrieval_report import Case, report

from harness.data.clips import Clip, clip_sha256, open_clip
from harness.data.windows import Schedule
from harness.exam import set_exam
from harness.progress import Silent
from harness.retrieval.questions import questions_for
from harness.spec import CHALLENGE

SPLITS = ("val", "heldout")
BLENDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
FEW_WINDOWS = (0.05, 0.1, 0.25)
FEW_BLENDS = (0.1, 1.0)
SMOOTHED = 0.1
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Cheat:
    """How a copier copies: a plan of `PLANS`, its share of the mixture, and in which share of the windows."""

    plan: str
    blend: float
    windows: float = 1.0

    def share(self, windows: int, seed: int) -> NDArray[np.float64]:
        """The copied share of each prediction: `[B, T]`."""
        copied = max(1, round(self.windows * windows))
        share_BT = np.zeros((windows, CHALLENGE.window - 1))
        share_BT[np.random.default_rng(seed).permutation(windows)[:copied]] = self.blend
        return share_BT


CHEATS = (
    *(Cheat(plan=plan, blend=blend) for plan in PLANS for blend in BLENDS),
    *(Cheat(plan="nearest", blend=blend, windows=windows) for windows in FEW_WINDOWS for blend in FEW_BLENDS),
)


def honest_subjects(entry: Entry, answers: dict[float, Answers]) -> Iterator[Subject]:
    """The entry itself first, then colder, warmer and flatter."""
    variants = {
        "": answers[1.0],
        **{f" at {each:g}": found for each, found in answers.items() if each != 1.0},
        " flattened": smoothed(answers[1.0], SMOOTHED),
    }
    for suffix, found in variants.items():
        yield Subject(
            name=entry.name + suffix,
            run=entry.name.split("-")[0],
            architecture=entry.architecture,
            answers=found,
        )


def cases_of(split: str, args: argparse.Namespace, train: Clip, train_sha256: str) -> Iterator[Case]:
    """Everything that is judged on one split."""
    data = args.data / split
    truth = set_exam(data, Schedule.DISJOINT, SEED).truth
    questions = questions_for(
        truth,
        train,
        folder=args.out / "cache",
        data_sha256=clip_sha256(open_clip(data)),
        train_sha256=train_sha256,
        progress=Silent(),
    )
    windows_B = np.arange(len(truth.starts))
    true_BTHW = np.stack([truth.tokens_at(windows_B, t) for t in range(1, CHALLENGE.window)], axis=1)
    looked_at_XBTHW = np.concatenate([true_BTHW[None], look_up(truth, train, seed=SEED)])
    folder = args.out / split
    folder.mkdir(parents=True, exist_ok=True)
    answers = {
        entry: answers_of(entry, truth, questions.probes, looked_at_XBTHW, folder=folder)
        for entry in args.entries
    }
    honest = {entry: tuple(honest_subjects(entry, found)) for entry, found in answers.items()}
    members = tuple(subjects[0] for entry, subjects in honest.items() if entry.name not in args.extra)
    court = Court(questions=questions, train=train, members=members, folder=folder)
    for subjects in honest.values():
        for subject in subjects:
            yield case_of(court, subject, split)
            yield case_of(court, subject, split, without_architecture=True)
    shown = shown_of(questions.probes, looked_at_XBTHW)
    for entry in args.entries:
        if entry.name not in args.bases:
            continue
        base = honest[entry][0]
        for cheat in CHEATS:
            copied = mixed(
                base.answers,
                shown,
                questions.probes,
                PLANS[cheat.plan],
                cheat.share(len(windows_B), SEED),
            )
            copier = Subject(
                name=f"{base.name} {cheat.plan} {cheat.blend:g} {cheat.windows:g}",
                run=base.run,
                architecture=base.architecture,
                answers=copied,
            )
            yield case_of(court, copier, split, cheat=cheat, honest_loss=base.answers.loss)


def case_of(
    court: Court,
    subject: Subject,
    split: str,
    *,
    without_architecture: bool = False,
    cheat: Cheat | None = None,
    honest_loss: float | None = None,
) -> Case:
    """What a panel without the subject's run, or without its whole architecture, says of it."""
    panel = court.panel(
        without=lambda each: (
            each.run == subject.run or (without_architecture and each.architecture == subject.architecture)
        )
    )
    measured, thresholds = court.measure(subject, panel), court.thresholds(panel)
    judgement = judged(measured, thresholds)
    case = Case(
        split=split,
        name=subject.name,
        architecture=subject.architecture,
        plan=cheat.plan if cheat else None,
        blend=cheat.blend if cheat else 0.0,
        windows=cheat.windows if cheat else 1.0,
        without_architecture=without_architecture,
        loss=subject.answers.loss,
        honest_loss=honest_loss,
        delta=measured.delta,
        delta_max=thresholds.delta_max,
        delta_copied=thresholds.delta_copied,
        windows_flagged=judgement.windows_flagged or 0,
        path_share=measured.path_share,
        verdict=judgement.verdict.value,
        reasons=judgement.reasons,
    )
    print(
        f"{split:8} {case.name:44} loss {case.loss:6.3f} delta {case.delta:+.3f} of {case.delta_copied:+.3f} "
        f"{case.verdict}{' (architecture left out)' if without_architecture else ''}",
        flush=True,
    )
    return case


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--bases", nargs="+", required=True, metavar="NAME", help="what copiers start from")
    parser.add_argument(
        "--extra", nargs="*", default=[], metavar="NAME", help="judged, but in no panel: more of the same run"
    )
    parser.add_argument("--splits", nargs="+", default=SPLITS, choices=SPLITS)
    parser.add_argument("--entries", nargs="+", required=True, type=Entry.parse, metavar="NAME=ARCHITECTURE")
    args = parser.parse_args(argv)
    train = open_clip(args.data / "train")
    train_sha256 = clip_sha256(train)
    cases = [case for split in args.splits for case in cases_of(split, args, train, train_sha256)]
    (args.out / "cases.json").write_text(json.dumps([vars(case) for case in cases], indent=1))
    report(cases, args.out)


if __name__ == "__main__":
    main()
