"""Capping and cleaning what entries write."""

import pytest

from harness.sandbox import logs


@pytest.mark.parametrize("chunks", [[], [b"short"], [b"in ", b"two"], [b"x" * 100]])
def test_output_within_the_cap_is_kept_as_it_is(tmp_path, chunks):
    logs.save(chunks, tmp_path / "log", limit=100)
    assert (tmp_path / "log").read_bytes() == b"".join(chunks)


@pytest.mark.parametrize("size", [1, 7, 99, 100, 101, 5000])
def test_of_longer_output_the_end_is_kept(tmp_path, size):
    text = b"".join(b"line %04d\n" % number for number in range(1000))
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    logs.save(chunks, tmp_path / "log", limit=100)
    log = (tmp_path / "log").read_bytes()
    assert len(log) == 100
    assert log.startswith(b"... (what came before")
    assert text.endswith(log.split(b"\n", 1)[1])


def test_the_file_grows_as_the_chunks_come(tmp_path):
    def chunks():
        yield b"one "
        assert (tmp_path / "log").read_bytes() == b"one "
        yield b"two"

    logs.save(chunks(), tmp_path / "log", limit=100)
    assert (tmp_path / "log").read_bytes() == b"one two"


def test_the_last_lines_are_quoted_without_empty_ones(tmp_path):
    (tmp_path / "log").write_text("".join(f"{number}\n\n" for number in range(100)))
    assert logs.last_lines(tmp_path / "log", count=2) == "  98\n  99"


def test_a_log_that_is_not_there_has_no_lines(tmp_path):
    assert logs.last_lines(tmp_path / "log") == ""


def test_a_long_line_is_cut(tmp_path):
    (tmp_path / "log").write_text("x" * 1000)
    assert logs.last_lines(tmp_path / "log", width=10) == "  " + "x" * 10
