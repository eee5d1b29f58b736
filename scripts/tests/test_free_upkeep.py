"""What a walk costs a free: read off made-up rows whose answer is known."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from flushwalk.document import Command, Numbers, Paragraph, Section
from flushwalk.results import COLUMNS, load
from flushwalk.sections import free_upkeep
from flushwalk.sections.base import Context

TRUTH = {("free_list", 0): 70.0, ("marked", 0): 75.0, ("free_list", 16): 1500.0,
         ("marked", 16): 80.0}


def row(walk: str, every: int, repetition: int, **changes: Any) -> dict[str, Any]:
    name = f"alloc_free/threads:1/flush_every:{every}/walk:{walk}"
    cells: dict[str, Any] = {
        "schema_version": 1, "bench": "alloc_free_bench", "case": name, "repetition": repetition,
        "role": "worker", "cpu": 0, "metric": "pair_time", "unit": "ns", "samples": 4,
        "walk": walk, "revision": "v6.12", "blocks": 4096, "full_percent": 50, "queues": 2,
        "flush_every": every, "shootdowns_expected": 0, "shootdowns_proven": 0, "valid": "true",
    }
    statistics = ("min", "p10", "p50", "p90", "p99", "p999", "max", "mean")
    cells |= {name: 1.0 for name in statistics}
    cells["mean"] = TRUTH[walk, every] * (1 + (repetition - 2) / 1000)
    return {**cells, **changes}


def section(folder: Path, rows: list[dict[str, Any]]) -> Section:
    folder.mkdir(exist_ok=True)
    with (folder / "measurements.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return free_upkeep.build(Context(load([folder]), {}))


def rows_of_all(**changes: Any) -> list[dict[str, Any]]:
    return [row(walk, every, repetition, **changes)
            for walk, every in TRUTH for repetition in range(5)]


def test_the_table_has_the_median_of_the_means(tmp_path: Path) -> None:
    said, table = section(tmp_path / "run", rows_of_all()).blocks
    assert isinstance(said, Paragraph) and isinstance(table, Numbers)
    assert table.table.headers == ("walk", "no flush", "a flush every 16 frees")
    cells = {row[0]: row[1:] for row in table.table.rows}
    assert list(cells) == ["free list", "marked"]
    assert cells["free list"][1].startswith("1.50 us")
    assert cells["marked"][0].startswith("75.0 ns")
    assert "with no flush free list 70.0 ns;" in said.text
    assert "with a flush every 16 frees marked 80.0 ns, free list 1.50 us" in said.text


def test_each_load_is_told_apart(tmp_path: Path) -> None:
    blocks = section(tmp_path / "run", rows_of_all() + rows_of_all(blocks=64)).blocks
    assert len(blocks) == 4


@pytest.mark.parametrize("change", [{"valid": "false"}, {"case": "alloc_free/threads:1"},
                                    {"metric": "alloc_time"}, {"bench": "other_bench"}])
def test_other_rows_are_not_of_it(tmp_path: Path, change: dict[str, Any]) -> None:
    blocks = section(tmp_path / "run", rows_of_all(**change)).blocks
    assert isinstance(blocks[-1], Command)
    assert "alloc_free_bench" in blocks[-1].text and "--flush-every=0,16,256" in blocks[-1].text


def test_a_walk_that_was_not_measured_everywhere_has_an_empty_cell(tmp_path: Path) -> None:
    rows = [one for one in rows_of_all() if (one["walk"], one["flush_every"]) != ("marked", 0)]
    _, table = section(tmp_path / "run", rows).blocks
    assert isinstance(table, Numbers)
    assert table.table.rows[1][1] == "not measured"
