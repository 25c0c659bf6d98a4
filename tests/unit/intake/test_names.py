"""A name is taken as it is, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ArchiveRejected
from harness.intake.names import Tree, checked_name


@pytest.mark.parametrize(
    "name", ["a", ".gitignore", "a/b", "-rf", "a.b-c_d/E.9", "d/" * 19 + "f", "n" * 200, "..a", "a..b/c"]
)
def test_a_plain_name_is_taken_unchanged(name):
    assert checked_name(name.encode()) == name


def test_a_folders_slash_is_dropped():
    assert checked_name(b"lib/sub/") == "lib/sub"


@given(st.binary(max_size=250))
def test_whatever_is_taken_is_a_relative_path_of_known_characters(raw):
    try:
        name = checked_name(raw)
    except ArchiveRejected:
        return
    assert raw.decode() in {name, name + "/"}
    assert all(char.isascii() and (char.isalnum() or char in "._-/") for char in name)
    assert all(part.strip(".") for part in name.split("/"))
    assert len(name.split("/")) <= 20


def test_a_folder_may_be_named_before_or_after_what_is_in_it():
    tree = Tree()
    tree.add("a/b", is_folder=False)
    tree.add("a", is_folder=True)
    tree.add("a/c", is_folder=False)


def test_folders_that_differ_in_case_collide_even_if_only_implied():
    tree = Tree()
    tree.add("Lib/x", is_folder=False)
    with pytest.raises(ArchiveRejected) as refusal:
        tree.add("lib/y", is_folder=False)
    assert refusal.value.code == "archive.case_collision"
