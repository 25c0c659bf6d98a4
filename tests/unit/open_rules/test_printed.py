"""What a program printed is found in its log's last lines, and taken for what it is: names and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.open_rules.printed import printed_figures


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "open.log"


def figures(log: Path, text: str | bytes) -> dict[str, float]:
    log.write_bytes(text if isinstance(text, bytes) else text.encode())
    return printed_figures(log)


def test_the_last_dictionary_counts(log: Path) -> None:
    text = (
        "Generating frame 1\n{'loss': '9.5000', 'acc': '0.0100'}\n{'loss': '8.7900', 'acc': '0.0320'}\nbye\n"
    )
    assert figures(log, text) == {"loss": 8.79, "acc": 0.032}


def test_a_progress_bar_on_the_same_line_is_no_hindrance(log: Path) -> None:
    text = "\r  0%|      | 0/2\r 50%|###   | 1/2 [00:01<00:01]{'gen_time': '0.0750', 'loss': '8.7900'}\n\r100%|#| 2/2\n"
    assert figures(log, text) == {"gen_time": 0.075, "loss": 8.79}


def test_numbers_may_be_numbers(log: Path) -> None:
    assert figures(log, '{"loss": 8.79, "n": 3, "small": 1e-05}\n') == {
        "loss": 8.79,
        "n": 3.0,
        "small": 1e-05,
    }


@pytest.mark.parametrize(
    "line",
    [
        "",
        "loss 8.79",
        "{}",
        "{'loss'}",
        "{'loss': None}",
        "{'loss': True}",
        "{'loss': 'nan'}",
        "{'loss': 'inf', 'acc': '1e999'}",
        "{'loss': 1e999}",
        "{'loss': '8.79'",
        "{'loss': __import__('os').system('touch /tmp/x')}",
        "{'a': {'loss': 1}}",
        "{'lo\\x1bss': '1'}",
        "{'<script>': '1'}",
        "{'" + "a" * 33 + "': 1}",
        "{'loss': '" + "9" * 50 + "'}",
        "{'loss': " + "9" * 1900 + "}",
        "{'loss': " + "-" * 1900 + "1}",
        "{'loss': " + "~" * 1900 + "1}",
        "{'loss': 1" + "+1" * 900 + "}",
        "{" * 5000,
        "{'x': " + "(" * 1500 + "}",
        "{'loss': 1j}",
        "{**x}",
        "{'loss': '1_000'}",
        "{'loss': '\N{ARABIC-INDIC DIGIT THREE}'}",
    ],
)
def test_whatever_else_stands_there_is_nothing(log: Path, line: str) -> None:
    assert figures(log, f"{line}\n") == {}


def test_what_is_no_figure_is_left_out_beside_what_is_one(log: Path) -> None:
    assert figures(log, "{'loss': '8.79', 'note': 'trust me', 'bad key!': 1, 3: 4}\n") == {"loss": 8.79}


def test_not_more_figures_than_a_record_should_hold(log: Path) -> None:
    line = str({f"k{number}": number for number in range(100)})
    assert len(figures(log, f"{line}\n")) == 32


def test_a_flood_is_not_read_beyond_its_end(log: Path) -> None:
    early, flood = b"{'loss': '1.0'}\n", b"\xff\x00{x" * 50_000
    assert figures(log, early + flood) == {}
    assert figures(log, flood + b"\n" + early) == {"loss": 1.0}
