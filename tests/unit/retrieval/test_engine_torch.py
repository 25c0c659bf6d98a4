"""The matrix product on a CPU, where it gives the same numbers as on a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from harness.retrieval.engine_torch import TorchEngine
from harness.retrieval.engines import NumpyEngine
from harness.retrieval.hamming import nearest

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("k", [1, 5, 50])
def test_a_product_finds_the_same_as_counting(k: int) -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(k)
    kinds = rng.integers(2**18, size=(6, 16, 16), dtype=np.uint32)
    database_NHW, queries_QHW = kinds[rng.integers(6, size=40)], kinds[rng.integers(6, size=9)]
    allowed_N = rng.random(40) < 0.7
    allowed_N[7:14] = False  # a tile with nothing to look at
    found = [
        nearest(queries_QHW, database_NHW, k, engine=engine, allowed_N=allowed_N)
        for engine in (NumpyEngine(threads=1), TorchEngine(device="cpu", tile_frames=7))
    ]
    assert np.array_equal(found[0].distances_QK, found[1].distances_QK)
    assert np.array_equal(found[0].indices_QK, found[1].indices_QK)
