"""An interruption cuts no cleaning up short."""

from __future__ import annotations

import pytest

from harness import undo


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(143)])
def test_what_an_interruption_breaks_off_is_done_again(interruption: BaseException) -> None:
    done: list[str] = []

    def clean_up() -> None:
        done.append("begun")
        if len(done) == 1:
            raise interruption
        done.append("finished")

    with pytest.raises(type(interruption)):
        undo.surely(clean_up)
    assert done == ["begun", "begun", "finished"]


def test_undisturbed_it_is_done_once() -> None:
    done: list[str] = []
    undo.surely(lambda: done.append("once"))
    assert done == ["once"]
