"""Counters a flush by walk: a small panel for each counter that moved, and for each side."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from flushwalk import counter_measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import count_axis, number_axis
from flushwalk.figures.base import Figure, Table, walks_in
from flushwalk.results import Results

_HELD = ("shootdown", "responders", "full_percent", "dirty_percent", "queues")
_MOST_PANELS = 12
# What is shown first where there are more counters than panels.
_KINDS = ("metric", "hardware", "tracepoint", "table", "software")
_OPERATIONS = {"flush": "a flush", "visited_block": "a visited block", "shootdown": "a shootdown"}


def collect(results: Results) -> pd.DataFrame:
    frame = counter_measures.by_walk(results)
    return frame.assign(_rank=frame["kind"].map(_rank)).sort_values(
        ["report", "_rank", "role", "counter", "blocks"], kind="stable",
        ignore_index=True).drop(columns="_rank")


def _rank(kind: str) -> int:
    return _KINDS.index(kind) if kind in _KINDS else len(_KINDS)


def _panels(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    parts = []
    for (role, counter), part in frame.groupby(["role", "counter"], sort=False):
        operation = str(part["operation"].iloc[0])
        parts.append((f"{counter}\n{role}, {_OPERATIONS.get(operation, 'a ' + operation)}", part))
    return parts[:_MOST_PANELS]


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    parts = _panels(frame)
    walks, machines = walks_in(frame), style.machines_in(frame)
    drawing, axes = style.new_figure(
        [title for title, _ in parts], layout, "Counters by walk",
        f"Median over the repetitions; {wording.held_axes(frame, _HELD)}",
        [*(style.walk_key(walk) for walk in walks), *style.machine_keys(machines)], own_y_axes=True)
    for panel, (_, part) in zip(axes, parts):
        for walk in walks:
            style.draw_line(panel, part[part["walk"] == walk], machines, "blocks",
                            ("value", "value", "value"), style.walk_line(walk))
        count_axis(panel, list(part["blocks"]), "live blocks", layout.scale)
        number_axis(panel, layout.scale, _short)
    return drawing


def _short(value: float) -> str:
    """12,300,000 as 12.3 M: room for it is what a time's label takes."""
    for scale, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= scale:
            return f"{value / scale:,.4g}{letter}"
    return f"{value:,.3g}"


def numbers(frame: pd.DataFrame) -> Table:
    several = frame["report"].nunique() > 1
    rows = tuple(
        (*([row.report] if several else []), row.counter, row.role,
         _OPERATIONS.get(row.operation, row.operation), wording.walk_name(row.walk),
         wording.count(row.blocks), wording.three_digits(row.value))
        for row in frame.itertuples())
    headers = (*(["report"] if several else []), "counter", "side", "of", "walk", "blocks", "value")
    return Table(headers, rows, words=5 if several else 4)


def sentence(frame: pd.DataFrame) -> str:
    first = frame[frame["blocks"] == frame["blocks"].max()]
    said = []
    for (role, counter), part in first.groupby(["role", "counter"], sort=False):
        values = wording.listing(f"{wording.walk_name(row.walk)} {wording.three_digits(row.value)}"
                                 for row in part.itertuples())
        operation = _OPERATIONS.get(str(part["operation"].iloc[0]), "")
        said.append(f"{counter} at the {role} {operation}: {values}")
    return f"At {wording.count(first['blocks'].iloc[0], 'block')}, {'; '.join(said[:4])}."


def reading(frame: pd.DataFrame) -> str:
    hidden = frame.groupby(["role", "counter"]).ngroups - _MOST_PANELS
    more = f" {hidden} more are in the table." if hidden > 0 else ""
    return ("Counted exactly around the timed parts, by each thread for itself; counters that "
            f"stayed at 0 are not drawn, and where one did a line on the log scale has no "
            f"point.{more} Held: {wording.held_axes(frame, _HELD)}.")


FIGURE = Figure(
    name="counters-by-walk",
    title="Counters by walk",
    needs="--walk=free_list,xarray --shootdown=none,mprotect_range --blocks=64,512,4096 --full=50 "
          "--responders=0,1 --counters=default",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence, reading=reading)
