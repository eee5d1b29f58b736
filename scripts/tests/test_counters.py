"""Counters in the report: read off made-up rows whose answer is known."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic_report import MACHINE, Plan, Row, rows_of, write_report

from flushwalk import calls, counter_measures, options, report, run
from flushwalk.document import Numbers, Paragraph, markdown
from flushwalk.drawings import collect
from flushwalk.figures import FIGURES, style
from flushwalk.results import load
from flushwalk.sections import counters as section
from flushwalk.sections.base import Context

FIGURE = FIGURES["counters-by-walk"]
PLAN = Plan(blocks=(64, 4096), full=(50,), shootdowns=("none", "mprotect_range"), repetitions=5,
            samples=10)
# counter -> kind and what a flush has of it, by walk; the xarray's second.
SOFTWARE = {"page-faults": ("software", 0.0, 0.0), "tlb:tlb_flush/reason==3/": ("tracepoint", 1, 1),
            "cycles:u": ("hardware", None, None)}
HARDWARE = {"cycles:u": ("hardware", 1000.0, 3000.0), "page-faults": ("software", 0.0, 0.0)}


def counter_rows(plan: Plan, counters: dict[str, tuple[str, Any, Any]]) -> Iterator[Row]:
    for row in rows_of(plan):
        if row["metric"] not in ("flush_time", "stall"):
            continue
        for counter, (kind, of_list, of_xarray) in counters.items():
            value = of_list if row["walk"] == "free_list" else of_xarray
            value = value if row["role"] == "initiator" or value is None else 0
            flushes = row["shootdown"] != "none" or kind != "tracepoint"
            value = value if flushes or value is None else 0
            yield {**dict.fromkeys(counter_measures.COLUMNS, ""), "schema_version": 1,
                   **{name: row[name] for name in ("bench", "case", "repetition", "role", "cpu",
                                                   "shootdowns_expected", "shootdowns_proven")},
                   "counter": counter, "kind": kind, "operation": "flush", "operations": 10,
                   "raw": "" if value is None else int(value * 10),
                   "scaled": "" if value is None else f"{value * 10:.6f}",
                   "per_operation": "" if value is None else f"{value:.6f}",
                   "status": "not_supported" if value is None else "counted",
                   "reason": "no PMU is offered" if value is None else "", "valid": "true"}


def write(folder: Path, counters: dict[str, tuple[str, Any, Any]], change: Any = None) -> Path:
    write_report(folder, PLAN)
    with (folder / "counters.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, counter_measures.COLUMNS)
        writer.writeheader()
        for row in counter_rows(PLAN, counters):
            if change:
                change(row)
            writer.writerow(row)
    events = [{"name": name, "kind": kind, "reason": "no PMU is offered" if value is None else None}
              for name, (kind, value, _) in counters.items()]
    machine = {**MACHINE, "counters": {
        "hardware_groups": 2, "groups_change": "from sample to sample", "events": events,
        "cost": {"begin_ns": 1300, "end_ns": 1400, "read_ns": 1500, "flush_ns": 20000,
                 "counted_flush_ns": 20500}}}
    (folder / "machine.json").write_text(json.dumps(machine), encoding="utf-8")
    return folder


def test_columns_are_those_of_the_schema() -> None:
    schema = Path(__file__).resolve().parents[2] / "reports" / "SCHEMA.md"
    table = schema.read_text().split("## counters.csv")[1].split("## machine.json")[0]
    found = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)
    assert tuple(found) == counter_measures.COLUMNS


def test_hardware_is_shown_by_walk_where_it_was_counted(tmp_path: Path) -> None:
    frame = FIGURE.collect(load([write(tmp_path / "run", HARDWARE)]))
    assert set(frame["counter"]) == {"cycles:u"}  # page-faults never moved
    assert set(frame["shootdown"]) == {"none"}
    values = {(row.walk, row.blocks): row.value for row in frame.itertuples()}
    assert values == {("free_list", 64): 1000, ("free_list", 4096): 1000, ("xarray", 64): 3000,
                      ("xarray", 4096): 3000}
    assert "free list 1,000 and xarray 3,000" in FIGURE.sentence(frame)


def test_without_a_pmu_one_line_says_so_and_the_rest_is_shown(tmp_path: Path) -> None:
    results = load([write(tmp_path / "run", SOFTWARE)])
    context = Context(results, collect(results, [FIGURE.name]))
    built = section.build(context)
    first = built.blocks[0]
    assert isinstance(first, Paragraph)
    assert "No hardware events were counted (no PMU is offered)" in first.text
    assert set(context.drawn[FIGURE.name].frame["counter"]) == {"tlb:tlb_flush/reason==3/"}
    assert set(context.drawn[FIGURE.name].frame["shootdown"]) == {"mprotect_range"}
    tables = {block.caption: block.table for block in built.blocks if isinstance(block, Numbers)}
    assert tables["Not counted"].rows == (("cycles:u", "not_supported", "no PMU is offered"),)
    text = markdown("", "", [built])
    assert "1.30 us to switch on" in text and "20.5 us counted and 20.0 us not counted" in text


def test_invalid_rows_are_in_nothing(tmp_path: Path) -> None:
    def spoil(row: Row) -> None:
        if row["repetition"] == 0:
            row.update(valid="false", per_operation="999", raw=9990)

    results = load([write(tmp_path / "run", HARDWARE, spoil)])
    assert counter_measures.counts(results)["per_operation"].max() == 3000
    assert set(FIGURE.collect(results)["repetitions"]) == {4}


def test_a_torn_file_is_read_up_to_its_last_whole_row(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", HARDWARE)
    whole = len(counter_measures.counts(load([folder])))
    path = folder / "counters.csv"
    path.write_bytes(path.read_bytes()[:-7])
    assert len(counter_measures.counts(load([folder]))) == whole - 1


@pytest.mark.parametrize("text", ["", "a,b\r\n1,2\r\n", None])
def test_a_report_without_counters_says_so(tmp_path: Path, text: str | None) -> None:
    folder = write_report(tmp_path / "run", PLAN)
    if text is not None:
        (folder / "counters.csv").write_text(text)
    said = markdown("T", "s", [section.build(Context(load([folder]), {}))])
    assert "Nothing was counted in this run" in said
    assert "--counters=default" in said  # the command that would


def test_the_figure_is_drawn_wide_and_narrow(tmp_path: Path) -> None:
    many = {f"event{i}": ("hardware", 10.0**i, 2 * 10.0**i) for i in range(14)}
    frame = FIGURE.collect(load([write(tmp_path / "run", many)]))
    for layout in (replace(style.WIDE, scale=style.LINEAR), style.NARROW):
        drawing = FIGURE.draw(frame, layout)
        FigureCanvasAgg(drawing).draw()
        assert len(drawing.axes) == 12
        for panel in drawing.axes:
            assert (panel.get_ylim()[0] == 0) == (layout.scale == style.LINEAR)
            assert len(panel.lines) == 2
    assert "2 more are in the table" in FIGURE.reading(frame)
    assert len(FIGURE.numbers(frame).rows) == 14 * 4


def test_run_hands_the_counters_on() -> None:
    wanted = options.request(["--counters=tlb,cycles:k", "--counter-rotation",
                              "--filter=blocks:64/"])
    command = calls.command(run.BINARIES, wanted, wanted.sweeps[0])
    assert command[-2:] == ["--counters=tlb,cycles:k", "--counter-rotation"]
    plain = options.request(["--filter=blocks:64/"])
    for sweep in plain.sweeps:
        named = [word for word in calls.command(run.BINARIES, plain, sweep) if "counter" in word]
        assert named == ([] if sweep.counted else ["--counters=none"]), sweep.title
    assert {sweep.counted for sweep in plain.sweeps} == {True, False}
