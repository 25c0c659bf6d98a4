"""Extra nats over what references explain, by least squares from sums that are kept for each prediction.

    log q_entry(v) = quadratic(log q of the references) + delta * [v is from the source] + e

Sums of products are all that the fit needs, so rows are looked at once, and windows can be drawn again cheaply.

Axes: G predictions, B windows, R rows, M references, K columns: a constant, the references, their products, and last
whether a row is from the source; D draws of the bootstrap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.retrieval.probes import FLOOR

DRAWS = 1000
_RIDGE = 1e-10
"""Of the number of rows, added to the diagonal: references that agree leave the fit without one solution."""


def quadratic(references_MR: NDArray[np.floating]) -> NDArray[np.float64]:
    """A constant, the references and their products: float64 `[R, K - 1]`."""
    scaled_MR = references_MR.astype(np.float64) / -FLOOR  # columns of size 1
    products = [first_R * scaled_MR[m:] for m, first_R in enumerate(scaled_MR)]
    return np.concatenate([np.ones((1, scaled_MR.shape[1])), scaled_MR, *products]).T


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Products of columns summed over rows, float64, of each prediction or each window (G).

    Attributes:
        xx_GKK, xy_GK: of the columns with each other, and with what the entry says.
        yy_G: of what the entry says with itself.
    """

    xx_GKK: NDArray[np.float64]
    xy_GK: NDArray[np.float64]
    yy_G: NDArray[np.float64]

    @classmethod
    def zeros(cls, predictions: int, columns: int) -> Sums:
        """Of no rows."""
        return cls(
            xx_GKK=np.zeros((predictions, columns, columns)),
            xy_GK=np.zeros((predictions, columns)),
            yy_G=np.zeros(predictions),
        )

    def add(self, g: int, x_RK: NDArray[np.float64], y_R: NDArray[np.floating]) -> None:
        """Take rows of prediction g."""
        self.xx_GKK[g] += x_RK.T @ x_RK
        self.xy_GK[g] += x_RK.T @ y_R
        self.yy_G[g] += float(y_R @ y_R)

    def by_window(self, windows: int) -> Sums:
        """The same, summed over each window's predictions, which stand together."""
        columns = self.xy_GK.shape[1]
        return Sums(
            xx_GKK=self.xx_GKK.reshape(windows, -1, columns, columns).sum(axis=1),
            xy_GK=self.xy_GK.reshape(windows, -1, columns).sum(axis=1),
            yy_G=self.yy_G.reshape(windows, -1).sum(axis=1),
        )

    @property
    def sources_G(self) -> NDArray[np.float64]:
        """How many rows are from the source."""
        return self.xx_GKK[:, -1, -1]

    def coefficients(self) -> NDArray[np.float64]:
        """Least squares over all rows: `[K]`, the last is delta."""
        return _solved(self.xx_GKK.sum(axis=0), self.xy_GK.sum(axis=0))

    def spread(self, coefficients_K: NDArray[np.float64]) -> float:
        """The standard deviation of what the fit leaves, over all rows; 0 where there are none."""
        squares = float(self.yy_G.sum() - coefficients_K @ self.xy_GK.sum(axis=0))
        return math.sqrt(max(squares, 0.0) / max(float(self.xx_GKK[:, 0, 0].sum()), 1.0))

    def drawn_deltas(self, rng: np.random.Generator, draws: int = DRAWS) -> NDArray[np.float64]:
        """delta of as many windows, drawn with replacement: `[D]`."""
        count = len(self.xx_GKK)
        weights_DG = rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)
        xx_DKK = np.tensordot(weights_DG, self.xx_GKK, axes=1)
        deltas_D: NDArray[np.float64] = _solved(xx_DKK, weights_DG @ self.xy_GK)[:, -1]
        return deltas_D

    def excess(self, coefficients_K: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the mean residual of source rows is above that of the others: `[G]`, 0 where there are none of one.

        Residuals are what the references' part of `coefficients_K` leaves.
        """
        rows_G, sources_G = self.xx_GKK[:, 0, 0], self.sources_G
        reference_k = coefficients_K[:-1]
        total_G = self.xy_GK[:, 0] - self.xx_GKK[:, 0, :-1] @ reference_k
        source_G = self.xy_GK[:, -1] - self.xx_GKK[:, -1, :-1] @ reference_k
        others_G = rows_G - sources_G
        mean_G = source_G / np.maximum(sources_G, 1)
        others_mean_G = (total_G - source_G) / np.maximum(others_G, 1)
        excess_G: NDArray[np.float64] = np.where((sources_G > 0) & (others_G > 0), mean_G - others_mean_G, 0)
        return excess_G


def _solved(xx_KK: NDArray[np.float64], xy_K: NDArray[np.float64]) -> NDArray[np.float64]:
    """One system, or one for each leading index; 0 where there are no rows."""
    rows = np.maximum(xx_KK[..., :1, :1], 1)
    ridge_KK = _RIDGE * rows * np.eye(xx_KK.shape[-1])
    return np.asarray(np.linalg.solve(xx_KK + ridge_KK, xy_K[..., None])[..., 0], np.float64)
