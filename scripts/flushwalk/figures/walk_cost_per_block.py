"""ns a visited block, against blocks; and against queues where a run has several.

The free list visits the blocks that are listed, the xarray every block: a flush's time divided by
the blocks that it visited tells what visiting one costs, whatever their number.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from flushwalk import measures, wording
from flushwalk.figures import style, walk_table
from flushwalk.figures.axes import count_axis, time_axis, y_label
from flushwalk.figures.base import Figure, Table, panels, walks_in
from flushwalk.results import Results
from flushwalk.statistics import with_ratios

_HELD = ("dirty_percent", "dirty_slots", "gather", "check")
_SCALED = ("p10_ns", "p50_ns", "p90_ns")


def collect(results: Results) -> pd.DataFrame:
    by_blocks = _per_block(measures.walk_rows(results), "blocks")
    rows = results.flushes()
    rows = measures.kernels_own(rows[rows["shootdown"] == "none"])
    rows = measures.narrow(rows, (
        "gather", "dirty_slots", "dirty_percent", "placement", "responders"))
    # Of the sizes that were run with several queues, the usual one.
    queues = rows.groupby(["report", "blocks", "full_percent"])["queues"].transform("nunique")
    rows = measures.at_usual_size(rows[queues > 1])
    if rows["queues"].nunique() < 2:
        return by_blocks
    return pd.concat([by_blocks, _per_block(rows, "queues")], ignore_index=True)


def _per_block(rows: pd.DataFrame, against: str) -> pd.DataFrame:
    rows = rows[rows["visited_blocks"] > 0]
    frame = with_ratios(measures.costs(rows), rows, per="visited_blocks")
    for name in _SCALED:
        frame[name] = frame[name] / frame["visited_blocks"]
    frame = frame.rename(columns={name: name.replace("_ns", "_ns_a_block") for name in _SCALED})
    frame.insert(0, "against", against)
    return frame


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    parts = [("blocks", title, part)
             for title, part in panels(frame[frame["against"] == "blocks"], "full_percent",
                                       lambda value: f"{value:g} % of the blocks full")]
    by_queues = frame[frame["against"] == "queues"]
    parts += [("queues", title, part)
              for title, part in panels(by_queues, "blocks",
                                        lambda value: f"{value:,g} blocks, by queues")]
    walks, machines = walks_in(frame), style.machines_in(frame)
    drawing, axes = style.new_figure(
        [title for _, title, _ in parts], layout, "The walk alone: time of one visited block",
        f"Median and p10 to p90 band; {wording.held_axes(frame, (*_HELD, 'queues'))}",
        [*(style.walk_key(walk) for walk in walks), *style.machine_keys(machines)])
    for panel, (against, _, part) in zip(axes, parts):
        for walk in walks:
            style.draw_line(panel, part[part["walk"] == walk], machines, against,
                            ("p10_ns_a_block", "p50_ns_a_block", "p90_ns_a_block"),
                            style.walk_line(walk))
        count_axis(panel, list(part[against]), "live blocks" if against == "blocks" else "queues",
                   layout.scale)
    time_axis(axes[0], layout.scale)
    y_label(axes, "time of a visited block", layout.scale)
    return drawing


def numbers(frame: pd.DataFrame) -> Table:
    return walk_table.by_load(frame, ("blocks", "full_percent", "queues"),
                              ("p10_ns_a_block", "p50_ns_a_block", "p90_ns_a_block"))


def sentence(frame: pd.DataFrame) -> str:
    said = []
    several = frame["report"].nunique() > 1
    for report in frame["report"].unique():
        ours = frame[frame["report"] == report]
        part = measures.at_usual_size(ours[ours["against"] == "blocks"])
        size = wording.held_axes(part, ("blocks", "full_percent", "queues"))
        times = wording.listing(
            f"{wording.time(case.p50_ns_a_block)} for each of the "
            f"{wording.count(case.visited_blocks)} blocks that the {wording.walk_name(case.walk)} "
            "walk visits" for case in part.itertuples())
        said.append(f"{report}: at {size}: {times}." if several else f"At {size}: {times}.")
        queues = ours[ours["against"] == "queues"]
        for walk in walks_in(queues):
            line = queues[queues["walk"] == walk].sort_values("queues")
            if line["queues"].nunique() < 2:
                continue
            first, last = line.iloc[0], line.iloc[-1]
            said.append(
                f"{wording.walk_name(walk).capitalize()}, from {wording.count(first['queues'])} "
                f"to {wording.count(last['queues'])} queues at "
                f"{wording.count(first['blocks'])} blocks: "
                f"{wording.time(first['p50_ns_a_block'])} to "
                f"{wording.time(last['p50_ns_a_block'])} a block.")
    return " ".join(said)


def reading(frame: pd.DataFrame) -> str:
    return ("The time of a flush divided by the blocks that it visited: for the free list these "
            "are the listed blocks only. What a flush costs whatever it visits is part of it, and "
            "shows where there are few blocks; a walk that visits no block has no point here. "
            f"Held: {wording.held_axes(frame, (*_HELD, 'queues'))}.")


FIGURE = Figure(
    name="walk-cost-per-block",
    title="The walk alone: time of one visited block",
    needs="--walk=free_list,xarray --shootdown=none --blocks=64,512,4096 --queues=1,8,64",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading)
