"""A knob is one of its values, or named with what it may be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RETRIEVAL = Path(__file__).parents[3] / "baselines" / "retrieval"


@pytest.fixture
def knobs(entry_module):
    """The entry's module of that name."""
    return entry_module(RETRIEVAL, "knobs")


@pytest.fixture
def refusal(knobs, tmp_path):
    """Why a table is refused."""

    def why(table: object) -> str:
        path = tmp_path / "retrieval.json"
        path.write_text(table if isinstance(table, str) else json.dumps(table))
        with pytest.raises(knobs.KnobsError) as caught:
            knobs.read_knobs(path)
        return str(caught.value)

    return why


def test_the_file_that_is_shipped_says_what_is_meant_without_it(knobs):
    assert knobs.read_knobs(RETRIEVAL / "retrieval.json") == knobs.Knobs()


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("metric", ["nearest", 4, [], True], "last, last_four, coarse"),
        ("weights", ["", None], "equal, by_distance"),
        ("honest", ["genie", {}], "unigram, ngram"),
        ("frames_per_second", [4, 0, 30.0, "30", True], "2, 6, 10, 30"),
        ("neighbours", [0, -1, 1.0, 1001, "5", True], "a whole number from 1 to 1000"),
        ("blend", [-0.1, 1.1, "best", None, False], "a number from 0 to 1 or 'fitted'"),
        ("noise", [-0.1, 0.6, float("nan"), "fitted"], "a number from 0 to 0.5"),
        ("windows", [1.5, float("inf"), [0.5]], "a number from 0 to 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_may_be(refusal, name, values, says):
    for value in values:
        why = refusal({name: value})
        assert why.startswith(f"{name} is {value!r}; it may be ")
        assert says in why


def test_a_knob_that_there_is_not_is_told_from_those_there_are(refusal):
    assert "'noize' is not a knob; the knobs are metric, neighbours" in refusal({"noize": 0.1})


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_a_file_that_is_no_object_is_refused(refusal, text):
    assert "retrieval.json" in refusal(text)


@pytest.mark.parametrize("rate", [2, 6, 10, 30])
def test_a_stride_is_a_whole_number_of_kept_frames(knobs, rate):
    """Else the frame that comes next would not be in the shard."""
    assert knobs.STRIDE % knobs.Knobs(frames_per_second=rate).step == 0
