"""`wmc verify` and `wmc regrade` as the shell calls them: what they print, and how they end."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.protocol.regimes import Regime
from harness.results.signing import read_private_key, sign_record

TTF = Regime.TEMPORALLY_TEACHER_FORCED


def verify(kept: Any, *arguments: str) -> int:
    return main(["verify", "--store", str(kept.store.folder), *arguments])


def keys(folder: Path) -> tuple[str, str]:
    """A key pair in files."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = folder / "key.pem", folder / "pub.pem"
    private.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )
    return str(private), str(public)


def test_a_whole_store_verifies_and_its_head_is_told(kept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(kept) == 0
    printed = capsys.readouterr().out
    assert f"rows: 1 in one chain, the last with sha256 {kept.store.head().sha256}" in printed
    assert "different" not in printed
    assert verify(kept, kept.grade_id, "--data", str(kept.data)) == 0


def test_an_edited_record_is_the_operators_to_mend(kept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(kept.store.folder / "grades.sqlite")) as database:
        database.execute("DROP TRIGGER grades_are_not_edited")
        database.execute("UPDATE grades SET report = replace(report, 'ann', 'eve')")
        database.commit()
    for arguments in ((), (kept.grade_id,)):
        assert verify(kept, *arguments) == 3
        printed = capsys.readouterr()
        assert "different    rows: row 1 does not have its hash any more" in printed.out
        assert "store.not_as_recorded" in printed.err


def test_a_lost_file_of_any_grade_is_named_with_its_grade(
    kept: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    name = kept.report.regimes[TTF].tokens_file
    (kept.store.folder / name).unlink()
    assert verify(kept, "--json") == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["as_recorded"] is False
    (wrong,) = (check for check in answer["checks"] if check["outcome"] == "different")
    assert name in wrong["detail"]
    assert kept.grade_id in wrong["detail"]


def test_a_file_outside_the_store_is_not_read(kept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Control: whoever can write a record must not learn what a file of this host holds."""
    text = json.dumps(kept.report.to_json()).replace(
        kept.report.regimes[TTF].tokens_file, "../../../etc/hostname"
    )
    with closing(sqlite3.connect(kept.store.folder / "grades.sqlite")) as database:
        database.execute("DROP TRIGGER grades_are_not_edited")
        database.execute("UPDATE grades SET report = ?", (text,))
        database.commit()
    assert verify(kept) == 3
    assert "../../../etc/hostname lies outside the store" in capsys.readouterr().out


def test_a_record_that_cannot_be_read_does_not_end_the_audit(
    kept: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(kept.store.folder / "grades.sqlite")) as database:
        database.execute("DROP TRIGGER grades_are_not_edited")
        database.execute("UPDATE grades SET report = '{'")
        database.commit()
    assert verify(kept) == 3
    assert "row 1 holds none that can be read" in capsys.readouterr().out
    assert verify(kept, kept.grade_id) == 3
    assert "store.bad_record" in capsys.readouterr().err


def test_a_head_that_says_nothing_is_named_once(kept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (kept.store.folder / "chain.head").write_text("nothing")
    assert verify(kept) == 3
    assert capsys.readouterr().out.count("different") == 1


def test_a_page_of_the_database_that_is_damaged_is_told_by_sqlite(
    kept: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index of grade ids no longer says what the table says; no row is edited."""
    path = kept.store.folder / "grades.sqlite"
    content = path.read_bytes()
    at = content.rindex(kept.grade_id.encode())
    places = [place for place in range(len(content)) if content.startswith(kept.grade_id.encode(), place)]
    assert len(places) >= 3, "in the row, in its report, and in the index"
    for place in (at, places[0]):
        path.write_bytes(content[:place] + b"9" + content[place + 1 :])
        assert verify(kept) == 3
        capsys.readouterr()


def test_a_regrade_that_names_no_earlier_grade_is_named(
    kept: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.store.append(replace(kept.report, grade_id="orphan", regrade_of="gone"))
    assert verify(kept) == 3
    assert "orphan regrades gone, which does not come before it" in capsys.readouterr().out


def test_a_regrade_is_shown_signed_and_verifies(
    kept: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = keys(tmp_path)
    store = str(kept.store.folder)
    assert main(["regrade", kept.grade_id, "--store", store, "--sign", private, "--json"]) == 0
    new = json.loads(capsys.readouterr().out)
    assert new["regrade_of"] == kept.grade_id
    assert verify(kept, new["grade_id"], "--key", public) == 0
    assert "as recorded  signature" in capsys.readouterr().out
    assert verify(kept, "--key", public) == 0
    assert "as recorded  signatures: 1, which cover rows 1 to 2" in capsys.readouterr().out
    assert verify(kept, kept.grade_id, "--key", public) == 3
    assert "signature: there is none" in capsys.readouterr().out


def test_records_made_anew_by_whoever_has_no_key_are_named(
    kept: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control: the signature. Without it a store that was written anew verifies, as this shows first."""
    private, public = keys(tmp_path)
    sign_record(kept.store, kept.grade_id, read_private_key(Path(private)))
    assert verify(kept, "--key", public) == 0
    for name in ("grades.sqlite", "chain.head"):
        (kept.store.folder / name).unlink()
    kept.store.append(replace(kept.report, entry=replace(kept.report.entry, user_name="eve")))
    assert verify(kept) == 0
    assert verify(kept, "--key", public) == 3
    assert "not this key's signature" in capsys.readouterr().out


def test_rows_from_before_hashing_are_accepted_and_said_to_be_so(
    kept: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(kept.store.folder / "grades.sqlite")) as database:
        for statement in (
            "DROP TRIGGER grades_are_not_edited",
            "ALTER TABLE grades DROP COLUMN previous",
            "ALTER TABLE grades DROP COLUMN sha256",
        ):
            database.execute(statement)
        database.commit()
    (kept.store.folder / "chain.head").unlink()
    assert verify(kept) == 0
    assert "not checked  rows: row 1 is from before rows were hashed" in capsys.readouterr().out
    assert main(["regrade", kept.grade_id, "--store", str(kept.store.folder)]) == 0
    assert verify(kept) == 0


@pytest.mark.parametrize("arguments", [("--data", "d"), ("--train", "d"), ("g", "--train", "d")])
def test_options_that_make_no_sense_are_refused(kept: Any, arguments: tuple[str, ...]) -> None:
    assert verify(kept, *arguments) == 2


def test_a_store_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--store", str(tmp_path / "none")]) == 3
    assert "store.missing" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_store_made_all_anew_contradicts_what_was_published(
    kept: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control: the page carries the end of the chain, out of reach of whoever writes the store."""
    site = tmp_path / "site"
    assert main(["leaderboard", "--store", str(kept.store.folder), "-o", str(site)]) == 0
    published = str(site / "leaderboard.json")
    head = kept.store.head()
    assert json.loads((site / "leaderboard.json").read_text())["chain"] == vars(head)
    kept.store.append(replace(kept.report, grade_id="20260101-000000-00000009"))
    assert verify(kept, "--head", published) == 0
    assert f"kept head: the first 1 rows are those of {published}" in capsys.readouterr().out
    for name in ("grades.sqlite", "chain.head"):
        (kept.store.folder / name).unlink()
    kept.store.append(replace(kept.report, finished_at="2020-01-01T00:00:00+00:00"))
    assert verify(kept) == 0, "the store alone does not show it"
    assert verify(kept, "--head", published) == 3
    assert "different    kept head: row 1, or one before it, is not the one that was there" in (
        capsys.readouterr().out
    )


def test_a_head_that_is_none_is_the_callers_slip(
    kept: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "env.sh").write_text("echo\n")
    for path in ("nowhere", str(tmp_path / "env.sh")):
        assert verify(kept, "--head", path) == 2
        assert "usage.no_head" in capsys.readouterr().err
