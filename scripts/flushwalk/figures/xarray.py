"""ns an operation against entries: the xarray and the containers beside it, dense keys; a panel for
each operation, the xarray's cursor beside the iterations."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from flushwalk import index_measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import count_axis, time_axis, y_label
from flushwalk.figures.base import Figure, Table
from flushwalk.index_measures import CONTAINERS, SUITES_OWN
from flushwalk.results import Results

NAMES = {"xarray": "xarray", "std_map": "std::map", "absl_btree_map": "absl::btree_map",
         "judyl": "JudyL", "lfht": "lfht (liburcu)"}
_PANELS = ("load", "insert", "erase", "iterate")
_CURSOR = "iterate_cursor"
_KEYS = {"dense": "dense keys", "every_64th": "every 64th key", "random": "random keys"}


def container_name(container: str) -> str:
    return NAMES.get(container, container)


def keys_words(keys: str) -> str:
    return _KEYS.get(keys, keys)


def operation_words(operation: str) -> str:
    return operation.replace("_", " ")


def collect(results: Results) -> pd.DataFrame:
    table = index_measures.times(results)
    if table.empty:
        return table
    table = table[table["operation"].isin((*_PANELS, _CURSOR))]
    if table.empty:
        return table
    return table[table["keys"] == index_measures.usual_keys(table)].reset_index(drop=True)


def _line(container: str, operation: str) -> dict[str, Any]:
    """The xarray looks as its walks do in the other figures."""
    if container == SUITES_OWN:
        return style.walk_line("cursor" if operation == _CURSOR else "xarray")
    peers = [name for name in CONTAINERS if name != SUITES_OWN]
    return style.numbered_line(peers.index(container) if container in peers else len(peers))


def _label(container: str, operation: str) -> str:
    words = container_name(container)
    return f"{words}, cursor" if operation == _CURSOR else words


def _lines_of(part: pd.DataFrame) -> list[tuple[str, str]]:
    """Container and operation of each line, in the order of all figures and tables."""
    ordered = part[["container", "operation"]].drop_duplicates()
    return [(str(row.container), str(row.operation)) for row in ordered.itertuples()]


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    machines = style.machines_in(frame)
    parts = []
    for operation in _PANELS:
        wanted = (operation, _CURSOR) if operation == "iterate" else (operation,)
        part = frame[frame["operation"].isin(wanted)]
        if len(part):
            parts.append((operation, part))
    keys: dict[str, Any] = {}
    for container, operation in _lines_of(frame):
        keys.setdefault(_label(container, operation),
                        Line2D([], [], label=_label(container, operation),
                               **_line(container, operation)))
    order = [_label(*line) for line in
             [*((name, "load") for name in CONTAINERS), (SUITES_OWN, _CURSOR)]]
    drawing, axes = style.new_figure(
        [title for title, _ in parts], layout, "The index: time of one operation by container",
        f"Median and p10 to p90 band; {keys_words(str(frame['keys'].iloc[0]))}",
        [*(keys[label] for label in sorted(keys, key=lambda label: (
            order.index(label) if label in order else len(order)))),
         *style.machine_keys(machines)])
    for panel, (_, part) in zip(axes, parts):
        for container, operation in _lines_of(part):
            line = part[(part["container"] == container) & (part["operation"] == operation)]
            style.draw_line(panel, line, machines, "entries", ("p10_ns", "p50_ns", "p90_ns"),
                            _line(container, operation))
        count_axis(panel, list(part["entries"]), "entries", layout.scale)
    time_axis(axes[0], layout.scale)
    y_label(axes, "time of an operation", layout.scale)
    return drawing


def compared(case: Any) -> str:
    """7.90x (7.60-8.20); nothing for the xarray itself."""
    if not case.over:
        return ""
    return wording.short_ratio(case.ratio, case.ratio_low, case.ratio_high, case.pairs,
                               case.verdict)


def numbers(frame: pd.DataFrame) -> Table:
    several = frame["report"].nunique() > 1
    rows = [(*([case.report] if several else []), operation_words(case.operation),
             container_name(case.container), wording.count(case.entries),
             wording.time(case.p10_ns), wording.time(case.p50_ns), wording.time(case.p90_ns),
             compared(case)) for case in frame.itertuples()]
    headers = (*(["report"] if several else []), "operation", "container", "entries", "p10",
               "median", "p90", "over the xarray (95 %)")
    return Table(headers, tuple(rows), words=3 if several else 2)


def sentence(frame: pd.DataFrame) -> str:
    said = []
    several = frame["report"].nunique() > 1
    for report in frame["report"].unique():
        ours = frame[frame["report"] == report]
        size = index_measures.usual_entries(list(ours["entries"].unique()))
        ours = ours[ours["entries"] == size]
        where = (f"{wording.count(size)} entries, "
                 f"{keys_words(str(ours['keys'].iloc[0]))}")
        said.append(f"{report}: at {where}:" if several else f"At {where}:")
        told = [words for operation in _PANELS if (words := _operation_said(ours, operation))]
        said.append("; ".join(told) + ".")
    return " ".join(said)


def _operation_said(part: pd.DataFrame, operation: str) -> str:
    """load: xarray 3.14 ns, JudyL 23.9 ns (7.6x)"""
    wanted = (_CURSOR, operation) if operation == "iterate" else (operation,)
    cases = [case for name in wanted for case in part[part["operation"] == name].itertuples()]
    times = [f"{_label(case.container, case.operation)} {wording.time(case.p50_ns)}"
             + (f" ({wording.three_digits(case.ratio)}x)" if case.pairs else "") for case in cases]
    return f"{operation_words(operation)}: {', '.join(times)}" if times else ""


def reading(frame: pd.DataFrame) -> str:
    return ("Loads are independent of each other, in a random order, of keys that are there; "
            "inserts put back what was erased just before. An iteration does not read the entries. "
            "The xarray takes its lock for each insert and erase, and lfht is lock-free; the "
            "others are timed without a lock. lfht has a bucket for each entry and is iterated in "
            "no order. In brackets: over the xarray, and for an iteration over its cursor where "
            "that was measured, from pairs sampled in turn.")


FIGURE = Figure(
    name="xarray",
    title="The index: time of one operation by container",
    needs="--operation=insert,load,erase,iterate,iterate_cursor --entries=16,256,4096,65536 "
          "--keys=dense,every_64th,random --samples=20",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, bench="xarray_bench")
