"""How fast a run is: windows and tokens per second, the share of the devices' peak (MFU), and the time that is left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from baselines.training.peaks import Peak

SPAN = 50
"""Optimizer steps over which a pace is taken."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How a run is getting on, over its last steps.

    Attributes:
        windows_per_s, tokens_per_s: learned from, by all processes together.
        mfu: share of the devices' peak.
        eta_s: seconds until the last step, interruptions such as evaluations included in proportion.
    """

    windows_per_s: float
    tokens_per_s: float
    mfu: float
    eta_s: float


class Meter:
    """Takes the time of optimizer steps. It runs from its making; what is done under `paused` does not count."""

    def __init__(
        self,
        *,
        tokens_per_window: int,
        flops_per_window: float,
        peak: Peak,
        devices: int = 1,
        span: int = SPAN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens_per_window = tokens_per_window
        self._flops_per_window = flops_per_window
        self._peak_flops_per_s = peak.flops_per_s * devices
        self._clock = clock
        self._began_s = clock()
        self._paused_s = 0.0
        # (seconds at work, windows) at the end of each of the last steps, and before the first of them.
        self._ends: deque[tuple[float, int]] = deque([(0.0, 0)], maxlen=span + 1)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Something else than a step is being done: an evaluation, a checkpoint."""
        began_s = self._clock()
        try:
            yield
        finally:
            self._paused_s += self._clock() - began_s

    def step(self, windows: int) -> None:
        """An optimizer step over so many windows, of all processes together, has just ended."""
        self._ends.append((self._work_s(), self._ends[-1][1] + windows))

    def pace(self, *, steps_left: int) -> Pace | None:
        """Over the last steps; None before the first has ended."""
        steps = len(self._ends) - 1
        (first_s, first_windows), (last_s, last_windows) = self._ends[0], self._ends[-1]
        work_s = last_s - first_s
        if steps == 0 or work_s <= 0:
            return None
        windows_per_s = (last_windows - first_windows) / work_s
        with_pauses = 1 + self._paused_s / last_s
        return Pace(
            windows_per_s=windows_per_s,
            tokens_per_s=windows_per_s * self._tokens_per_window,
            mfu=windows_per_s * self._flops_per_window / self._peak_flops_per_s,
            eta_s=steps_left * work_s / steps * with_pauses,
        )

    def _work_s(self) -> float:
        return self._clock() - self._began_s - self._paused_s
