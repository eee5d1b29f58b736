"""Puts the package on the path, and gives the tests report folders (synthetic_report.py)."""

from __future__ import annotations

import fcntl
import itertools
import os
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

_TESTS = Path(__file__).resolve().parent
for _folder in (_TESTS, _TESTS.parent):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

from synthetic_report import Plan, quick_set, write_report  # noqa: E402  (needs the path above)


@pytest.fixture
def make_report(tmp_path: Path) -> Callable[..., Path]:
    """make_report(name="run", **plan) writes a report folder of that Plan and gives its path.

    Small unless told otherwise: one size, 50 % full, both walks, a shootdown with one responder.
    """

    def make(name: str = "run", **plan: Any) -> Path:
        small: dict[str, Any] = {"blocks": (4096,), "full": (50,)}
        return write_report(tmp_path / name, Plan(**{**small, **plan}))

    return make


def _write_whole(folder: Path) -> None:
    """Rows of every bench that has a figure of its own, what the programs showed, and the report."""
    import synthetic_alloc_free
    import synthetic_index
    import synthetic_patch_series
    import synthetic_ranges
    import synthetic_report
    from test_complete_walks import plans

    from flushwalk import report

    flushes = [synthetic_report.rows_of(plan) for plan in (*quick_set(), *plans())]
    pairs = [synthetic_alloc_free.rows_of(plan)
             for plan in synthetic_alloc_free.whole_set(repetitions=6)]
    synthetic_report.write_rows(folder, itertools.chain(
        *flushes, *pairs, synthetic_patch_series.rows_of(repetitions=6),
        synthetic_ranges.rows_of(repetitions=6),
        synthetic_index.rows_of(synthetic_index.IndexPlan(repetitions=6))),
        synthetic_report.MACHINE)
    (folder / "stale_alias.json").write_text(
        '{"ok": true, "walks": [{"walk": "free_list", "read_new_owner": true, '
        '"overwrote_new_owner": true, "fault": null}, {"walk": "xarray", "read_new_owner": false, '
        '"overwrote_new_owner": false, "fault": "SEGV_ACCERR"}]}')
    report.write_report(folder)


@pytest.fixture(scope="session")
def whole_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as scripts/run leaves it, with its report, to be read only. It takes seconds of CPU:
    the processes of a test run share one."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / "whole"
    with (base / "whole.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "report.html").exists():
            _write_whole(folder)
    return folder


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have the figure that is quickest to draw, and no other."""
    from flushwalk import report

    monkeypatch.setattr(report, "FIGURES", ["stale-slots"])


@pytest.fixture(scope="session")
def quick_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as scripts/run leaves it, to be read only."""
    return write_report(tmp_path_factory.mktemp("reports") / "quick", *quick_set())
