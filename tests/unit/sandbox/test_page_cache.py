"""Dropping the page cache, or saying that it was not."""

from harness.sandbox import page_cache


def test_it_asks_for_everything_to_be_dropped(tmp_path):
    control = tmp_path / "drop_caches"
    control.touch()
    assert page_cache.may_be_dropped(control)
    assert page_cache.drop(control)
    assert control.read_text() == "3\n"


def test_without_the_right_it_says_so(tmp_path):
    control = tmp_path / "missing" / "drop_caches"
    assert not page_cache.may_be_dropped(control)
    assert not page_cache.drop(control)
