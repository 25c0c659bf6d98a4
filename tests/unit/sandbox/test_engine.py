"""What an engine's failure is called."""

import requests

from harness.sandbox import engine


def test_errors_that_point_at_each_other_are_looked_at_once():
    one, other = ConnectionError("one"), ConnectionError("other")
    one.__context__, other.__context__ = other, one
    assert not engine._timed_out(one)
    other.__cause__ = requests.ReadTimeout("late")
    assert engine._timed_out(one)
