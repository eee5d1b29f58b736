"""ns a flush against blocks: the walk alone, both walks, with the band from p10 to p90."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from flushwalk import measures, wording
from flushwalk.figures import style, walk_table
from flushwalk.figures.axes import count_axis, time_axis, y_label
from flushwalk.figures.base import Figure, Table, panels, walks_in
from flushwalk.results import Results
from flushwalk.statistics import BASELINE_WALK, with_ratios

_HELD = ("dirty_percent", "dirty_slots", "queues", "gather", "check")


def collect(results: Results) -> pd.DataFrame:
    rows = measures.walk_rows(results)
    return with_ratios(measures.costs(rows), rows)


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    parts = panels(frame, "full_percent", lambda value: f"{value:g} % of the blocks full")
    walks, machines = walks_in(frame), style.machines_in(frame)
    drawing, axes = style.new_figure(
        [title for title, _ in parts], layout, "The walk alone: time of a flush",
        f"Median and p10 to p90 band; {wording.held_axes(frame, _HELD)}",
        [*(style.walk_key(walk) for walk in walks), *style.machine_keys(machines)])
    for panel, (_, part) in zip(axes, parts):
        for walk in walks:
            style.draw_line(panel, part[part["walk"] == walk], machines, "blocks",
                            ("p10_ns", "p50_ns", "p90_ns"), style.walk_line(walk))
        count_axis(panel, list(part["blocks"]), "live blocks", layout.scale)
    time_axis(axes[0], layout.scale)
    y_label(axes, "time of a flush", layout.scale)
    return drawing


def numbers(frame: pd.DataFrame) -> Table:
    return walk_table.by_load(frame, ("blocks", "full_percent"), ("p10_ns", "p50_ns", "p90_ns"))


def sentence(frame: pd.DataFrame) -> str:
    said = []
    for report in frame["report"].unique():
        part = measures.at_usual_size(frame[frame["report"] == report])
        size = wording.held_axes(part, ("blocks", "full_percent"))
        times = wording.listing(
            f"the {wording.walk_name(case.walk)} walk takes {wording.time(case.p50_ns)} a flush "
            f"(p10 to p90 {wording.time(case.p10_ns)} to {wording.time(case.p90_ns)})"
            for case in part.itertuples())
        prefix = f"{report}: at" if frame["report"].nunique() > 1 else "At"
        said.append(f"{prefix} {size}, {times}.")
        for case in part[part["walk"] != BASELINE_WALK].itertuples():
            if case.pairs:
                compared = wording.ratio(case.ratio, case.ratio_low, case.ratio_high, case.pairs,
                                         case.verdict)
                said.append(f"{wording.walk_name(case.walk).capitalize()} over "
                            f"{wording.walk_name(BASELINE_WALK)}: {compared}.")
        visited = wording.listing(
            f"{wording.walk_name(case.walk)} {wording.count(case.visited_blocks)}"
            for case in part.itertuples())
        said.append(f"Blocks visited by one flush: {visited}.")
    return " ".join(said)


def reading(frame: pd.DataFrame) -> str:
    held = wording.held_axes(frame, _HELD)
    repetitions = wording.span(frame["repetitions"])
    return (f"Walk and gather, without a system call. Each point is the median over {repetitions} "
            f"repetitions of a repetition's median; the band is from the median p10 to the median "
            f"p90. Ratios are of pairs sampled in turn. Held: {held}.")


FIGURE = Figure(
    name="walk-cost",
    title="The walk alone: time of a flush",
    needs="--walk=free_list,xarray --shootdown=none --blocks=64,512,4096 --full=0,50",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading)
