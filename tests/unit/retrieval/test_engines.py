"""Every engine against counting bit by bit."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.retrieval import engines
from harness.retrieval.engine_torch import TorchEngine
from harness.retrieval.engines import Engine, NumbaEngine, NumpyEngine, best_engine
from harness.retrieval.hamming import nearest
from harness.retrieval.packing import words
from harness.retrieval.shortlist import FAR


def noise(frames: int, seed: int, height: int = 16) -> NDArray[np.uint32]:
    return np.random.default_rng(seed).integers(2**18, size=(frames, height, 16), dtype=np.uint32)


@pytest.fixture(params=["numpy", "numba", pytest.param("torch", marks=pytest.mark.torch)])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "numpy":
        return NumpyEngine(threads=2, tile_frames=9, tile_queries=4)
    pytest.importorskip(request.param)
    if request.param == "numba":
        return NumbaEngine(threads=2, tile_frames=9, tile_queries=4)
    return TorchEngine(device="cpu", tile_frames=9, tile_queries=4)


@pytest.mark.parametrize(("queries", "frames"), [(1, 1), (3, 4), (5, 7), (0, 5), (33, 34), (2, 0)])
def test_distances_are_the_bits_that_differ(engine: Engine, queries: int, frames: int) -> None:
    query_QHW, frame_NHW = noise(queries, 0), noise(frames, 1)
    distance_QN = engine.distances(words(query_QHW), words(frame_NHW))
    assert distance_QN.dtype == np.uint16
    assert distance_QN.shape == (queries, frames)
    assert distance_QN.tolist() == [
        [sum(int(x).bit_count() for x in (query ^ frame).flat) for frame in frame_NHW] for query in query_QHW
    ]


def test_distances_reach_from_none_to_all_bits(engine: Engine) -> None:
    frame_NHW = noise(5, 0)
    both = words(np.concatenate([frame_NHW, frame_NHW ^ np.uint32(2**18 - 1)]))
    distance_QN = engine.distances(both[:5], both)
    assert np.diagonal(distance_QN[:, :5]).tolist() == [0] * 5
    assert np.diagonal(distance_QN[:, 5:]).tolist() == [4608] * 5


def test_closest_are_below_the_bound_and_equals_come_in_order(engine: Engine) -> None:
    frame_NHW = noise(1, 0).repeat(12, axis=0)
    frame_NHW[[2, 7], 0, 0] ^= 1
    frame_NHW[5, 0, 0] ^= 3
    query_QW, frame_NW = words(frame_NHW[[2, 2, 2, 2]]), words(frame_NHW)
    bound_Q = np.array([FAR, 1, 0, 2], np.int32)
    frame_M, query_M, distance_M = engine.closest(query_QW, frame_NW, bound_Q, 3)
    found = {q: (frame_M[query_M == q].tolist(), distance_M[query_M == q].tolist()) for q in range(3)}
    by_frame = {q: sorted(zip(*pairs, strict=True)) for q, pairs in found.items()}
    assert by_frame == {0: [(0, 1), (2, 0), (7, 0)], 1: [(2, 0), (7, 0)], 2: []}
    assert {(2, 0), (7, 0), (0, 1)} <= set(zip(frame_M.tolist(), distance_M.tolist(), strict=True))


@given(seed=st.integers(0, 2**32), frames=st.integers(0, 40), k=st.integers(1, 12))
def test_every_engine_finds_the_same(seed: int, frames: int, k: int) -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(seed)
    kinds = rng.integers(2**18, size=(4, 2, 3), dtype=np.uint32) & np.uint32(0b11)
    database_NHW, queries_QHW = kinds[rng.integers(4, size=frames)], kinds[rng.integers(4, size=7)]
    small: dict[str, Any] = {"threads": 2, "tile_frames": 9, "tile_queries": 4}
    one = nearest(queries_QHW, database_NHW, k, engine=NumpyEngine(**small))
    other = nearest(queries_QHW, database_NHW, k, engine=NumbaEngine(**small))
    assert np.array_equal(one.distances_QK, other.distances_QK)
    assert np.array_equal(one.indices_QK, other.indices_QK)


def test_a_gpu_is_used_where_it_is_named() -> None:
    engine = best_engine("cuda:1")
    assert isinstance(engine, TorchEngine)
    assert engine.device == "cuda:1"


@pytest.mark.parametrize(
    ("driver", "is_available", "found"),
    [(True, True, "torch"), (True, False, "numpy"), (False, True, "numpy")],
)
def test_a_gpu_is_used_where_torch_finds_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, driver: bool, is_available: bool, found: str
) -> None:
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: is_available))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(engines, "DRIVER", tmp_path if driver else tmp_path / "none")
    assert best_engine().name.startswith(found)


def test_numba_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(engines, "DRIVER", tmp_path / "none")
    assert best_engine().name == best_engine("cpu").name == "numba"


def test_numpy_is_used_where_numba_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engines, "DRIVER", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "numba", None)
    assert best_engine().name == "numpy"


def test_no_engine_needs_what_it_does_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numba and torch the search still runs."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] in {"numba", "torch"}:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert nearest(noise(1, 0), noise(3, 0), 1).indices_QK.tolist() == [[0]]
