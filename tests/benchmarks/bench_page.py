"""How long the site takes to write, and how large its first page is: grades of one board, with and without pictures.

Run: python tests/benchmarks/bench_page.py [--grades 1000] [--rows 200]
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from harness import workers
from harness.results.report import GradeReport
from leaderboard.disclosure import Disclosure, disclose
from leaderboard.publish import publish
from leaderboard.samples import Gallery

FIXTURES = Path(__file__).parents[1] / "integration" / "page" / "conftest.py"
WINDOWS = 243


def maker() -> Callable[..., GradeReport]:
    """Makes a grade with every column filled, as the tests of the page do."""
    spec = importlib.util.spec_from_file_location("page_fixtures", FIXTURES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._grade


def entries(number: int, name: str) -> list[GradeReport]:
    """Grades of as many entries on data of this name, each with losses of its own by window and by frame."""
    grade, rng = maker(), np.random.default_rng(0)
    windows_B = rng.normal(0, 0.6, WINDOWS)
    made = []
    for index in range(1, number + 1):
        loss = float(rng.uniform(7.6, 9.6))
        report = grade(
            min(index, 28), loss=loss, lpips=float(rng.uniform(0.1, 0.3)), entry_name=f"entry {index}",
            user_name=f"team{index}", training_flops=float(10 ** rng.uniform(16, 21)),
        )  # fmt: skip
        regimes = {
            regime: result and varied(result, loss, windows_B, rng)
            for regime, result in report.regimes.items()
        }
        origin = replace(
            report.provenance, sandbox="docker", order_leaks=False, schedule="disjoint", data_name=name
        )
        made.append(
            replace(report, grade_id=f"20250101-000000-{index:08x}", regimes=regimes, provenance=origin)
        )
    return made


def varied(result: Any, loss: float, windows_B: np.ndarray, rng: np.random.Generator) -> Any:
    frames = len(result.loss_by_frame)
    probe = replace(result.state_probe, carried_state=False, depends_on_neighbours=False)
    return replace(
        result, state_probe=probe, loss_by_frame=tuple(loss + rng.normal(0, 0.2, frames)),
        loss_by_window=tuple(loss + windows_B + rng.normal(0, 0.1, WINDOWS)),
    )  # fmt: skip


def timed(work: Callable[[], object]) -> float:
    """Seconds by the clock: of several processes at once there is no other."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def site(reports: list[GradeReport], disclosure: Disclosure, folder: Path) -> float:
    return timed(lambda: publish(reports, folder, Gallery(disclosure=disclosure)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grades", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        few, many = entries(args.rows, "val"), entries(args.grades, "val")
        site(few[:10], disclose(few), Path(folder, "warm"))
        texts = [json.dumps(report.to_json()) for report in many]
        reading = timed(lambda: [GradeReport.from_json(json.loads(text)) for text in texts])
        public = site(many, disclose(many), Path(folder, "many"))
        with mock.patch.object(workers, "cores", return_value=1):
            alone = site(many, disclose(many), Path(folder, "alone"))
        again = site(many, disclose(many), Path(folder, "many"))
        private = site(entries(args.grades, "heldout"), Disclosure(), Path(folder, "private"))
        print(f"reading {args.grades} records: {reading:.2f} s")
        for what, took in (
            (f"public data, {workers.cores()} cores", public),
            ("the same, one core", alone),
            ("all cores, nothing changed", again),
            ("private data, all cores", private),
        ):
            print(
                f"a site of {args.grades} grades, {what}: {took:.2f} s, {took / reading:.1f} times reading them"
            )
        site(few, disclose(few), Path(folder, "few"))
        for name in ("index.html", "sampling.html"):
            page = Path(folder, "few", name).read_bytes()
            rows = page[page.index(b'<table class="board') : page.rindex(b"</table>")]
            print(
                f"{name} of {args.rows} entries: {len(page) / 1e3:.0f} KB, {len(gzip.compress(page)) / 1e3:.0f} KB "
                f"gzipped, {rows.count(b'<th scope=row>')} rows"
            )


if __name__ == "__main__":
    main()
