"""How a record's pictures are shown in a terminal."""

import json
from dataclasses import replace

import pytest

from harness.cli.console import Console
from harness.cli.grade_view import show_report
from harness.protocol.regimes import Regime
from harness.results.regime_report import RegimeReport, SamplesReport
from harness.results.report import EntryFacts, GradeReport, Provenance, Status
from harness.scoring.perceptual_scores import SampledScore
from harness.scoring.state_probe import StateProbe

REGIME = RegimeReport(
    loss=9.5,
    loss_ci=(9.25, 9.75),
    token_accuracy=0.5,
    loss_by_frame=(9.0, 10.0),
    first_frame=14,
    windows=4,
    seconds_per_frame=0.1,
    reply_s_median=0.1,
    reply_s_p95=0.2,
    batch=2,
    logits_dtype="<f4",
    state_probe=StateProbe(
        windows=4, mean_gain=0.0, largest_change=0.0, carried_state=False, depends_on_neighbours=None
    ),
    tokens_file="grades/x/r.npz",
    tokens_sha256="0" * 64,
)
PICTURES = {"psnr": 20.128, "psnr_ci": (19.0, 21.0), "psnr_by_frame": (21.0, 19.25)}
PICTURES |= {"ssim": 0.5, "ssim_ci": (0.4, 0.6), "ssim_by_frame": (0.6, 0.4)}
LPIPS = {"lpips": 0.21, "lpips_ci": (0.2, 0.2212), "lpips_by_frame": (0.2, 0.22)}


def sampled(mean: float, best: float) -> SampledScore:
    return SampledScore(
        mean=mean,
        mean_ci=(mean, mean),
        mean_by_frame=(mean, mean),
        best_of_k=best,
        best_of_k_ci=(best, best),
        best_of_k_by_frame=(best, best),
    )


@pytest.fixture
def show(capsys, monkeypatch):
    """The lines that a grade with this result shows; (stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(result, *, as_json=False):
        report = GradeReport(
            grade_id="g",
            finished_at="2026-01-01T00:00:00+00:00",
            status=Status.GRADED,
            entry=EntryFacts(user_name="ada", entry_name="first"),
            regimes=dict.fromkeys(Regime) | {Regime.FULLY_AUTOREGRESSIVE: result},
            failure=None,
            provenance=Provenance(
                harness_version="0",
                git_commit=None,
                spec_version="1",
                gate_version=1,
                seed=0,
                schedule="disjoint",
                sandbox="process",
                sandbox_details={},
                limits={},
                data_name="val",
                codec="patch",
            ),
        )
        assert show_report(report, Console(), as_json=as_json) == 0
        shown = capsys.readouterr()
        return shown.out, shown.err

    return show


def row(out, start):
    (line,) = [line for line in out.split("pictures (patch)")[1].splitlines() if line.startswith(start)]
    return line.removeprefix(start).split()


def test_what_was_measured_is_a_table_of_its_own(show):
    out, err = show(replace(REGIME, **PICTURES, **LPIPS))
    assert row(out, "fully autoregressive") == ["0.2100", "0.2000", "to", "0.2212", "20.13", "0.5000"]
    assert max(map(len, out.splitlines())) <= 80
    assert "no window shows carried state; largest change 0.0000" in " ".join(out.split())
    assert err == ""


def test_what_was_not_measured_is_a_dash_and_its_reason_one_line(show):
    why = {"lpips": "/a/long/path cannot be read; fetch the [red]weights"}
    out, err = show(replace(REGIME, **PICTURES, missing_metrics=why))
    assert row(out, "fully autoregressive") == ["-", "-", "20.13", "0.5000"]
    assert err == "not measured: lpips: fetch the [red]weights\n", "the record has all of it"


def test_metrics_that_are_missing_for_one_reason_share_a_line(show):
    out, err = show(replace(REGIME, missing_metrics=dict.fromkeys(("lpips", "psnr", "ssim"), "no codec")))
    assert "pictures" not in out
    assert err == "not measured: lpips, psnr, ssim: no codec\n"


def test_a_record_from_before_pictures_were_measured_shows_none_and_gives_no_reason(show):
    out, err = show(REGIME)
    assert "9.5000" in out
    assert "pictures" not in out
    assert err == ""


def test_several_draws_have_a_line_for_their_mean_and_one_for_the_best(show):
    draws = SamplesReport(
        draws=3,
        loss_mean=9.5,
        token_accuracy_mean=0.5,
        tokens_files=("a", "b", "c"),
        tokens_sha256=("0", "1", "2"),
        lpips=sampled(0.25, 0.125),
        psnr=sampled(20.0, 22.0),
    )
    out, _ = show(replace(REGIME, **PICTURES, **LPIPS, samples=draws))
    assert row(out, "  mean of 3 draws") == ["0.2500", "0.2500", "to", "0.2500", "20.00", "-"]
    assert row(out, "  best of 3 draws") == ["0.1250", "0.1250", "to", "0.1250", "22.00", "-"]


def test_json_holds_every_figure(show):
    out, err = show(replace(REGIME, **PICTURES, missing_metrics={"lpips": "no weights"}), as_json=True)
    result = json.loads(out)["regimes"]["fully_autoregressive"]
    assert (result["psnr"], result["ssim_by_frame"], result["lpips"]) == (20.128, [0.6, 0.4], None)
    assert result["missing_metrics"] == {"lpips": "no weights"}
    assert "no weights" in err
