"""Which panel judges a grade: the one that was named, or the store's own if it is of the same data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.progress import Progress
from harness.results.store import Store
from harness.retrieval.panel import Panel, read_panel, reference_logprobs


@dataclass(frozen=True, kw_only=True)
class ChosenPanel:
    """A panel and its file; `named` where the operator asked for it, so that it must fit."""

    panel: Panel
    path: Path
    sha256: str
    named: bool

    def that_fits(
        self, progress: Progress, *, data_sha256: str, train_sha256: str, probes_sha256: str | None = None
    ) -> ChosenPanel | None:
        """This panel; None, with a note, where the store's own is of something else.

        Raises: UsageError where a named one is.
        """
        reason = self.panel.fits(
            data_sha256=data_sha256, train_sha256=train_sha256, probes_sha256=probes_sha256
        )
        if reason is None:
            return self
        if self.named:
            raise UsageError(
                f"{self.path} cannot judge this grade: {reason}",
                code="usage.other_panel",
                fix="name a panel of the same windows of this --data and of this --train, or leave --panel out",
            )
        progress.note(f"{self.path} is not used: {reason}")
        return None

    def check_references(self, store: Store) -> None:
        """Nothing, where all that the panel's references answered is in the store.

        Raises: StoreFailed.
        """
        for each in self.panel.references:
            reference_logprobs([each], store.folder, probes_sha256=self.panel.probes_sha256)


def choose_panel(
    named: Path | None, store: Store, progress: Progress, *, data_sha256: str, train_sha256: str
) -> ChosenPanel | None:
    """The panel for these clips, before it is known which values are probed; None where there is none.

    Raises: UsageError, StoreFailed.
    """
    path = named or store.panel_file
    if named is None and not path.exists():
        return None
    panel = read_panel(path)
    chosen = ChosenPanel(
        panel=panel, path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), named=named is not None
    )
    return chosen.that_fits(progress, data_sha256=data_sha256, train_sha256=train_sha256)
