"""Puts the package on the path, and gives the tests report folders (synthetic_report.py)."""

from __future__ import annotations

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


@pytest.fixture(scope="session")
def quick_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as scripts/run leaves it, to be read only."""
    return write_report(tmp_path_factory.mktemp("reports") / "quick", *quick_set())
