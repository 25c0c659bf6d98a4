"""What entries answer, driven in this process: kept at the few values that the retrieval check and a copier look at.

Axes: B windows, T predicted frames (t = 1..15, index t - 1), G = B*T, H and W tokens, P cells of a frame (position *
factors + factor), R probes, X looked-at frames of each prediction: the truth first, then what a copier would show.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselines.folders import entry_modules
from harness.data.truth import ClipTruth
from harness.protocol.host import Prediction
from harness.retrieval.probes import FLOOR, Probes, ProbeSheet, cell_values
from harness.spec import CHALLENGE

TEMPERATURES = (1.0, 0.7, 1.5)
"""Logits divided by them are honest entries too."""

_BATCH = 8
_TEMPLATE = "../submissions_template"  # seen from baselines/


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One honest entry: `NAME=ARCHITECTURE[:CHECKPOINT]`."""

    name: str
    architecture: str
    checkpoint: Path | None

    @classmethod
    def parse(cls, text: str) -> Entry:
        """From the command line."""
        name, _, made = text.partition("=")
        architecture, _, checkpoint = made.partition(":")
        return cls(name=name, architecture=architecture, checkpoint=Path(checkpoint) if checkpoint else None)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Log-probabilities of one entry, in nats.

    Attributes:
        probes_R: of the probes, at least FLOOR.
        shown_XBTP: of the values of the looked-at frames.
        best_BTP: of the likeliest values.
        best_values_BTP: those.
    """

    probes_R: NDArray[np.float32]
    shown_XBTP: NDArray[np.float32]
    best_BTP: NDArray[np.float32]
    best_values_BTP: NDArray[np.uint16]

    @property
    def loss(self) -> float:
        """Nats per token."""
        return -float(self.shown_XBTP[0].mean(dtype=np.float64)) * CHALLENGE.factors

    @property
    def tokens_BTHW(self) -> NDArray[np.uint32]:
        """The likeliest tokens."""
        return tokens_of(self.best_values_BTP)


def tokens_of(values_BTP: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """uint32 `[B, T, H, W]` of the values of cells."""
    factor_BTNF = values_BTP.reshape(*values_BTP.shape[:2], -1, CHALLENGE.factors).astype(np.uint32)
    digits_F = CHALLENGE.factor_vocab ** np.arange(CHALLENGE.factors, dtype=np.uint32)
    tokens_BTN = (factor_BTNF * digits_F).sum(axis=-1, dtype=np.uint32)
    return tokens_BTN.reshape(*values_BTP.shape[:2], CHALLENGE.height, CHALLENGE.width)


def answers_of(
    entry: Entry, truth: ClipTruth, probes: Probes, shown_XBTHW: NDArray[np.uint32], *, folder: Path
) -> dict[float, Answers]:
    """The entry's answers at each of TEMPERATURES; kept in `folder` and found again there."""
    paths = {each: folder / f"{entry.name}.{each}.{probes.sha256[:16]}.npz" for each in TEMPERATURES}
    if not all(path.exists() for path in paths.values()):
        for temperature, answers in _asked(entry, truth, probes, shown_XBTHW).items():
            np.savez(paths[temperature], **vars(answers))
    found = {}
    for temperature, path in paths.items():
        with np.load(path) as arrays:
            found[temperature] = Answers(**arrays)
    return found


def _asked(
    entry: Entry, truth: ClipTruth, probes: Probes, shown_XBTHW: NDArray[np.uint32]
) -> dict[float, Answers]:
    windows = len(truth.starts)
    values_XBTP = cell_values(shown_XBTHW.reshape(-1, CHALLENGE.height, CHALLENGE.width)).reshape(
        *shown_XBTHW.shape[:3], -1
    )
    sheets = {each: ProbeSheet(probes=probes) for each in TEMPERATURES}
    kept = {each: _blank(values_XBTP.shape) for each in TEMPERATURES}
    with entry_modules(_TEMPLATE if entry.architecture == "template" else entry.architecture):
        from predictor import Predictor

        predictor = Predictor(entry.checkpoint) if entry.checkpoint else Predictor()
        for begin in range(0, windows, _BATCH):
            batch_B = np.arange(begin, min(begin + _BATCH, windows))
            predictor.reset(len(batch_B))
            for t in range(1, CHALLENGE.window):
                predictor.observe(truth.tokens_at(batch_B, t - 1), truth.actions_until(batch_B, t - 1))
                logits_BHWFV, tokens_BHW = predictor.predict()
                for temperature in TEMPERATURES:
                    prediction = Prediction(
                        windows_B=batch_B,
                        t=t,
                        target_BHW=truth.tokens_at(batch_B, t),
                        logits_BHWFV=logits_BHWFV / np.float32(temperature),
                        tokens_BHW=tokens_BHW,
                    )
                    sheets[temperature].record(prediction)
                    _keep(kept[temperature], prediction, values_XBTP[:, batch_B, t - 1])
    return {each: Answers(probes_R=sheets[each].logprobs_R, **kept[each]) for each in TEMPERATURES}


def _blank(shape: tuple[int, ...]) -> dict[str, NDArray[np.generic]]:
    return {
        "shown_XBTP": np.empty(shape, np.float32),
        "best_BTP": np.empty(shape[1:], np.float32),
        "best_values_BTP": np.empty(shape[1:], np.uint16),
    }


def _keep(
    kept: dict[str, NDArray[np.generic]], prediction: Prediction, values_XBP: NDArray[np.uint16]
) -> None:
    here = prediction.windows_B, prediction.t - 1
    windows, cells = values_XBP.shape[1:]
    cell_BP = np.arange(windows * cells).reshape(windows, cells)
    best_BP = prediction.logits_BHWFV.reshape(windows, cells, -1).argmax(-1)
    kept["best_values_BTP"][here] = best_BP
    kept["best_BTP"][here] = prediction.log_softmax.at(cell_BP, best_BP)
    shown_XBP = prediction.log_softmax.at(np.broadcast_to(cell_BP, values_XBP.shape), values_XBP)
    kept["shown_XBTP"][:, here[0], here[1]] = np.maximum(shown_XBP, 2 * FLOOR)
