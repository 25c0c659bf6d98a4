"""A grade's journal: read back as it was written, wherever its last line was torn."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import GuestFailed, ResumeRefused, SandboxFailed, StoreFailed, WmcError
from harness.protocol.regimes import Regime
from harness.results.artifacts import Artifact
from harness.results.journal import begin, journal_path, read_history, reopen
from harness.results.journal_lines import Asked, Ended, Finished, History, Learned, Line, Resumed
from harness.results.record import Record
from harness.results.regime_report import RegimeReport
from harness.results.report import EntryFacts, Provenance, Status
from harness.results.store import Store
from harness.results.unfinished import unfinished_grades
from harness.scoring.state_probe import StateProbe

PROVENANCE = Provenance(
    harness_version="0",
    git_commit=None,
    spec_version="1",
    gate_version=1,
    seed=3,
    schedule="disjoint",
    sandbox="process",
    sandbox_details={"isolation": "none"},
    limits={"reply_s": 1.5},
)
ASKED = Asked(
    grade_id="g",
    begun_at="2026-11-30T12:00:00+00:00",
    request={"submission": "/a/b.zip", "seed": 3},
    policy={"uid": 1},
    provenance=PROVENANCE,
)
REPORT = RegimeReport(
    loss=0.1 + 0.2,
    loss_ci=(1 / 3, 2 / 3),
    token_accuracy=0.5,
    loss_by_frame=(9.0, 1e-17),
    first_frame=1,
    windows=4,
    seconds_per_frame=0.1,
    reply_s_median=0.1,
    reply_s_p95=0.2,
    batch=2,
    logits_dtype="<f4",
    state_probe=StateProbe(
        windows=4, mean_gain=0.0, largest_change=0.0, carried_state=False, depends_on_neighbours=None
    ),
    tokens_file="grades/g/fully_autoregressive.npz",
    tokens_sha256="0" * 64,
)
LEARNED = Learned(
    stage="the entry was built",
    provenance=replace(PROVENANCE, data_sha256="ab" * 32),
    entry=EntryFacts(user_name="ann\nö", external_data=("x",)),
    durations_s={"build": 1.5},
    probes={"train_sha256": "cd" * 32},
)
FINISHED = Finished(
    regime=Regime.FULLY_AUTOREGRESSIVE,
    report=REPORT,
    durations_s={"build": 1.5, "fully_autoregressive": 2.5},
    answers=Artifact(file="grades/g/probes.f2", sha256="1" * 64),
)
LINES: tuple[Line, ...] = (
    LEARNED,
    Resumed(at="2026-11-30T13:00:00+00:00", sandbox_details={}),
    FINISHED,
    Ended(status=Status.GRADED),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def written(store: Store, *lines: Line) -> History:
    with begin(store, ASKED) as journal:
        for line in lines:
            journal.write(line)
        return journal.history


def test_what_was_written_is_read_back_bit_for_bit(store: Store) -> None:
    history = written(store, *LINES)
    assert read_history(store, "g") == history
    assert history.asked == ASKED
    assert history.learned == LEARNED
    assert history.finished == {Regime.FULLY_AUTOREGRESSIVE: FINISHED}
    assert history.durations_s == FINISHED.durations_s
    assert (history.resumes, history.has_ended) == (1, True)


def test_a_last_line_that_is_torn_at_any_byte_is_as_if_it_had_not_been_written(store: Store) -> None:
    before = written(store, LEARNED)
    path = journal_path(store, "g")
    kept = len(path.read_bytes())
    with reopen(store, "g") as journal:
        journal.write(FINISHED)
    content = path.read_bytes()
    for length in range(kept, len(content)):
        path.write_bytes(content[:length])
        assert read_history(store, "g") == before
    path.write_bytes(content)
    assert read_history(store, "g").finished


@pytest.mark.parametrize("torn", [1, 50, -1])
def test_after_a_torn_line_the_next_one_is_written_whole(store: Store, torn: int) -> None:
    written(store, LEARNED)
    path = journal_path(store, "g")
    path.write_bytes(
        path.read_bytes() + b'{"kind": "finished", "value": {"regime": "fully_autoregressive"'[:torn]
    )
    with reopen(store, "g") as journal:
        journal.write(FINISHED)
    assert read_history(store, "g").finished == {Regime.FULLY_AUTOREGRESSIVE: FINISHED}


def test_a_last_line_whose_middle_did_not_reach_the_disk_is_torn_too(store: Store) -> None:
    before = written(store, LEARNED)
    path = journal_path(store, "g")
    kept = len(path.read_bytes())
    with reopen(store, "g") as journal:
        journal.write(FINISHED)
    content = bytearray(path.read_bytes())
    content[kept + 100 : kept + 200] = bytes(100)
    path.write_bytes(content)
    assert read_history(store, "g") == before


def test_a_figure_that_was_edited_is_taken_for_no_figure(store: Store) -> None:
    """Control: each line's digest."""
    written(store, FINISHED, LEARNED)
    path = journal_path(store, "g")
    assert b'"batch": 2' in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(b'"batch": 2', b'"batch": 3'))
    with pytest.raises(StoreFailed, match="line 2: its digest") as caught:
        read_history(store, "g")
    assert caught.value.code == "store.bad_journal"
    (found,) = unfinished_grades(store)
    assert "line 2" in str(found.trouble)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{}\n", b'{"kind": "ended"}\n', b"\x00" * 64 + b"\n", b"[1]\n"]
)
def test_a_file_that_is_no_journal_is_said_to_be_none(store: Store, content: bytes) -> None:
    store.grade_folder("g")
    journal_path(store, "g").write_bytes(content)
    with pytest.raises(StoreFailed, match="damaged"):
        read_history(store, "g")


def test_a_full_disk_is_the_operators_and_the_journal_goes_on_afterwards(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, room = os.pwrite, [300]

    def filling(descriptor: int, content: bytes, at: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = pwrite(descriptor, content[: room[0]], at)
        room[0] -= taken
        return taken

    with begin(store, ASKED) as journal:
        monkeypatch.setattr(os, "pwrite", filling)
        with pytest.raises(StoreFailed, match="No space left"):
            journal.write(FINISHED)
        monkeypatch.undo()
        assert not journal.history.finished
        journal.write(LEARNED)
    history = read_history(store, "g")
    assert (history.learned, dict(history.finished)) == (LEARNED, {})


def test_a_grade_is_unfinished_until_it_has_its_record(store: Store) -> None:
    assert unfinished_grades(store) == ()
    record = Record(provenance=PROVENANCE, grade_id="g")
    with begin(store, ASKED) as journal:
        journal.write(LEARNED)
        (found,) = unfinished_grades(store)
        assert found.is_running
        assert "still running" in found.in_words
        with record.kept_in(store, journal):
            pass
        assert unfinished_grades(store) == ()
    assert unfinished_grades(store) == ()
    assert read_history(store, "g").has_ended


def test_a_grade_whose_process_is_gone_says_how_far_it_came(store: Store) -> None:
    written(store, LEARNED)
    (found,) = unfinished_grades(store)
    assert (found.grade_id, found.is_running) == ("g", False)
    assert found.in_words == "g (after the entry was built)"


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (None, False),
        (GuestFailed("it broke", code="guest.closed", fix="mend it"), False),
        (SandboxFailed("the engine broke", fix="mend it"), True),
    ],
)
def test_what_only_a_resumption_needs_stays_where_there_can_be_one(
    store: Store, error: WmcError | None, *, stays: bool
) -> None:
    record = Record(provenance=PROVENANCE, grade_id="g")
    with begin(store, ASKED) as journal:
        journal.write(FINISHED)
        answers = store.folder / FINISHED.answers.file
        answers.write_bytes(b"answers")
        with record.kept_in(store, journal):
            if error:
                raise error
    assert answers.exists() == stays


def test_nobody_goes_on_with_a_grade_that_is_running(store: Store) -> None:
    """Control: the lock on the journal."""
    with begin(store, ASKED), pytest.raises(ResumeRefused) as caught, reopen(store, "g"):
        pass
    assert caught.value.code == "resume.running"


def test_a_grade_without_a_journal_is_said_to_have_none(store: Store) -> None:
    for look in (lambda: read_history(store, "g"), lambda: reopen(store, "g").__enter__()):
        with pytest.raises(ResumeRefused) as caught:
            look()
        assert caught.value.code == "resume.no_journal"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_second_interruption_while_the_record_is_written_loses_and_doubles_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Control: one record, or a journal that says there is none yet."""
    append: Callable[[Store, object], None] = Store.append  # type: ignore[assignment]

    def interrupted(self: Store, report: object) -> None:
        if when == "after":
            append(self, report)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "append", interrupted)
    record = Record(provenance=PROVENANCE, grade_id="g")
    with pytest.raises(KeyboardInterrupt), begin(store, ASKED) as journal, record.kept_in(store, journal):
        raise KeyboardInterrupt
    assert len(store.grade_ids()) == (when == "after")
    assert [found.grade_id for found in unfinished_grades(store)] == ([] if when == "after" else ["g"])
