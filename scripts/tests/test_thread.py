"""The thread's questions: what is read off thread.json, and what is said where it is missing."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Callable

import pytest
import synthetic_patch_series
import synthetic_ranges

from flushwalk.drawings import collect
from flushwalk.document import Command, Numbers, Paragraph, Picture
from flushwalk.figures import FIGURES, style
from flushwalk.results import COLUMNS, load
from flushwalk.sections import Context, thread
from flushwalk.thread_measures import deferrals, window_costs

Make = Callable[..., Path]


def _deferred(load_name: str, revision: str, histogram: list[list[int]], **more: Any) -> Any:
    pages = sum(count for _, count in histogram)
    return {"load": load_name, "threads": 1, "gather": "hull", "revision": revision,
            "freed_pages": 2 * pages, "pages": pages, "deferred_pages": 0,
            "never_flushed_pages": 0, "window_pages": 0, "flushes": None, "ns": None,
            "pages_by_flushes": histogram, **more}


FOUND: dict[str, Any] = {
    "schema_version": 1, "ok": True, "shootdown": "guard",
    "deferred": [
        _deferred("churn", "v6.4", [[1, 20], [3, 70], [17, 10]]),
        _deferred("mixed", "v6.4", [[1, 50], [2, 50]], threads=2, gather="runs",
                  never_flushed_pages=25, ns={"p50": 5e6, "p90": 40e6, "max": 2e9}),
        _deferred("churn", "p1", [[1, 90]]),
        _deferred("many_cpus", "p1", []),
    ],
    "direct_return": [
        {"last_free": "direct_return", "first_flush_pages": 64, "block_freed": True,
         "lazy_pages_then": 0, "second_flush_pages": 0, "stale_pages": 64,
         "address_handed_out_again": True},
        {"last_free": "lazy", "first_flush_pages": 64, "block_freed": True, "lazy_pages_then": 128,
         "second_flush_pages": 128, "stale_pages": 0, "address_handed_out_again": True}],
    "window": [
        {"last_free": "lazy", "last_frees": 400, "flushes": 10, "windows_hit": 30,
         "stale_pages": 100, "missed_pages": 0},
        {"last_free": "closed_window", "last_frees": 500, "flushes": 10, "windows_hit": 0,
         "stale_pages": 0, "missed_pages": 0}],
    "no_rcu": [{"read_section": True, "walks": 9, "visited": 2000, "dead": 0, "erased": 5},
               {"read_section": False, "walks": 9, "visited": 1500, "dead": 38, "erased": 5}],
}
ALIAS = {"ok": True, "walks": [
    {"walk": "free_list", "revision": "v6.4", "stale": True, "stale_pages": 64, "fault": None},
    {"walk": "xarray", "revision": "p1", "stale": False, "stale_pages": 0,
     "fault": "SEGV_ACCERR"}]}


def _said(folder: Path) -> list[Any]:
    results = load([folder])
    drawn = collect(results, ["deferral", "range-crossover", "patch-series"])
    return list(thread.build(Context(results, drawn)).blocks)


def _text(blocks: list[Any]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, (Paragraph, Command)))


@pytest.fixture
def answered(make_report: Make) -> Path:
    folder = make_report()
    (folder / "thread.json").write_text(json.dumps(FOUND))
    (folder / "stale_alias.json").write_text(json.dumps(ALIAS))
    return folder


@pytest.mark.parametrize("words", [
    "in v6.4 yes: 64 pages stale, the old address reads and overwrites the next owner's data and "
    "in p1 no, the access faults (SEGV_ACCERR)",
    "half within 5.00 ms, 90 % within 40.0 ms, the longest 2.00 s; 25 % were stale when the load",
    "as 2 threads had it",
    "Y is freed and flushed (64 pages)", "with 0 pages on the lazy list", "64 pages of X stale",
    "The next allocation has the same address. The kernel's way leaves 0.",
    "Inside a read-side critical section 0 of 2,000 visited entries would have been freed; outside "
    "of one 38 of 1,500.",
    "hit by 30 of 400 last frees (7.5 %)", "hit by 0 of 500 last frees (0 %)",
])
def test_each_question_is_answered(answered: Path, words: str) -> None:
    assert words in _text(_said(answered))


def test_a_run_without_answers_says_what_gives_them(make_report: Make) -> None:
    blocks = _said(make_report())
    commands = [block.text for block in blocks if isinstance(block, Command)]
    assert sum("thread_answers > " in text for text in commands) == 4
    assert sum("stale_alias --json > " in text for text in commands) == 1
    assert sum("patch_series_bench --workload=second_flush" in text for text in commands) == 1
    assert sum("flush_range_bench --ranges=" in text for text in commands) == 1
    assert not any(isinstance(block, Picture) for block in blocks)


def test_what_p3_saves_is_read_off_the_rows(tmp_path: Path) -> None:
    blocks = _said(synthetic_patch_series.write_report(tmp_path / "series"))
    text = next(block.text for block in blocks
                if isinstance(block, Paragraph) and block.text.startswith("(f)"))
    assert "p2 against p3 (second flush): " in text and "a round alone" in text


def test_the_hull_with_a_gap_is_answered_by_the_map(tmp_path: Path) -> None:
    blocks = _said(synthetic_ranges.write_report(tmp_path / "ranges"))
    (text,) = [block.text for block in blocks
               if isinstance(block, Paragraph) and block.text.startswith("(e)")]
    assert "Hull with a gap against array of ranges" in text and "not measured" not in text


def test_a_page_waits_for_at_least_so_many_flushes(answered: Path) -> None:
    frame = deferrals(load([answered]))
    churn = frame[(frame["load"] == "churn") & (frame["revision"] == "v6.4")]
    assert list(churn["flushes"]) == [1, 3, 17]
    assert list(churn["at_least_share"]) == pytest.approx([1.0, 0.8, 0.1])
    assert "many_cpus" not in set(frame["load"])  # no page of a full block was freed there


def test_the_figure_of_deferral(answered: Path) -> None:
    (drawn,) = collect(load([answered]), ["deferral"]).values()
    figure = FIGURES["deferral"]
    sentence = figure.sentence(drawn.frame)
    assert ("churn, 1 thread: 80 % of 100 pages later than the next flush, half of all within "
            "3 flushes, the last after 17") in sentence
    assert sentence.endswith("From patch 1 on all are covered by the next flush.")
    rows = {row[0:3]: row[3:] for row in figure.numbers(drawn.frame).rows}
    assert rows[("churn, 1 thread", "hull", "v6.4")] == ("100", "80", "80 %", "3", "3", "17")
    for layout in (style.WIDE, style.NARROW):
        panels = figure.draw(drawn.frame, layout).axes
        assert len(panels) == 2
    (line, other) = panels[0].lines
    assert list(line.get_ydata()) == pytest.approx([100.0, 80.0, 10.0])
    assert list(other.get_xdata()) == [1]


def _row(way: str, metric: str, role: str, repetition: int, time: float) -> dict[str, Any]:
    name = "alloc_free/threads:1/pages:32" + ("" if way == "lazy" else f"/last_free:{way}")
    return {**dict.fromkeys(COLUMNS, ""), "schema_version": 1, "bench": "alloc_free_bench",
            "case": name, "repetition": repetition, "role": role, "cpu": 0, "metric": metric,
            "unit": "ns", "mean": time, "p50": time, "samples": 4, "flusher": "none", "pages": 32,
            "last_free": way, "shootdowns_expected": 0, "shootdowns_proven": 0, "valid": "true"}


def test_the_cost_of_closing_the_window_is_paired(answered: Path) -> None:
    with (answered / "measurements.csv").open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        for repetition in range(10):
            drift = 1.0 + repetition  # tenfold: only pairs see through it
            writer.writerow(_row("lazy", "free_time", "worker", repetition, 20.0 * drift))
            writer.writerow(_row("closed_window", "free_time", "worker", repetition, 21.0 * drift))
    costs = window_costs(load([answered]))
    (cost,) = costs.itertuples()
    assert (cost.metric, cost.pairs, cost.verdict) == ("free_time", 10, "slower")
    assert cost.ratio == pytest.approx(1.05)
    (numbers,) = [block for block in _said(answered) if isinstance(block, Numbers)]
    assert numbers.table.rows[0][0] == "a free" and "1.05x" in numbers.table.rows[0][5]
