"""Which regime decides each track: the ranking, the announcements and the prize read it from here."""

from __future__ import annotations

from harness.protocol.regimes import Regime

RANKED_BY = Regime.TEMPORALLY_TEACHER_FORCED
"""The regime whose loss is the compression track's, and the prize's."""

IMAGINED = Regime.FULLY_AUTOREGRESSIVE
"""The regime whose pictures are the sampling track's."""
