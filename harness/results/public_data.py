"""Which data everybody has. Admission, notices, and the page with its prize, all ask here, and nowhere else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from harness.data.published import PUBLIC_VAL
from harness.results.report import GradeReport

_SHOWN_DIGITS = 12


class PublicData:
    """What the records say of the data that was graded on; those of grades that stopped count too.

    A folder's name alone does not make data public: held-out data in a folder called val is what the records tell by
    its digest, or by another data set of that name.
    """

    def __init__(self, records: Iterable[GradeReport]) -> None:
        self._private_name: dict[str, str] = {}
        self._admitted: set[str] = set()
        self._digests: dict[str, dict[str, None]] = defaultdict(dict)
        for record in records:
            origin = record.provenance
            if not origin.data_sha256:
                continue
            if origin.data_name in PUBLIC_VAL:
                self._digests[origin.data_name][origin.data_sha256] = None
            else:
                self._private_name.setdefault(origin.data_sha256, origin.data_name or "unnamed")
            if origin.admission is not None:
                self._admitted.add(origin.data_sha256)

    def why_private(self, name: str | None, sha256: str | None) -> str | None:
        """Why this data is not what everybody has, in words for the organiser; None where it is the public val."""
        if name not in PUBLIC_VAL:
            return (
                f"{name or 'unnamed data'} is private: only a folder called {' or '.join(PUBLIC_VAL)} is not"
            )
        if not sha256:
            return f"nobody knows which data {name} was: it has no digest"
        if was := self._private_name.get(sha256):
            return f"this data was graded on as {was}, and is private whatever its folder is called now"
        other = next((digest for digest in self._digests.get(name, ()) if digest != sha256), None)
        if other:
            return (
                f"{name} stands for two data sets, the other one with sha256 {other[:_SHOWN_DIGITS]}, "
                "and nobody can tell which is public"
            )
        if sha256 in self._admitted:
            return "a grade on this data was admitted as one on private data"
        return None

    def is_private(self, report: GradeReport) -> bool:
        """Whether this grade, which need not be among the records, is of data that not everybody has."""
        origin = report.provenance
        return (
            origin.admission is not None or self.why_private(origin.data_name, origin.data_sha256) is not None
        )
