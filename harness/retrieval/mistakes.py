"""Which mistakes the candidates of one prediction make: who makes them alone, and whose an entry likes best.

Axes: R probes of one prediction, C its candidates, P cells of a frame, X any.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.retrieval.probes import Probes, cell_values


def mistakes(probes: Probes, g: int, sources_CHW: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Which of prediction g's probes each candidate shows in each cell: int64 `[C, P]`, -1 where it shows none."""
    rows, vocab = probes.rows(g), probes.spec.factor_vocab
    values_CP = cell_values(sources_CHW, probes.spec)
    first_P = np.arange(values_CP.shape[1]) * vocab
    row_of = np.full(len(first_P) * vocab, -1)
    code_R = probes.cells_R[rows].astype(np.int64) * vocab + probes.values_R[rows]
    row_of[code_R] = np.arange(len(code_R))
    row_CP: NDArray[np.int64] = row_of[first_P + values_CP]
    return row_CP


def ranked(
    extra_R: NDArray[np.float64], row_CP: NDArray[np.int64], segment_C: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The candidate of each segment whose mistakes have most extra nats, the best segment first."""
    extra_C = np.append(extra_R, 0)[row_CP].sum(axis=1)  # the last is for cells without a mistake
    order_C = np.argsort(-extra_C, kind="stable")
    _, first = np.unique(segment_C[order_C], return_index=True)
    ranked_C: NDArray[np.int64] = order_C[np.sort(first)]
    return ranked_C


def alone(row_CP: NDArray[np.int64], segment_C: NDArray[np.int64], rows: int) -> NDArray[np.bool_]:
    """Which of so many rows the candidates of one segment only show."""
    first_R, last_R = np.full((2, rows + 1), -1)
    order_C = np.argsort(segment_C)
    for seen_R, order in ((last_R, order_C), (first_R, order_C[::-1])):
        seen_R[row_CP[order]] = segment_C[order, None]  # of equal rows the last one stays
    alone_R: NDArray[np.bool_] = ((first_R == last_R) & (first_R >= 0))[:-1]
    return alone_R


def marked(row_X: NDArray[np.int64], rows: int) -> NDArray[np.bool_]:
    """Which of so many rows are named, -1 being none of them."""
    is_named_R = np.zeros(rows + 1, np.bool_)
    is_named_R[row_X] = True
    return is_named_R[:-1]
