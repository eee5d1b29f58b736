"""What a shootdown is made of: the interrupt's floor, the work on mappings and page tables, and what is
left, stacked, beside the whole."""

from __future__ import annotations

import math
from typing import Any, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from flushwalk import shootdown_measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import linear_time_across
from flushwalk.figures.base import Figure, Table, panels
from flushwalk.shootdown_measures import PARTS

_LABELS = {
    "floor": "floor: a call and its interrupts (membarrier)",
    "mappings": "work on mappings (untouched - noop)",
    "page_tables": "page tables and the own TLB (one thread - untouched)",
    "rest": "the rest: other CPUs' TLBs",
}
_COLOURS = {"floor": style.SHOOTDOWN, "mappings": style.wait_colour("queue"),
            "page_tables": style.wait_colour("xarray"), "rest": style.wait_colour("block")}
_ROW = 0.3  # inches


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    rows = list(dict.fromkeys(frame["operation"]))
    parts = panels(frame, "responders", lambda count: wording.count(float(str(count)), "responder"))
    keys = [style.patch_key(_LABELS[name], _COLOURS[name]) for name in PARTS]
    keys.append(Line2D([], [], color=style.INK, marker="D", markersize=4.5, linewidth=1.2,
                       label="the operation, with its 95 % interval"))
    drawing, axes = style.new_figure(
        [title for title, _ in parts], layout, "What a shootdown is made of",
        f"Stacked medians, {wording.count(frame['pages'].iloc[0], 'page')}. "
        "Each panel has its own scale.", keys, panel_height=_ROW * (len(rows) + 0.6), labels=rows)
    for panel, (_, part) in zip(axes, parts):
        _stack(panel, part, rows)
    return drawing


def _stack(panel: Axes, part: pd.DataFrame, rows: list[str]) -> None:
    """A part that is unknown or below zero is not drawn: of the latter the stack is longer than the
    operation."""
    place = np.array([rows.index(str(name)) for name in part["operation"]], dtype=float)
    left = np.zeros(len(part))
    for name in PARTS:
        width = part[name].fillna(0.0).clip(lower=0.0).to_numpy(dtype=float)
        panel.barh(place, width, 0.62, left=left, color=_COLOURS[name])
        left += width
    time = part["time"].to_numpy(dtype=float)
    reach = np.nan_to_num([time - part["time_low"], part["time_high"] - time])
    panel.errorbar(time, place, xerr=reach, fmt="D", markersize=4.5, color=style.INK, capsize=3,
                   linewidth=1.2)
    linear_time_across(panel, float(np.nanmax([*left, *time, *part["time_high"]])),
                       "time of an operation")
    panel.set_yticks(range(len(rows)))
    panel.set_yticklabels(rows)
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.grid(False, axis="y")


def numbers(frame: pd.DataFrame) -> Table:
    rows = []
    for case in frame.to_dict("records"):
        rows.append((
            str(case["operation"]), wording.count(case["responders"]), wording.time(case["time"]),
            *(f"{wording.time(case[name])} "
              f"({wording.interval(case[f'{name}_low'], case[f'{name}_high'])})" for name in PARTS),
            _share(case)))
    return Table(("operation", "responders", "time", "floor", "mappings", "page tables", "rest",
                  "first three of the whole"), tuple(rows))


def _share(case: Mapping[str, Any]) -> str:
    """86 % (84 % to 88 %)"""
    if math.isnan(case["explained"]):
        return "not measured"
    value, low, high = (f"{case[f'explained{end}'] * 100:.0f} %" for end in ("", "_low", "_high"))
    few = math.isnan(case["explained_low"])
    return f"{value} ({'too few repetitions' if few else f'{low} to {high}'})"


def sentence(frame: pd.DataFrame) -> str:
    """Speaks of the first operation with responders; the others are in the numbers."""
    beside = frame[frame["responders"] > 0]
    if beside.empty:
        return "This run has no operation with a responder beside all its control arms."
    case = beside.iloc[0]
    said = [f"{name} {wording.time(case[column])} "
            f"({wording.interval(case[f'{column}_low'], case[f'{column}_high'])})"
            for name, column in (("floor", "floor"), ("work on mappings", "mappings"),
                                 ("page tables and the own TLB", "page_tables"),
                                 ("the rest", "rest"))]
    return (f"{case['operation']} of {wording.count(case['pages'], 'page')} with "
            f"{wording.axis_words('responders', float(case['responders']))}: "
            f"{wording.estimate(case['time'], case['time_low'], case['time_high'])} = "
            f"{' + '.join(said)}. Floor and work alone are {_share(case.to_dict())} of the whole.")


def reading(frame: pd.DataFrame) -> str:
    return ("Differences of arms that were sampled in turn, repetition by repetition; medians over "
            f"{wording.span(frame['pairs'])} of them, so that the parts add up only nearly. The rest is "
            "what no arm explains: dropping entries in the other CPUs' TLBs, less what the initiator "
            "does while it waits for them (its own TLB is flushed meanwhile): below zero the parts "
            "overlap. Without a responder nothing should be left of it.")


FIGURE = Figure(
    name="shootdown-parts",
    title="What a shootdown is made of",
    needs="--operation=mprotect,munmap,dontneed --arms=all --responders=0,1 --rate=0 --samples=1050 "
          "--repetitions=10",
    collect=shootdown_measures.parts, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, bench="shootdown_bench", scales=(style.LINEAR,),
    one_scale="What is stacked adds up on a linear scale only.",
    one_report="a row is the stack of one machine")
