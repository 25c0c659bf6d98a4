"""The store of grades: whether its records are those that were written, and which grades have none."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.check import Check, broken, told, warned, well
from harness.errors import StoreFailed
from harness.results.audit import check_records
from harness.results.checks import Outcome
from harness.results.store import Store
from harness.results.unfinished import unfinished_grades


def record_checks(store: Store) -> Iterator[Check]:
    """The database, the chain of its rows, and grades that were cut off."""
    try:
        looks = check_records(store)
    except StoreFailed as error:
        if error.code == "store.missing":
            yield well("store", f"no grade was kept at {store.folder} yet")
        else:
            yield told("store", error)
            return
    else:
        for look in looks:
            if look.outcome is Outcome.DIFFERENT:
                fix = f"wmc verify --store {store.folder} says all of it; restore the store from a copy"
                yield broken("store", f"{look.what}: {look.detail}", fix)
            else:
                yield well("store", f"{look.what}: {look.detail}")
    yield from _cut_off(store)


def _cut_off(store: Store) -> Iterator[Check]:
    """Grades that have begun, have no record, and are nobody's any more."""
    for each in unfinished_grades(store):
        if not each.is_running:
            fix = (
                f"wmc grade --resume {each.grade_id} --store {store.folder}, "
                f"or close it: wmc grade --abandon {each.grade_id} --store {store.folder}"
            )
            yield warned("unfinished grade", each.in_words, fix)
