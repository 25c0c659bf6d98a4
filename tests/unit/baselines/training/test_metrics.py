"""Metrics are lines that a killed and resumed run goes on with as if nothing had happened."""

from __future__ import annotations

import json
import math
import sys
from types import ModuleType

import pytest
from stand_ins import Listener

from baselines.training.metrics import FILE_NAME, MetricsLog
from harness.errors import OutputFailed

BEGIN = -1


@pytest.fixture(autouse=True)
def no_tensorboard(monkeypatch):
    """As on a machine without it, whatever this one has."""
    install(monkeypatch, ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard"))


def install(monkeypatch, writer):
    """A torch.utils.tensorboard whose SummaryWriter is this class, or whose import ends in this error."""

    class Module(ModuleType):
        def __getattr__(self, name):
            if name == "SummaryWriter" and isinstance(writer, Exception):
                raise writer
            if name == "SummaryWriter":
                return writer
            raise AttributeError(name)

    for name in ("torch", "torch.utils", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, Module(name))


def lines(out):
    return [json.loads(line) for line in (out / FILE_NAME).read_text().splitlines()]


def test_one_object_per_line_on_disk_as_soon_as_it_is_written(tmp_path):
    with MetricsLog(tmp_path / "run", BEGIN) as log:
        log.write(10, loss=12.5, accuracy=0.25)
        assert lines(tmp_path / "run") == [{"step": 10, "loss": 12.5, "accuracy": 0.25}]
        log.write(20, heldout_loss=11.0)
        assert lines(tmp_path / "run")[1] == {"step": 20, "heldout_loss": 11.0}


def test_a_resumed_run_drops_what_it_will_write_again(tmp_path):
    with MetricsLog(tmp_path, BEGIN) as log:
        for step in (10, 20, 30, 40):
            log.write(step, loss=float(step))
    with MetricsLog(tmp_path, 20) as log:
        assert [line["step"] for line in lines(tmp_path)] == [10, 20]
        log.write(30, loss=-1.0)
    assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [(10, 10.0), (20, 20.0), (30, -1.0)]


def test_a_run_that_begins_anew_keeps_nothing(tmp_path):
    with MetricsLog(tmp_path, BEGIN) as log:
        log.write(0, loss=1.0)
    with MetricsLog(tmp_path, BEGIN):
        assert lines(tmp_path) == []


@pytest.mark.parametrize(
    "torn",
    [
        b'{"step": 20, "lo',
        b'{"step": 15}',
        b"\0\0\0\0",
        b"\0\0\n",
        b'{"step": "x"}\n',
        b"7\n",
        b'"step"\n',
        b"\xff\n",
    ],
)
def test_a_torn_last_line_is_dropped(tmp_path, torn):
    """Also a whole object without its line end: whether more was to follow cannot be known."""
    path = tmp_path / FILE_NAME
    path.write_bytes(b'{"step": 10, "loss": 1.0}\n' + torn)
    with MetricsLog(tmp_path, 100) as log:
        log.write(20, loss=2.0)
    assert lines(tmp_path) == [{"step": 10, "loss": 1.0}, {"step": 20, "loss": 2.0}]


def test_lines_that_stay_are_not_touched(tmp_path):
    """Not even their file: dropping replaces it, and only then."""
    path = tmp_path / FILE_NAME
    text = b'{"step":10,   "by": "hand"}\n'
    path.write_bytes(text)
    before = path.stat().st_ino
    with MetricsLog(tmp_path, 10):
        pass
    assert (path.read_bytes(), path.stat().st_ino) == (text, before)


def test_dropping_replaces_the_file_at_once(tmp_path, monkeypatch):
    """Killed while it drops, a run leaves the old file as it was."""
    import os

    path = tmp_path / FILE_NAME
    old = b'{"step": 10}\n{"step": 20}\n'
    path.write_bytes(old)

    def killed(fd):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        MetricsLog(tmp_path, 10)
    assert path.read_bytes() == old


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null(tmp_path, value):
    """Every JSON reader takes the file."""
    with MetricsLog(tmp_path, BEGIN) as log:
        log.write(1, loss=value)
    assert lines(tmp_path) == [{"step": 1, "loss": None}]


def test_a_folder_that_cannot_be_written_is_the_operators_matter(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(OutputFailed, match="cannot be written"):
        MetricsLog(tmp_path / "run", BEGIN)


def test_without_tensorboard_not_a_word_is_said(tmp_path):
    listener = Listener()
    with MetricsLog(tmp_path, BEGIN, progress=listener):
        pass
    assert listener.notes == []


@pytest.mark.parametrize(
    "error",
    [
        ImportError("TensorBoard logging requires TensorBoard version 1.15 or above"),
        ModuleNotFoundError("No module named 'google.protobuf'", name="google.protobuf"),
        TypeError("Descriptors cannot be created directly."),
    ],
)
def test_a_broken_tensorboard_is_a_note_and_the_lines_go_on(tmp_path, monkeypatch, error):
    install(monkeypatch, error)
    listener = Listener()
    with MetricsLog(tmp_path, BEGIN, progress=listener) as log:
        log.write(1, loss=2.0)
    assert listener.notes == [f"no TensorBoard, only metrics.jsonl: {error}"]
    assert lines(tmp_path) == [{"step": 1, "loss": 2.0}]


def test_tensorboard_gets_the_same_values_and_forgets_the_same_steps(tmp_path, monkeypatch):
    seen = []

    class SummaryWriter:
        def __init__(self, log_dir, purge_step):
            seen.append((log_dir, purge_step))

        def add_scalar(self, name, value, step):
            seen.append((name, value, step))

        def close(self):
            seen.append("closed")

    install(monkeypatch, SummaryWriter)
    with MetricsLog(tmp_path, 20) as log:
        log.write(30, loss=2.0, accuracy=0.5)
    assert seen == [(str(tmp_path / "tensorboard"), 21), ("loss", 2.0, 30), ("accuracy", 0.5, 30), "closed"]
