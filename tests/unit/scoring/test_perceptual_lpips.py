"""LPIPS against the published metric's own figures, and what it says of weights that are none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.published import LPIPS_BACKBONE, LPIPS_FILES, LPIPS_HEADS, PublishedFile
from harness.errors import DataInvalid
from harness.scoring.perceptual import Metric, open_metrics
from harness.scoring.perceptual_lpips import Lpips

pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).parents[2] / "golden" / "lpips" / "vectors.npz"
CONVOLUTIONS = {0: (3, 64, 11, 4, 2), 3: (64, 192, 5, 1, 2), 6: (192, 384, 3, 1, 1)}
CONVOLUTIONS |= {8: (384, 256, 3, 1, 1), 10: (256, 256, 3, 1, 1)}


@pytest.fixture(scope="module")
def torch() -> Iterator[Any]:
    library = pytest.importorskip("torch")
    threads = library.get_num_threads()
    library.set_num_threads(1)
    yield library
    library.set_num_threads(threads)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def weights(torch: Any, golden: dict[str, np.ndarray]) -> dict[str, Any]:
    """The golden heads, and the backbone that the seed of tests/golden gives."""
    torch.manual_seed(11)
    found = {}
    for index, (into, out, size, stride, padding) in CONVOLUTIONS.items():
        layer = torch.nn.Conv2d(into, out, size, stride, padding)
        found[f"features.{index}.weight"] = layer.weight.detach()
        found[f"features.{index}.bias"] = layer.bias.detach()
    heads = {key.removeprefix("head."): value for key, value in golden.items() if key.startswith("head.")}
    return found | {key: torch.from_numpy(value) for key, value in heads.items()}


@pytest.fixture(scope="module")
def images(golden: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The golden images: every 8th pixel is kept of images made of 8x8 blocks."""

    def whole(kept_BCYX: np.ndarray) -> np.ndarray:
        return kept_BCYX.repeat(8, axis=2).repeat(8, axis=3).transpose(0, 2, 3, 1)

    return whole(golden["a"]), whole(golden["b"])


@pytest.fixture
def save(torch: Any, tmp_path: Path) -> Callable[..., Path]:
    """Writes both files of weights; a keyword is a file's other content."""

    def write(weights: dict[str, Any], **other: Any) -> Path:
        for file, start in ((LPIPS_BACKBONE, "features"), (LPIPS_HEADS, "lin")):
            part = {key: value for key, value in weights.items() if key.startswith(start)}
            torch.save(other.get(start, part), tmp_path / file.name)
        return tmp_path

    return write


@pytest.fixture
def load() -> Callable[..., Lpips]:
    """Reads a folder whose files, whatever is in them, count as published."""

    def read(folder: Path) -> Lpips:
        digests = [hashlib.sha256((folder / file.name).read_bytes()).hexdigest() for file in LPIPS_FILES]
        files = [replace(file, sha256=digest) for file, digest in zip(LPIPS_FILES, digests, strict=True)]
        return Lpips.load(folder, files=files, device="cpu")

    return read


@pytest.mark.parametrize("file", LPIPS_FILES)
def test_other_weights_than_the_published_ones_are_refused(
    weights: dict[str, Any], save: Callable[..., Path], file: PublishedFile
) -> None:
    """Control: the digests in harness/data/published.py; ranks by other weights mean nothing."""
    folder = save(weights)
    contents = {each.name: (folder / each.name).read_bytes() for each in LPIPS_FILES}
    files = [replace(each, sha256=hashlib.sha256(contents[each.name]).hexdigest()) for each in LPIPS_FILES]
    assert Lpips.load(folder, files=files, device="cpu").sha256
    content = contents[file.name]
    (folder / file.name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataInvalid, match=file.name) as caught:
        Lpips.load(folder, files=files, device="cpu")
    assert caught.value.code == "lpips.not_published"


def test_by_default_the_published_weights_are_the_only_ones(
    weights: dict[str, Any], save: Callable[..., Path]
) -> None:
    metrics = open_metrics(save(weights))
    assert "is not the published file" in metrics.missing[Metric.LPIPS]
    assert metrics.lpips_sha256 is None


def test_the_golden_distances_are_reproduced(
    weights: dict[str, Any], images: tuple[np.ndarray, np.ndarray], golden: dict[str, np.ndarray]
) -> None:
    distances = Lpips(weights, device="cpu")(*images)
    assert distances.dtype == np.float64
    np.testing.assert_allclose(distances, golden["distance"], atol=1e-5, rtol=0)


def test_equal_images_have_no_distance_and_order_does_not_matter(
    weights: dict[str, Any], images: tuple[np.ndarray, np.ndarray]
) -> None:
    lpips, (a, b) = Lpips(weights, device="cpu"), images
    assert lpips(a, a).tolist() == [0, 0, 0]
    np.testing.assert_allclose(lpips(a, b), lpips(b, a), atol=1e-6)


def test_more_images_than_one_pass_takes_are_each_compared(
    weights: dict[str, Any], images: tuple[np.ndarray, np.ndarray], golden: dict[str, np.ndarray]
) -> None:
    a, b = (np.tile(half[:, :, :, :], (12, 1, 1, 1)) for half in images)
    distances = Lpips(weights, device="cpu")(a, b)
    np.testing.assert_allclose(distances, np.tile(golden["distance"], 12), atol=1e-5, rtol=0)
    assert Lpips(weights, device="cpu")(a[:0], b[:0]).shape == (0,)


def test_weights_are_read_from_a_folder_and_named_by_their_digest(
    weights: dict[str, Any],
    images: tuple[np.ndarray, np.ndarray],
    save: Callable[..., Path],
    load: Callable[..., Lpips],
) -> None:
    folder = save(weights | {"features.12.weight": weights["features.0.bias"]})
    first = load(folder)
    np.testing.assert_array_equal(first(*images), Lpips(weights, device="cpu")(*images))
    assert first.sha256
    doubled = save(weights | {"lin0.model.1.weight": 2 * weights["lin0.model.1.weight"]})
    assert load(doubled).sha256 != first.sha256


def test_with_its_weights_lpips_is_measured_beside_the_others(
    weights: dict[str, Any],
    images: tuple[np.ndarray, np.ndarray],
    save: Callable[..., Path],
    load: Callable[..., Lpips],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lpips = load(save(weights))
    monkeypatch.setattr(Lpips, "load", lambda *_, **__: lpips)
    metrics = open_metrics(Path("anywhere"))
    assert metrics.lpips_sha256 == lpips.sha256
    assert set(metrics.compare) | set(metrics.missing) == set(Metric)
    np.testing.assert_allclose(metrics.compare[Metric.LPIPS](*images), Lpips(weights)(*images), atol=1e-6)


@pytest.mark.parametrize("file", [LPIPS_BACKBONE, LPIPS_HEADS])
def test_a_missing_file_is_named_with_the_command_that_fetches_it(
    weights: dict[str, Any], save: Callable[..., Path], file: Any
) -> None:
    folder = save(weights)
    (folder / file.name).unlink()
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }
    files = [replace(each, sha256=digests.get(each.name, each.sha256)) for each in LPIPS_FILES]
    with pytest.raises(DataInvalid, match=file.name) as caught:
        Lpips.load(folder, files=files)
    assert caught.value.code == "lpips.missing"
    assert "wmc data pull --lpips" in caught.value.fix


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 nor a zip", b"\x80\x02}q\x00."])
def test_a_file_that_holds_no_weights_is_refused(
    weights: dict[str, Any], save: Callable[..., Path], load: Callable[..., Lpips], content: bytes
) -> None:
    folder = save(weights)
    (folder / LPIPS_HEADS.name).write_bytes(content)
    with pytest.raises(DataInvalid) as caught:
        load(folder)
    assert caught.value.code == "lpips.invalid"


def test_a_file_that_runs_code_when_it_is_unpickled_is_refused(
    weights: dict[str, Any], save: Callable[..., Path], load: Callable[..., Lpips], tmp_path: Path
) -> None:
    """Control: `weights_only=True`; without it the file below makes another one."""
    trace = tmp_path / "it-ran"

    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (trace,))

    with pytest.raises(DataInvalid) as caught:
        load(save(weights, lin=Hostile()))
    assert caught.value.code == "lpips.invalid"
    assert not trace.exists()


def test_another_networks_weights_are_refused_by_the_name_of_the_tensor(
    torch: Any, weights: dict[str, Any]
) -> None:
    with pytest.raises(DataInvalid, match=r"features\.3\.weight is missing"):
        Lpips({key: value for key, value in weights.items() if key != "features.3.weight"})
    with pytest.raises(DataInvalid, match=r"lin1\.model\.1\.weight"):
        Lpips(weights | {"lin1.model.1.weight": torch.ones(1, 64, 1, 1)})
