"""Slots that are still stale when a flush has returned, by walk."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from flushwalk import measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import bars_fit, category_axis, y_label
from flushwalk.figures.base import Figure, Table, panels, walks_in
from flushwalk.results import Results

_HELD = ("blocks", "full_percent", "dirty_percent", "dirty_slots", "queues")


def collect(results: Results) -> pd.DataFrame:
    """For each gather: against percent full at the usual number of blocks, or against blocks where
    full has one value."""
    table = measures.stale_costs(results)
    parts = [_against(group) for _, group in table.groupby(["report", "gather"], sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else table


def _against(table: pd.DataFrame) -> pd.DataFrame:
    size = measures.usual(list(table["blocks"].unique()), "blocks")
    at_size = table[table["blocks"] == size]
    by_full = at_size["full_percent"].nunique() > 1 or table["blocks"].nunique() == 1
    frame = at_size if by_full else table[table["full_percent"] == measures.usual(
        list(table["full_percent"].unique()), "full_percent")]
    return frame.assign(
        against="full_percent" if by_full else "blocks",
        stale_percent=100.0 * frame["stale_slots"] / frame["dirty_slots_total"])


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    walks = walks_in(frame)
    own = [axis for axis in _HELD if frame[axis].nunique() > 1]
    parts = panels(frame, "gather", lambda value: f"gather {value}")
    titles = [", ".join(filter(None, (title, wording.held_axes(part, own))))
              for title, part in parts]
    drawing, axes = style.new_figure(
        titles, layout, "Stale slots left when the flush has returned",
        f"Number of slots above the bars; {wording.held_axes(frame, _HELD)}",
        [style.patch_key(wording.walk_name(walk), style.walk_colour(walk)) for walk in walks])
    for panel, (_, part) in zip(axes, parts):
        against = str(part["against"].iloc[0])
        values = sorted(part[against].unique())
        width = 0.8 / len(walks)
        category_axis(panel, values, "full blocks (% of all)" if against == "full_percent"
                      else "live blocks")
        labels = bars_fit(panel, width, [wording.count(slots) for slots in part["stale_slots"]])
        for at, walk in enumerate(walks):
            bars = part[part["walk"] == walk].drop_duplicates(against).set_index(against)
            bars = bars.reindex(values)
            place = np.arange(len(values)) + (at - (len(walks) - 1) / 2) * width
            panel.bar(place, bars["stale_percent"], width * 0.92, color=style.walk_colour(walk))
            for x, height, slots in zip(place, bars["stale_percent"], bars["stale_slots"]):
                if labels and np.isfinite(height):
                    panel.annotate(wording.count(slots), (x, height), (0, 2), ha="center",
                                   va="bottom", textcoords="offset points")
        panel.set_ylim(0, 112)
        panel.set_yticks(range(0, 101, 25))
    y_label(axes, "stale slots (% of the freed ones)")
    return drawing


def numbers(frame: pd.DataFrame) -> Table:
    rows = []
    for case in frame.itertuples():
        rows.append((
            wording.walk_name(case.walk), case.gather,
            wording.count(case.blocks), wording.percent(case.full_percent),
            f"{wording.count(case.dirty_blocks)} of {wording.count(case.dirty_blocks_total)}",
            f"{wording.count(case.stale_slots)} of {wording.count(case.dirty_slots_total)}"))
    return Table(("walk", "gather", "blocks", "full", "dirty blocks found", "slots left stale"),
                 tuple(rows), words=2)


def left_stale(case: pd.Series) -> str:
    """leaves none | leaves 205 of 410 freed slots stale [(what the hull covered by accident)]"""
    if not np.isfinite(case["stale_slots"]):
        return "stale slots not measured"
    if case["stale_slots"] == 0 and case["dirty_blocks"] >= case["dirty_blocks_total"]:
        return "leaves none stale"
    text = (f"leaves {wording.count(case['stale_slots'])} of "
            f"{wording.count(case['dirty_slots_total'])} freed slots stale")
    not_found = (case["dirty_blocks_total"] - case["dirty_blocks"]) * case["dirty_slots"]
    covered = not_found - case["stale_slots"]
    if covered > 0:
        text += (f" (it did not find {wording.count(not_found)}; the {case['gather']} covered "
                 f"{wording.count(covered)} of these by accident)")
    return text


def sentence(frame: pd.DataFrame) -> str:
    said = []
    for gather, group in frame.groupby("gather", sort=False):
        part = measures.at_usual_size(group)
        size = wording.held_axes(part, ("blocks", "full_percent", "dirty_percent"))
        each = wording.listing(f"the {wording.walk_name(case['walk'])} walk {left_stale(case)}"
                               for _, case in part.iterrows())
        said.append(f"At {size}, gather {gather}: {each}.")
    return " ".join(said)


def reading(frame: pd.DataFrame) -> str:
    shootdowns = wording.listing(sorted(frame["shootdown"].unique()))
    return ("Counted once a case, outside the timed part, by a ledger of every freed slot and "
            "every flush: stale is a freed slot that no returned flush has covered. Shootdown of "
            f"these cases: {shootdowns}.")


FIGURE = Figure(
    name="stale-slots",
    title="Stale slots left when the flush has returned",
    needs="--walk=free_list,xarray --shootdown=none --blocks=4096 --full=0,25,50,75,100",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, scales=(style.LINEAR,),
    one_scale="A share of all has no other scale than the linear one.",
    one_report="slots are counted by a ledger, and no machine changes their number")
