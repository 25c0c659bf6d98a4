"""Evidence is kept whole and read back as it was, or not at all."""

from __future__ import annotations

import hashlib
import io
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StoreFailed
from harness.retrieval.evidence import Evidence, read_evidence

EVIDENCE = Evidence(
    probes_sha256="ab" * 32,
    logprobs_R=np.linspace(-16, 0, 7).astype(np.float16),
    distances_BT=np.arange(30, dtype=np.int32).reshape(2, 15),
    nearest_BT=np.arange(30).reshape(2, 15),
    sources_BT=np.arange(30).reshape(2, 15) - 1,
    support_BT=np.linspace(0, 3, 30).reshape(2, 15),
    delta_B=np.array([0.25, -0.5]),
)


def kept(folder: Path, content: bytes) -> tuple[Path, str]:
    path = folder / "retrieval.npz"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_evidence_is_read_back_as_it_was_kept(tmp_path: Path) -> None:
    path, sha256 = kept(tmp_path, EVIDENCE.to_bytes())
    found = read_evidence(path, sha256=sha256)
    for each in fields(Evidence):
        was, now = getattr(EVIDENCE, each.name), getattr(found, each.name)
        np.testing.assert_array_equal(was, now)
        assert np.asarray(was).dtype == np.asarray(now).dtype


def test_equal_evidence_has_equal_bytes() -> None:
    assert EVIDENCE.to_bytes() == replace(EVIDENCE).to_bytes()


def test_finer_values_are_rounded_to_what_is_kept(tmp_path: Path) -> None:
    finer: Any = replace(EVIDENCE, logprobs_R=np.full(3, -1 / 3))
    path, sha256 = kept(tmp_path, finer.to_bytes())
    assert read_evidence(path, sha256=sha256).logprobs_R.tolist() == [float(np.float16(-1 / 3))] * 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="nowhere") as failure:
        read_evidence(tmp_path / "nowhere", sha256="")
    assert failure.value.code == "store.evidence_missing"


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    content = bytearray(EVIDENCE.to_bytes())
    path, sha256 = kept(tmp_path, bytes(content))
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreFailed, match="is not the file") as failure:
        read_evidence(path, sha256=sha256)
    assert failure.value.code == "store.evidence_damaged"


def arrays(**changes: Any) -> bytes:
    file = io.BytesIO()
    names = {each.name: getattr(EVIDENCE, each.name) for each in fields(Evidence)}
    names["probes_sha256"] = np.frombuffer(b"ab", np.uint8)
    np.savez(file, **{name: value for name, value in {**names, **changes}.items() if value is not None})
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a zip", id="text"),
        pytest.param(EVIDENCE.to_bytes()[:-9], id="cut off"),
        pytest.param(arrays(delta_B=None), id="an array is missing"),
        pytest.param(arrays(delta_B=np.zeros((2, 1))), id="another number of axes"),
        pytest.param(arrays(logprobs_R=np.zeros(7)), id="another type"),
        pytest.param(arrays(delta_B=np.zeros(3)), id="another number of windows"),
        pytest.param(arrays(nearest_BT=np.zeros((2, 14), np.int64)), id="another number of frames"),
        pytest.param(arrays(logprobs_R=np.array([{}], object)), id="pickled objects"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path, sha256 = kept(tmp_path, content)
    with pytest.raises(StoreFailed) as failure:
        read_evidence(path, sha256=sha256)
    assert failure.value.code == "store.evidence_damaged"


def test_the_file_that_the_refused_ones_are_made_from_is_accepted(tmp_path: Path) -> None:
    path, sha256 = kept(tmp_path, arrays())
    assert read_evidence(path, sha256=sha256).delta_B.tolist() == [0.25, -0.5]
