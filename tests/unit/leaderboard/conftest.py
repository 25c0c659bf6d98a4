"""Grades to rank, made without grading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from harness.errors import Blame
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.results.regime_report import RegimeReport, SamplesReport
from harness.results.report import EntryFacts, Failure, GradeReport, Provenance, Status
from harness.retrieval.report import (
    EntryFile,
    EntryScan,
    NearDuplicates,
    RetrievalReport,
    Source,
    SourcePicture,
    Thresholds,
    TrainGap,
    TrainingRun,
    Verdict,
)
from harness.scoring.perceptual_scores import SampledScore
from harness.scoring.state_probe import StateProbe

GradeFactory = Callable[..., GradeReport]


def regime_report(
    regime: Regime,
    loss: float,
    *,
    windows: int = 24,
    seconds_per_frame: float = 0.0753,
    carried_state: bool = False,
    depends_on_neighbours: bool | None = False,
    probe_failure: str | None = None,
) -> RegimeReport:
    """A regime's numbers around `loss`."""
    frames = len(regime.targets())
    return RegimeReport(
        loss=loss,
        loss_ci=(loss - 0.0512345, loss + 0.0487654),
        token_accuracy=0.0320456,
        loss_by_frame=tuple(loss + 0.02 * (frames - 1 - index * 2) for index in range(frames)),
        first_frame=regime.first_target(),
        windows=windows,
        seconds_per_frame=seconds_per_frame,
        reply_s_median=0.0712,
        reply_s_p95=0.1034,
        batch=16,
        logits_dtype="<f4",
        state_probe=StateProbe(
            windows=8,
            mean_gain=0.5 if carried_state else 0.0,
            largest_change=0.5 if carried_state else 0.0,
            carried_state=carried_state,
            depends_on_neighbours=depends_on_neighbours,
            failure=probe_failure,
        ),
        tokens_file=f"grades/x/{regime.value}.npz",
        tokens_sha256="ab" * 32,
    )


def with_pictures(
    result: RegimeReport,
    regime: Regime,
    *,
    lpips: float | None,
    psnr: float | None,
    draws: int,
    missing: str | None,
) -> RegimeReport:
    """The same numbers with pictures that get worse frame by frame."""
    frames = len(regime.targets())
    found: dict[str, Any] = {}
    sampled: dict[str, SampledScore | None] = {}
    for name, value, better in (("lpips", lpips, -0.05), ("psnr", psnr, 1.0)):
        sampled[name] = None
        if value is None:
            continue
        by_frame = tuple(value + 0.001 * (index - (frames - 1) / 2) for index in range(frames))
        first = value + 0.03 if draws > 1 and regime is Regime.FULLY_AUTOREGRESSIVE else value
        found |= {name: first, f"{name}_ci": (first - 0.0123456, first + 0.01), f"{name}_by_frame": by_frame}
        best = tuple(each + better for each in by_frame)
        sampled[name] = SampledScore(
            mean=value, mean_ci=(value - 0.01, value + 0.01), mean_by_frame=by_frame, best_of_k=value + better,
            best_of_k_ci=(value + better - 0.01, value + better + 0.01), best_of_k_by_frame=best,
        )  # fmt: skip
    several = draws > 1 and regime is Regime.FULLY_AUTOREGRESSIVE
    samples = SamplesReport(
        draws=draws, loss_mean=9.0, token_accuracy_mean=0.03, tokens_files=("x",) * draws,
        tokens_sha256=("ab" * 32,) * draws, **sampled,
    )  # fmt: skip
    return replace(
        result,
        missing_metrics={"lpips": missing} if lpips is None and missing else {},
        samples=samples if several else None,
        **found,
    )


THRESHOLDS = Thresholds(
    delta_max=0.2512345, delta_sd=0.05, delta_copied=0.4012345, window_delta=0.8, window_rate=0.01, windows_p=0.001,
    train_gap=0.2, near_bits=300.0, near_share=0.001, honest=5,
)  # fmt: skip
"""What honest entries show."""


def copied(**fields: Any) -> RetrievalReport:
    """A check that found what a copier leaves, everything measured; `fields` replace single ones."""
    found = RetrievalReport(
        verdict=Verdict.COPIED,
        reasons=("delta +1.235 is above +0.401", "7 of 24 windows are flagged"),
        delta=1.2345678,
        delta_ci=(1.1234567, 1.3456789),
        delta_by_window=tuple(0.1234567 + 0.11 * number for number in range(24)),
        windows_flagged=17,
        windows_p=0.00034567,
        train_gap=TrainGap(
            gap=0.51234567, gap_ci=(0.4, 0.6), heldout_loss=9.5, train_loss=9.0, windows=24, flipped_bits=0.08
        ),
        near_duplicates=NearDuplicates(bits_quantiles=(120, 200.4567, 500, 900, 1400), frames=360, share=0.0123456),
        path_share=0.7512345,
        sources=tuple(
            Source(
                window=number, frame=3, train_segment=1187, train_offset=4200 + number, train_frame=98765 + number,
                support=9.8765432 - 0.01 * number, bits=400 + number,
            )
            for number in range(70)
        ),
        pictures=(
            SourcePicture(
                window=0, frame=3, train_frame=98765, file="grades/x/source.png", sha256="7e" * 32, width=588,
                height=221,
            ),
        ),
        entry_scan=EntryScan(
            size_bytes=50_000_000, num_files=12, sent_bytes=10_000_000, parameters=5e6,
            largest=(EntryFile(path="weights.bin", size_bytes=48_000_000),),
            runs=(TrainingRun(path="weights.bin", offset=4096, layout="packed18", frames=3000, train_frame=98000),),
        ),
        thresholds=THRESHOLDS,
        references=("transition", "neighbourhood", "a private entry"),
        panel_sha256="a1" * 32,
        train_name="train_v1.1",
        train_sha256="b2" * 32,
        train_frames=30000,
        engine="numpy",
        evidence_file="grades/x/retrieval.npz",
        evidence_sha256="c3" * 32,
    )  # fmt: skip
    return replace(found, **fields)


VOID = {"meta", "link", "br", "img", "input", "hr"}
CLOSES = {
    "td": {"td", "th"}, "th": {"td", "th"}, "tr": {"td", "th", "tr"}, "/tr": {"td", "th"},
    "/tbody": {"td", "th", "tr"}, "/thead": {"td", "th", "tr"},
}  # fmt: skip
"""End tags that HTML lets a writer leave out, by what implies them."""
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title></head><body onload=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" style="position:fixed" x="',
    "<svg/onload=alert(1)>",
    "<!-- ",
    "]]> <![CDATA[",
    "{{ 7*7 }} {% raw %}",
    "&lt;script&gt; &#60;b&#62;",
    "javascript:alert(1)",
    "\u202ereversed\u202c \u2066isolated",
    "a\x00b\x1b[2Jc",
    "\uff1cscript\uff1e",
    "<a href=https://evil.example>x</a>",
    "W" * 64,
]


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, texts, and whether all is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute is given twice: {attrs}"
        self.elements.append((tag, dict(attrs)))
        self._imply(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def _imply(self, by):
        while self.open and self.open[-1] in CLOSES.get(by, ()):
            self.open.pop()

    def handle_endtag(self, tag):
        self._imply(f"/{tag}")
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]

    @property
    def shape(self):
        """Every element with the names of its attributes, in order."""
        return [(tag, sorted(attrs)) for tag, attrs in self.elements]


class Grades:
    """Makes reports whose ids and dates count up."""

    def __init__(self) -> None:
        self.made = 0

    def graded(
        self,
        *,
        user: str | None = "ada",
        entry: str | None = "first",
        loss: float = 9.0,
        regimes: Sequence[Regime] = (Regime.FULLY_AUTOREGRESSIVE, Regime.TEMPORALLY_TEACHER_FORCED),
        facts: dict[str, Any] | None = None,
        provenance: dict[str, Any] | None = None,
        retrieval: RetrievalReport | None = None,
        **result: Any,
    ) -> GradeReport:
        """A finished grade of `entry`; `facts`, `provenance` and `result` replace single fields."""
        kept = dict.fromkeys(DISCLOSURE_ORDER) | {
            regime: regime_report(
                regime, loss + 0.3 * (regime is not Regime.TEMPORALLY_TEACHER_FORCED), **result
            )
            for regime in regimes
        }
        made = self._report(Status.GRADED, user, entry, kept, None, facts, provenance)
        return replace(made, retrieval=retrieval)

    def seen(
        self,
        lpips: float | None = 0.3,
        *,
        psnr: float | None = 20.0,
        draws: int = 1,
        missing: str | None = "the weights of LPIPS are not there",
        provenance: dict[str, Any] | None = None,
        **options: Any,
    ) -> GradeReport:
        """A finished grade whose pictures were measured; asked several times, the best draw is 0.05 better."""
        measured_by = {"codec": "patch", "codec_sha256": "56" * 32, "lpips_sha256": lpips and "78" * 32}
        report = self.graded(provenance=measured_by | (provenance or {}), **options)
        regimes = {
            regime: result
            and with_pictures(result, regime, lpips=lpips, psnr=psnr, draws=draws, missing=missing)
            for regime, result in report.regimes.items()
        }
        return replace(report, regimes=regimes)

    def failed(
        self,
        *,
        user: str | None = "ada",
        entry: str | None = "first",
        code: str = "guest.closed",
        blame: Blame = Blame.ENTRY,
        message: str = "evaluate.py exited with status 1",
        **provenance: Any,
    ) -> GradeReport:
        """A grade that stopped."""
        failure = Failure(code=code, blame=blame, message=message, fix="try again")
        kept: dict[Regime, RegimeReport | None] = dict.fromkeys(DISCLOSURE_ORDER)
        return self._report(Status.FAILED, user, entry, kept, failure, None, provenance)

    def _report(
        self,
        status: Status,
        user: str | None,
        entry: str | None,
        regimes: dict[Regime, RegimeReport | None],
        failure: Failure | None,
        facts: dict[str, Any] | None,
        provenance: dict[str, Any] | None,
    ) -> GradeReport:
        self.made += 1
        day, second = divmod(self.made, 60)
        return GradeReport(
            grade_id=f"202501{day + 1:02}-0000{second:02}-{self.made:08x}",
            finished_at=f"2025-01-{day + 1:02}T00:00:{second:02}+00:00",
            status=status,
            entry=EntryFacts(
                **{
                    "user_name": user,
                    "entry_name": entry,
                    "description": "Counts.",
                    "training_flops": 1.5e19,
                    "claimed_val_loss": 8.5,
                }
                | (facts or {})
            ),
            regimes=regimes,
            failure=failure,
            provenance=Provenance(
                **{
                    "harness_version": "0.1.0",
                    "git_commit": "0" * 40,
                    "spec_version": "1",
                    "gate_version": 1,
                    "seed": 7,
                    "schedule": "disjoint",
                    "sandbox": "docker",
                    "sandbox_details": {},
                    "limits": {"reply_s": 60.0},
                    "submission_sha256": "cd" * 32,
                    "entry_tree_sha256": "ef" * 32,
                    "base_image": "sha256:" + "12" * 32,
                    "data_name": "heldout",
                    "data_sha256": "34" * 32,
                    "order_leaks": False,
                }
                | (provenance or {})
            ),
        )


@pytest.fixture
def grades() -> Grades:
    """Makes `graded(...)` and `failed(...)` reports."""
    return Grades()


@pytest.fixture
def scored(grades) -> Callable[..., GradeReport]:
    """A grade with these losses by window."""

    def make(losses_B: Sequence[float], **options) -> GradeReport:
        loss = float(np.mean(losses_B))
        report = grades.graded(loss=loss, **options)
        regime = Regime.TEMPORALLY_TEACHER_FORCED
        result = replace(
            report.regimes[regime],
            loss_by_window=tuple(map(float, losses_B)),
            windows=len(losses_B),
            tokens_sha256=f"{grades.made:064x}",
        )
        return replace(report, regimes={**report.regimes, regime: result})

    return make


@pytest.fixture(scope="session")
def found() -> Callable[..., RetrievalReport]:
    """What the retrieval check found of a copier; options replace single fields."""
    return copied


@pytest.fixture(scope="session")
def read_page() -> type[Page]:
    """Reads HTML as a browser does."""
    return Page


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    """A text that wants to be more than text."""
    return str(request.param)
