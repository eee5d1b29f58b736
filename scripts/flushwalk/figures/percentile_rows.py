"""Distributions in rows: a row for each operation, from its median to its largest sample, on one axis
of time. Drawn alike for the initiator's call and the responder's stall."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from flushwalk import wording
from flushwalk.figures import style
from flushwalk.figures.axes import linear_time_across, log_time_across
from flushwalk.figures.base import panels

# Column, marker, size and what it is called. p50 is drawn last, above the others.
_MARKS = (("max", "x", 5.0, "max"), ("p999", "s", 3.5, "p99.9"), ("p99", "^", 4.5, "p99"),
          ("p90", "d", 4.0, "p90"), ("p50", "o", 5.5, "median and its 95 % interval"))
_ROW = 0.235  # inches
ONE_REPORT = "a row is a distribution of one machine"


class Beside(NamedTuple):
    """A further median in each row: where it stands in the table, its marker and what it is."""

    column: str
    marker: str
    label: str


def draw(frame: pd.DataFrame, layout: style.Layout, title: str, subtitle: str, axis_label: str,
         beside: Sequence[Beside] = ()) -> Drawing:
    """A panel for each number of responders, a row for each `row` of the frame, whose controls are of
    another colour."""
    rows = list(dict.fromkeys(frame["row"]))
    parts = panels(frame, "responders", lambda count: wording.count(float(str(count)), "responder"))
    shown = [mark for mark in _MARKS if frame[mark[0]].notna().any()]
    keys: list[Artist] = [_key(marker, size, label) for _, marker, size, label in reversed(shown)]
    keys += [_key(mark.marker, 5.0, mark.label, hollow=True) for mark in beside
             if frame[mark.column].notna().any()]
    drawing, axes = style.new_figure(
        [name for name, _ in parts], replace(layout, columns=min(layout.columns, 2)), title,
        subtitle, keys, panel_height=_ROW * (len(rows) + 0.6), labels=rows)
    for panel, (_, part) in zip(axes, parts):
        panel.set_xscale(layout.scale)
        _panel(panel, part, rows, beside)
    low = min(panel.get_xlim()[0] for panel in axes)
    high = max(panel.get_xlim()[1] for panel in axes)
    for panel in axes:
        if layout.scale == style.LINEAR:
            linear_time_across(panel, float(frame["max"].max()), f"{axis_label}, linear scale")
            continue
        panel.set_xlim(low, high)
        log_time_across(panel)
        panel.set_xlabel(f"{axis_label} (log scale)")
    return drawing


def _key(marker: str, size: float, label: str, hollow: bool = False) -> Line2D:
    return Line2D([], [], linestyle="none", marker=marker, markersize=size, color=style.INK,
                  markerfacecolor=style.PAPER if hollow else style.INK, label=label)


def _panel(panel: Axes, part: pd.DataFrame, rows: Sequence[str], beside: Sequence[Beside]) -> None:
    for case in part.itertuples():
        at = rows.index(case.row)
        values = case._asdict()
        colour = style.SHOOTDOWN if case.control else style.numbered_line(0)["color"]
        panel.plot([case.p50, case.max], [at, at], color=colour, linewidth=1.0, alpha=0.5)
        if not math.isnan(case.low):
            panel.plot([case.low, case.high], [at, at], color=colour, linewidth=4.0, alpha=0.45,
                       solid_capstyle="butt")
        for mark in beside:
            if not math.isnan(values[mark.column]):
                panel.plot([values[mark.column]], [at], marker=mark.marker, markersize=5.0,
                           color=colour, markerfacecolor=style.PAPER, linestyle="none")
        for column, marker, size, _ in _MARKS:
            panel.plot([values[column]], [at], marker=marker, markersize=size, color=colour,
                       linestyle="none", zorder=3)
    panel.set_yticks(range(len(rows)))
    panel.set_yticklabels(rows)
    panel.set_ylim(len(rows) - 0.4, -0.6)


HEADERS = ("median", "95 % interval", "p90", "p99", "p99.9", "max")


def cells(frame: pd.DataFrame) -> list[list[str]]:
    """Of each row what HEADERS say; a percentile for which there are too few samples is "-"."""
    return [[wording.time(case.p50), wording.interval(case.low, case.high),
             *(_tail(value) for value in (case.p90, case.p99, case.p999)), wording.time(case.max)]
            for case in frame.itertuples()]


def _tail(value: float) -> str:
    return "-" if math.isnan(value) else wording.time(value)
