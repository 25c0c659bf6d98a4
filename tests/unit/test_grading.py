"""The whole grade in the process sandbox: every way it can end is one record."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from stand_ins import Listener

from harness import stages
from harness.codec.patch import PatchCodec
from harness.disk.whole_file import whole_file
from harness.errors import Blame, UsageError
from harness.grading import GradeRequest, grade
from harness.intake.pack import pack
from harness.pictures import viewer as pictures
from harness.progress import Silent
from harness.protocol.conversation import Limits
from harness.protocol.regimes import Regime
from harness.results import decoded
from harness.results.attempts import counts
from harness.results.report import GradeReport, Status
from harness.results.store import Store
from harness.retrieval.report import Verdict
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.process import ProcessSandbox
from harness.sandbox.supply import Share
from harness.scoring.perceptual import Metric, Metrics, psnr

ROOT = Path(__file__).parents[2]
RAW_SPAN = 226
LIMITS = Limits(start_s=30, reply_s=20, regime_s=120)


@pytest.fixture
def grade_folder(make_clip: Callable[..., Path], tmp_path: Path) -> Callable[..., GradeReport]:
    """Packs an entry's folder and grades it on a small clip."""

    def run(
        folder: Path, *, regimes: tuple[Regime, ...] = (), limits: Limits = LIMITS, **request: Any
    ) -> GradeReport:
        asked = GradeRequest(
            submission=pack(folder, tmp_path / "entry.zip").path,
            data=make_clip(),
            regimes=regimes,
            limits=limits,
            **{"lpips_weights": tmp_path / "no-weights", **request},
        )
        sandbox = ProcessSandbox(cache=tmp_path / "cache")
        return grade(asked, sandbox=sandbox, store=Store(tmp_path / "store"), progress=Silent())

    return run


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patch codec in a file."""
    y, x = np.mgrid[:64, :64]
    rng = np.random.default_rng(0)
    waves = [
        np.sin(x * a + y * b)[..., None] * rng.uniform(20, 100, 3) for a, b in rng.normal(0, 0.2, (40, 2))
    ]
    images = np.clip(120 + np.stack(waves) + rng.normal(0, 4, (40, 64, 64, 3)), 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("codec") / "codec.npz"
    PatchCodec.fit(images).save(path)
    return path


@pytest.fixture
def entry(tmp_path: Path) -> Callable[[str], Path]:
    """The template with another evaluate.py."""

    def make(evaluate: str) -> Path:
        folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
        (folder / "evaluate.py").write_text(f"#!/usr/bin/env python3\n{evaluate}\n")
        return folder

    return make


def test_the_template_is_graded_and_kept(grade_folder: Callable[..., GradeReport], tmp_path: Path) -> None:
    report = grade_folder(ROOT / "submissions_template")
    assert report.status is Status.GRADED
    assert report.failure is None
    assert Store(tmp_path / "store").reports() == [report]
    first, second, third = (report.regimes[regime] for regime in Regime)
    assert first is not None
    assert second is not None
    assert third is None, "the template is not causal"
    assert (second.windows, len(second.loss_by_frame)) == (4, 15)
    with np.load(tmp_path / "store" / second.tokens_file) as kept:
        assert kept["nats"].shape == kept["tokens"].shape == (4, 15, 16, 16)
        assert kept["nats"].mean(dtype=np.float64) == pytest.approx(second.loss, abs=1e-6)


def test_the_record_says_where_every_number_came_from(grade_folder: Callable[..., GradeReport]) -> None:
    provenance = grade_folder(ROOT / "submissions_template").provenance
    for digest in (provenance.submission_sha256, provenance.data_sha256, provenance.entry_tree_sha256):
        assert digest
        assert len(digest) == 64
    assert provenance.sandbox == "process"
    assert provenance.base_image is None
    assert provenance.order_leaks is False
    assert set(provenance.durations_s) >= {"data", "intake", "build", "temporally_teacher_forced"}


def test_what_the_build_made_is_kept_beside_the_record(
    grade_folder: Callable[..., GradeReport], entry: Callable[[str], Path], tmp_path: Path
) -> None:
    """Every file in the artifact, the sum in the record; for an entry that is found again too."""
    folder = entry("raise SystemExit")
    (folder / "build.sh").write_text("#!/bin/sh\nprintf weights > weights\n")
    for _ in range(2):
        origin = grade_folder(folder).provenance
        assert origin.supply is not None
        assert origin.supply.added == Share(files=1, size_bytes=7)
        assert origin.inventory_file is not None
        kept = tmp_path / "store" / origin.inventory_file
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == origin.inventory_sha256
        with gzip.open(kept) as file:
            added = [json.loads(line)["path"] for line in file if b'"is":"added"' in line]
        assert added == ["weights"]


def test_the_whole_policy_is_in_the_record(grade_folder: Callable[..., GradeReport]) -> None:
    policy = SandboxPolicy()
    assert grade_folder(ROOT / "submissions_template").provenance.sandbox_policy == {
        "build_timeout_s": policy.build_timeout_s,
        "entry_bytes": policy.entry_bytes,
        "entry_files": policy.entry_files,
        "log_bytes": policy.log_bytes,
    }


def test_pictures_are_in_the_record_and_what_is_missing_is_named(
    grade_folder: Callable[..., GradeReport], codec: Path, tmp_path: Path
) -> None:
    report = grade_folder(ROOT / "submissions_template", codec=str(codec))
    assert Store(tmp_path / "store").reports() == [report]
    for regime, frames in ((Regime.FULLY_AUTOREGRESSIVE, 8), (Regime.TEMPORALLY_TEACHER_FORCED, 15)):
        result = report.regimes[regime]
        assert result is not None
        for figure, ci, by_frame in (
            (result.psnr, result.psnr_ci, result.psnr_by_frame),
            (result.ssim, result.ssim_ci, result.ssim_by_frame),
        ):
            assert figure is not None
            assert ci is not None
            assert by_frame is not None
            assert ci[0] <= figure <= ci[1]
            assert len(by_frame) == frames
            assert np.mean(by_frame) == pytest.approx(figure)
        assert (result.lpips, result.lpips_ci, result.lpips_by_frame) == (None, None, None)
        assert set(result.missing_metrics) == {"lpips"}
        assert result.samples is None
    assert report.provenance.codec == "patch"
    assert report.provenance.codec_sha256 == PatchCodec.load(codec).digest
    assert report.provenance.lpips_sha256 is None
    assert "pictures" in report.provenance.durations_s


def test_strips_of_the_same_windows_lie_beside_every_record(
    grade_folder: Callable[..., GradeReport], codec: Path, tmp_path: Path
) -> None:
    regime = Regime.TEMPORALLY_TEACHER_FORCED
    entries = (ROOT / "submissions_template", ROOT / "baselines" / "copy_last")
    shown = []
    for number, folder in enumerate(entries):
        report = grade_folder(folder, regimes=(regime,), codec=str(codec), seed=number)
        result = report.regimes[regime]
        assert result is not None
        for strip in result.strips:
            kept = tmp_path / "store" / strip.file
            assert kept.parent.name == report.grade_id
            assert hashlib.sha256(kept.read_bytes()).hexdigest() == strip.sha256
        shown.append([(strip.window, strip.first_raw_frame) for strip in result.strips])
        assert Store(tmp_path / "store").reports()[-1] == report
    assert shown[0] == shown[1]
    assert len(shown[0]) == 3


def test_pictures_change_no_figure_of_the_tokens(
    grade_folder: Callable[..., GradeReport], codec: Path
) -> None:
    regime = Regime.TEMPORALLY_TEACHER_FORCED
    seen, unseen = (
        grade_folder(ROOT / "submissions_template", regimes=(regime,), codec=str(codec), pictures=pictures)
        for pictures in (True, False)
    )
    one, other = seen.regimes[regime], unseen.regimes[regime]
    assert one is not None
    assert other is not None
    assert (one.loss, one.loss_ci, one.state_probe) == (other.loss, other.loss_ci, other.state_probe)
    assert one.psnr is not None
    assert other.psnr is None
    assert (len(one.strips), other.strips) == (3, ())
    assert set(other.missing_metrics) == {"lpips", "psnr", "ssim"}
    assert all("--no-pictures" in reason for reason in other.missing_metrics.values())
    assert unseen.provenance.codec is None


def test_without_its_codec_a_grade_is_whole_but_for_the_pictures(
    grade_folder: Callable[..., GradeReport], tmp_path: Path
) -> None:
    report = grade_folder(ROOT / "submissions_template", regimes=(Regime.TEMPORALLY_TEACHER_FORCED,))
    result = report.regimes[Regime.TEMPORALLY_TEACHER_FORCED]
    assert report.status is Status.GRADED
    assert result is not None
    assert set(result.missing_metrics) == {"lpips", "psnr", "ssim"}
    assert all("wmc data pull --codec" in reason for reason in result.missing_metrics.values())
    assert not (tmp_path / "store" / "decoded").exists()


def broken_at(images_NYXC: np.ndarray, true_NYXC: np.ndarray) -> np.ndarray:
    """A metric that is no number for one image of each call."""
    values_N = psnr(images_NYXC, true_NYXC)
    values_N[3] = np.nan
    return values_N


def test_a_metric_that_is_no_number_is_missing_and_costs_nothing_else(
    grade_folder: Callable[..., GradeReport], codec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: a record holds finite numbers only, and this one is kept without the one that is none."""
    metrics = Metrics(compare={Metric.LPIPS: broken_at, Metric.PSNR: psnr}, missing={Metric.SSIM: "none"})
    monkeypatch.setattr(pictures, "open_metrics", lambda *_, **__: metrics)
    regime = Regime.FULLY_AUTOREGRESSIVE
    report = grade_folder(ROOT / "submissions_template", regimes=(regime,), codec=str(codec), samples=2)
    result = report.regimes[regime]
    assert report.status is Status.GRADED
    assert result is not None
    assert (result.lpips, result.lpips_by_frame) == (None, None)
    assert result.psnr is not None
    assert result.missing_metrics["lpips"].startswith("it is not a finite number for 2 of 64 frames")
    assert result.samples is not None
    assert result.samples.lpips is None
    assert result.samples.psnr is not None
    assert Store(tmp_path / "store").reports() == [report]


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), OSError(5, "Input/output error")])
def test_a_codec_that_fails_to_open_when_the_guest_is_gone_costs_the_pictures_alone(
    grade_folder: Callable[..., GradeReport], codec: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    opened = pictures.open_codec

    def on_the_cpu_only(*args: Any, device: str | None) -> Any:
        if device != "cpu":
            raise error
        return opened(*args, device=device)

    monkeypatch.setattr(pictures, "open_codec", on_the_cpu_only)
    regime = Regime.TEMPORALLY_TEACHER_FORCED
    report = grade_folder(ROOT / "submissions_template", regimes=(regime,), codec=str(codec))
    result = report.regimes[regime]
    assert report.status is Status.GRADED
    assert result is not None
    assert set(result.missing_metrics) == {"lpips", "psnr", "ssim"}
    assert str(error) in result.missing_metrics["psnr"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(143), TypeError("a bug of ours")])
@pytest.mark.parametrize(
    ("decodings", "measured"), [(0, 0), (2, 1), (3, 2)], ids=["truth", "second regime", "strips"]
)
def test_an_interruption_or_a_bug_while_pictures_are_looked_at_keeps_the_scores_and_ends_the_command(
    grade_folder: Callable[..., GradeReport],
    codec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interruption: BaseException,
    decodings: int,
    measured: int,
) -> None:
    decode, calls = PatchCodec.decode, []

    def until_interrupted(self: PatchCodec, tokens_BHW: Any) -> Any:
        if len(calls) == decodings:
            raise interruption
        calls.append(1)
        return decode(self, tokens_BHW)

    monkeypatch.setattr(PatchCodec, "decode", until_interrupted)
    with pytest.raises(type(interruption)) as caught:
        grade_folder(ROOT / "submissions_template", codec=str(codec))
    assert caught.value is interruption
    (report,) = Store(tmp_path / "store").reports()
    assert report.status is Status.GRADED
    results = [result for result in report.regimes.values() if result]
    assert [result.psnr is not None for result in results] == [number < measured for number in range(2)]
    for result in results[measured:]:
        assert set(result.missing_metrics.values()) == {"pictures were interrupted"}
        assert result.strips == ()


def test_what_will_be_missing_is_told_before_the_entry_is_even_opened(
    make_clip: Callable[..., Path], codec: Path, tmp_path: Path
) -> None:
    (tmp_path / "entry.zip").write_bytes(b"not a zip")
    for options, told in (
        ({}, ["lpips, psnr, ssim: there is no codec"]),
        ({"codec": str(codec)}, ["lpips: "]),
        ({"pictures": False}, []),
    ):
        listener = Listener()
        request = GradeRequest(
            submission=tmp_path / "entry.zip", data=make_clip(), lpips_weights=tmp_path, **options
        )
        sandbox = ProcessSandbox(cache=tmp_path / "c")
        grade(request, sandbox=sandbox, store=Store(tmp_path / "store"), progress=listener)
        assert len(listener.notes) == len(told)
        for note, words in zip(listener.notes, told, strict=True):
            assert f"will not be measured: {words}" in note


class FullDisk:
    """A file on a disk with room for so many bytes of it: what fits is written, then writing fails."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self.file, self.room = file, room

    def tell(self) -> int:
        return self.file.tell()

    def write(self, content: bytes) -> None:
        left = self.room - self.file.tell()
        self.file.write(content[:left])
        if len(content) > left:
            self.file.flush()
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_while_the_truth_is_decoded_costs_the_pictures_and_not_the_record(
    grade_folder: Callable[..., GradeReport], codec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: what could not be written whole is removed, so that the record finds room."""

    @contextmanager
    def filling(path: Path) -> Iterator[FullDisk]:
        with whole_file(path) as file:
            yield FullDisk(file, room=100_000)

    monkeypatch.setattr(decoded, "whole_file", filling)
    regime = Regime.TEMPORALLY_TEACHER_FORCED
    report = grade_folder(ROOT / "submissions_template", regimes=(regime,), codec=str(codec))
    result = report.regimes[regime]
    assert report.status is Status.GRADED
    assert result is not None
    assert "No space left on device" in result.missing_metrics["psnr"]
    assert Store(tmp_path / "store").reports() == [report]
    assert [path.suffix for path in (tmp_path / "store" / "decoded").iterdir()] == [".lock"]


def test_a_codec_that_was_asked_for_and_is_none_ends_the_grade_before_anything_runs(
    grade_folder: Callable[..., GradeReport], tmp_path: Path
) -> None:
    report = grade_folder(ROOT / "submissions_template", codec=str(tmp_path / "nowhere.npz"))
    assert report.failure is not None
    assert (report.failure.code, report.failure.blame) == ("codec.missing", Blame.OPERATOR)
    assert set(report.provenance.durations_s) == {"data"}


def test_several_draws_are_in_the_record_each_with_its_tokens(
    grade_folder: Callable[..., GradeReport], codec: Path, tmp_path: Path
) -> None:
    regime = Regime.FULLY_AUTOREGRESSIVE
    once, twice = (
        grade_folder(ROOT / "submissions_template", regimes=(regime,), codec=str(codec), samples=samples)
        for samples in (1, 2)
    )
    first, result = once.regimes[regime], twice.regimes[regime]
    assert first is not None
    assert result is not None
    assert (result.loss, result.psnr, result.psnr_ci) == (first.loss, first.psnr, first.psnr_ci)
    samples = result.samples
    assert samples is not None
    assert samples.draws == twice.provenance.samples == 2
    assert samples.lpips is None
    assert samples.psnr is not None
    assert samples.psnr.mean == samples.psnr.best_of_k == result.psnr, "the template draws nothing at random"
    assert samples.loss_mean == pytest.approx(result.loss)
    assert samples.tokens_files[0] == result.tokens_file
    for file, sha256 in zip(samples.tokens_files, samples.tokens_sha256, strict=True):
        assert hashlib.sha256((tmp_path / "store" / file).read_bytes()).hexdigest() == sha256
    assert len(set(samples.tokens_files)) == 2


def test_one_regime_alone_gives_the_same_number(grade_folder: Callable[..., GradeReport]) -> None:
    regime = Regime.TEMPORALLY_TEACHER_FORCED
    both, alone = grade_folder(ROOT / "submissions_template"), grade_folder(
        ROOT / "submissions_template", regimes=(regime,)
    )  # fmt: skip
    assert alone.regimes[Regime.FULLY_AUTOREGRESSIVE] is None
    one, other = both.regimes[regime], alone.regimes[regime]
    assert one is not None
    assert other is not None
    assert (one.loss, one.loss_ci) == (other.loss, other.loss_ci)


SERVE = "from wmc_guest import serve\nfrom predictor import Predictor\n"


@pytest.mark.parametrize(
    ("evaluate", "code", "words"),
    [
        ("print('I am done')", "guest.no_connection", "exited with status 0"),
        ("raise SystemExit(7)", "guest.no_connection", "exited with status 7"),
        ("import time; time.sleep(100)", "guest.no_connection", "in time"),
        ("import no_such_module", "guest.no_connection", "exited with status 1"),
        (
            SERVE + "Predictor.predict = lambda self: 1 / 0\nserve(Predictor)",
            "guest.exception",
            "raised an exception",
        ),
        (
            SERVE + "Predictor.predict = lambda self: __import__('os')._exit(3)\nserve(Predictor)",
            "guest.closed",
            "3",
        ),
        (
            SERVE + "Predictor.predict = lambda self: __import__('time').sleep(100)\nserve(Predictor)",
            "guest.timeout",
            "within 2 s, the limit for its reply",
        ),
    ],
    ids=["exits 0", "exits 7", "sleeps", "import error", "exception", "dies in mid-run", "hangs"],
)
def test_an_entry_that_fails_is_a_record_with_its_name(
    grade_folder: Callable[..., GradeReport],
    entry: Callable[[str], Path],
    evaluate: str,
    code: str,
    words: str,
) -> None:
    # Brief only where it is to run out: else a slow start would be told instead of what came after it.
    start_s, reply_s = (3 if words == "in time" else 60), (2 if code == "guest.timeout" else 60)
    report = grade_folder(entry(evaluate), limits=Limits(start_s=start_s, reply_s=reply_s, regime_s=120))
    assert report.status is Status.FAILED
    assert report.failure is not None
    assert (report.failure.code, report.failure.blame) == (code, Blame.ENTRY)
    assert words in report.failure.message
    assert report.failure.fix
    assert set(report.regimes.values()) == {None}


def test_what_an_entry_says_is_in_its_log_and_not_in_the_record(
    grade_folder: Callable[..., GradeReport], entry: Callable[[str], Path], tmp_path: Path
) -> None:
    """Control: a record repeats nothing an entry chose to say, for it may say held-out tokens."""
    secret = (
        SERVE + "def tell(self): raise ValueError('canary 12345')\nPredictor.predict = tell\nserve(Predictor)"
    )
    report = grade_folder(entry(secret))
    assert "canary" not in str(report.to_json())
    log = tmp_path / "store" / "grades" / report.grade_id / "fully_autoregressive.log"
    assert "Traceback" in log.read_text()
    assert "[wmc] the entry reported: ValueError: canary 12345" in log.read_text()


def test_a_regime_the_entry_cannot_do_is_the_callers_mistake(
    grade_folder: Callable[..., GradeReport], tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        grade_folder(ROOT / "submissions_template", regimes=(Regime.FULLY_TEACHER_FORCED,))
    assert refused.value.code == "usage.not_causal"
    assert not (tmp_path / "store").exists()


def test_a_zip_that_is_none_is_a_record_too(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    """It has the digest of what was sent, and is nobody's attempt."""
    (tmp_path / "entry.zip").write_bytes(b"not a zip")
    store = Store(tmp_path / "store")
    request = GradeRequest(submission=tmp_path / "entry.zip", data=make_clip())
    report = grade(request, sandbox=ProcessSandbox(cache=tmp_path / "c"), store=store, progress=Silent())
    assert report.failure is not None
    assert report.failure.blame is Blame.ENTRY
    assert report.provenance.submission_sha256 == hashlib.sha256(b"not a zip").hexdigest()
    assert report.is_of_nobody
    assert not counts(report)
    assert store.reports() == [report]


class Learning(ProcessSandbox):
    """A sandbox that knows more of itself once it has begun to build."""

    has_begun = False

    @property
    def details(self) -> dict[str, str]:
        return {**super().details, "build_network": "bridge" if self.has_begun else "nothing was built"}

    def build(self, *args: Any, **kwargs: Any) -> Any:
        self.has_begun = True
        return super().build(*args, **kwargs)


def test_the_record_of_a_failed_build_says_in_what_it_was_built(
    entry: Callable[[str], Path], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    folder = entry("")
    (folder / "build.sh").write_text("#!/bin/sh\nexit 3\n")
    request = GradeRequest(submission=pack(folder, tmp_path / "entry.zip").path, data=make_clip())
    sandbox = Learning(cache=tmp_path / "cache")
    report = grade(request, sandbox=sandbox, store=Store(tmp_path / "store"), progress=Silent())
    assert report.failure is not None
    assert report.failure.code == "build.exit_status"
    assert report.provenance.sandbox_details["build_network"] == "bridge"


def test_with_the_training_clip_an_entry_is_checked_for_copies(
    make_clip: Callable[..., Path], grade_folder: Callable[..., GradeReport], tmp_path: Path
) -> None:
    """Every part of the check ran on the entry itself; without a panel nothing is judged."""
    train = make_clip((RAW_SPAN,) * 5, hold=25, name="train")
    report = grade_folder(ROOT / "submissions_template", train=train, pictures=False)
    check = report.retrieval
    assert check is not None
    assert check.verdict is Verdict.UNCALIBRATED
    assert check.missing is None
    assert check.delta_ci is not None
    assert check.delta_ci[0] <= check.delta <= check.delta_ci[1]
    assert len(check.delta_by_window) == 4
    assert check.train_gap is not None
    assert check.train_gap.windows == 4
    assert check.entry_scan is not None
    assert check.entry_scan.runs == ()
    assert check.entry_scan.size_bytes >= check.entry_scan.sent_bytes > 0
    assert (tmp_path / "store" / "grades" / report.grade_id / "train-gap.log").exists()
    assert Store(tmp_path / "store").reports() == [report]


def test_an_entry_that_fails_only_in_the_train_gap_keeps_its_scores(
    make_clip: Callable[..., Path],
    grade_folder: Callable[..., GradeReport],
    entry: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    starts = tmp_path / "starts"
    train = make_clip((RAW_SPAN,) * 5, hold=25, name="train")
    fails_third = SERVE + (
        f"from pathlib import Path\nstarts = Path({str(starts)!r})\n"
        "with starts.open('a') as file: file.write('x')\n"
        "if len(starts.read_text()) == 3: raise SystemExit(1)\nserve(Predictor)"
    )
    report = grade_folder(entry(fails_third), train=train, pictures=False)
    assert report.status is Status.GRADED
    assert report.retrieval is not None
    assert report.retrieval.train_gap is None
    assert "(guest.no_connection)" in str(report.retrieval.gap_failure)
    assert report.retrieval.delta is not None


def test_a_check_that_is_interrupted_costs_no_scores(
    make_clip: Callable[..., Path],
    grade_folder: Callable[..., GradeReport],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_args: Any, **_kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "measure_train_gap", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grade_folder(ROOT / "submissions_template", train=make_clip(name="train", hold=25), pictures=False)
    (report,) = Store(tmp_path / "store").reports()
    assert report.status is Status.GRADED
    assert report.retrieval is not None
    assert report.retrieval.verdict is Verdict.UNMEASURED
    assert report.retrieval.missing == "the check was interrupted"


def test_the_check_needs_the_regime_that_it_listens_to(
    make_clip: Callable[..., Path], grade_folder: Callable[..., GradeReport]
) -> None:
    with pytest.raises(UsageError) as refused:
        grade_folder(
            ROOT / "submissions_template",
            train=make_clip(name="train", hold=25),
            regimes=(Regime.FULLY_AUTOREGRESSIVE,),
        )
    assert refused.value.code == "usage.train"
