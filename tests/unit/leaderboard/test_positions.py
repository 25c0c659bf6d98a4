"""The map is the mean of the losses that were kept, of exactly the file that the record names."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from harness.protocol.regimes import Regime
from harness.results.store import Store
from leaderboard.figures import LARGEST
from leaderboard.positions import SHADES, PositionMap, loss_by_position, position_maps, shading

TTF = Regime.TEMPORALLY_TEACHER_FORCED


@pytest.fixture
def kept(tmp_path, grades):
    """A regime's report whose losses are in the store at `tmp_path`."""

    def keep(nats_BTHW):
        report = grades.graded()
        tokens = np.zeros(np.shape(nats_BTHW), np.uint32)
        file, sha256 = Store(tmp_path).save_tokens(
            report.grade_id, TTF.value, nats_BTHW=np.asarray(nats_BTHW), tokens_BTHW=tokens,
            starts_B=np.arange(len(nats_BTHW)),
        )  # fmt: skip
        return replace(report.regimes[TTF], tokens_file=file, tokens_sha256=sha256)

    return keep


def test_the_map_is_the_mean_over_windows_and_frames_at_each_position(kept, tmp_path):
    nats = np.random.default_rng(0).uniform(5, 12, (3, 15, 16, 16))
    found = loss_by_position(kept(nats), tmp_path)
    np.testing.assert_allclose(found.losses_HW, nats.mean(axis=(0, 1)), atol=0.006)
    assert np.shape(found.losses_HW) == (16, 16)


def test_it_is_published_with_two_decimals(kept, tmp_path):
    found = loss_by_position(kept(np.full((1, 1, 16, 16), 8.123456)), tmp_path)
    assert {loss for row in found.losses_HW for loss in row} == {8.12}


def test_a_row_of_the_map_is_a_row_of_the_frame(kept, tmp_path):
    nats = np.full((1, 2, 16, 16), 8.0)
    nats[:, :, 3, 11] = 11.0
    nats[:, :, 15, 0] = 5.0
    found = loss_by_position(kept(nats), tmp_path)
    assert found.losses_HW[3][11] == 11.0
    assert found.in_words == "lowest 5.00 at row 16, column 1; highest 11.00 at row 4, column 12"
    ninths = dict(found.ninths())
    assert max(ninths, key=ninths.get) == "upper right"
    assert min(ninths, key=ninths.get) == "lower left"
    assert len(ninths) == 9


def test_one_absurd_loss_is_no_more_than_large(kept, tmp_path):
    nats = np.full((2, 1, 16, 16), 8.0)
    nats[0, 0, 0, 0] = 1e38
    assert loss_by_position(kept(nats), tmp_path).high == (8.0 + LARGEST) / 2


def test_a_file_that_is_gone_changed_or_elsewhere_gives_no_map(kept, tmp_path):
    result = kept(np.full((1, 1, 16, 16), 8.0))
    assert loss_by_position(result, tmp_path)
    shutil.rmtree(tmp_path / "maps")
    assert loss_by_position(replace(result, tokens_sha256="0" * 64), tmp_path) is None
    outside = tmp_path.parent / "outside.npz"
    outside.write_bytes((tmp_path / result.tokens_file).read_bytes())
    assert loss_by_position(replace(result, tokens_file="../outside.npz"), tmp_path) is None
    (tmp_path / result.tokens_file).unlink()
    assert loss_by_position(result, tmp_path) is None
    assert loss_by_position(replace(result, tokens_sha256="../../x"), tmp_path) is None


def test_a_map_is_made_once_and_again_if_it_was_damaged(kept, tmp_path):
    result = kept(np.random.default_rng(0).uniform(5, 12, (1, 2, 16, 16)))
    made = loss_by_position(result, tmp_path)
    (path,) = (tmp_path / "maps").iterdir()
    for damage in ("", "[[1]]", "[[NaN]]", '{"a": 1}', "not json"):
        path.write_text(damage)
        assert loss_by_position(result, tmp_path) == made
    (tmp_path / result.tokens_file).unlink()
    assert loss_by_position(result, tmp_path) == made


def test_a_store_that_cannot_be_written_still_gives_maps(kept, tmp_path):
    result = kept(np.full((1, 1, 16, 16), 8.0))
    (tmp_path / "maps").write_text("a file where the folder would be")
    assert loss_by_position(result, tmp_path)


def test_a_map_of_another_shape_is_none(kept, tmp_path):
    assert loss_by_position(kept(np.full((1, 1, 8, 8), 8.0)), tmp_path) is None


def test_only_regimes_with_losses_at_hand_have_maps(kept, tmp_path, grades):
    report = grades.graded()
    report = replace(report, regimes={**report.regimes, TTF: kept(np.full((1, 1, 16, 16), 8.0))})
    assert list(position_maps(report, tmp_path)) == [TTF]


def test_every_position_has_one_shade_and_darker_is_more(kept):
    losses = np.linspace(6, 9, 256).reshape(16, 16)
    drawn = PositionMap(losses_HW=tuple(map(tuple, losses.tolist())))
    squares = dict(shading([drawn]).squares(drawn))
    assert list(squares) == list(range(SHADES))
    assert sum(path.count("M") for path in squares.values()) == 256
    assert squares[0].startswith("M0 0h1v1h-1z")
    assert squares[SHADES - 1].endswith("M15 15h1v1h-1z")


def test_the_same_colour_means_the_same_in_every_map():
    low, high = (PositionMap(losses_HW=((loss,) * 16,) * 16) for loss in (6.0, 9.0))
    colours = shading([low, high])
    assert [shade for shade, _ in colours.squares(low)] == [0]
    assert [shade for shade, _ in colours.squares(high)] == [SHADES - 1]
    assert [shade for shade, _ in shading([low]).squares(low)] == [0], "a level map has a shade too"
