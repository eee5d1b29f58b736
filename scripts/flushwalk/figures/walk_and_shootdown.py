"""Walk and shootdown, stacked, by number of responders; a panel for each backend."""

from __future__ import annotations

from typing import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from flushwalk import measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import bars_fit, category_axis, linear_time_axis
from flushwalk.figures.base import Figure, Table, panels, walks_in
from flushwalk.results import Results

_HELD = ("blocks", "full_percent", "dirty_percent", "dirty_slots", "queues")
_BACKENDS = ("mprotect_range", "cold_range", "mprotect", "munmap", "guard", "dontneed")


def collect(results: Results) -> pd.DataFrame:
    table = measures.shootdown_costs(results)
    table = measures.narrow(table, ("check", "dirty_slots", "dirty_percent", "queues", "placement"))
    # Each backend has its own gather (a range flush the hull, revoking ones the runs), and the
    # size that was measured with it.
    parts = [measures.at_usual_size(measures.narrow(group, ("gather",)))
             for _, group in table.groupby(["report", "shootdown"], sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else table


def _backend_rank(name: object) -> tuple[bool, int, str]:
    """Known backends first, in their order; what flushes nothing last."""
    text = str(name)
    known = _BACKENDS.index(text) if text in _BACKENDS else len(_BACKENDS)
    return (text in measures.CONTROLS, known, text)


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    walks, machines = walks_in(frame), style.machines_in(frame)
    parts = sorted(panels(frame, "shootdown", str),
                   key=lambda part: _backend_rank(part[1]["shootdown"].iloc[0]))
    own = [axis for axis in (*_HELD, "gather") if frame[axis].nunique() > 1]
    titles = [", ".join(filter(None, (title, wording.held_axes(part, own))))
              for title, part in parts]
    drawing, axes = style.new_figure(
        titles, layout, "Walk and shootdown: time of a flush",
        "Stacked medians, with the shootdown's 95 % interval; "
        f"{wording.held_axes(frame, (*_HELD, 'gather'))}. Each panel has its own scale.",
        [*(style.patch_key(f"walk: {wording.walk_name(walk)}", style.walk_colour(walk))
           for walk in walks), style.patch_key("shootdown", style.SHOOTDOWN),
         *style.machine_keys(machines, bars=True)], own_y_axes=True)
    for panel, (_, part) in zip(axes, parts):
        _bars(panel, part, [(walk, machine) for walk in walks for machine in machines], machines)
    return drawing


def _bars(panel: Axes, part: pd.DataFrame, kinds: Sequence[tuple[str, str]],
          machines: Sequence[str]) -> None:
    """A stack for each number of responders and kind, which is a walk and a machine."""
    responders = sorted(part["responders"].unique())
    width = 0.8 / len(kinds)
    tops: list[tuple[float, float, float]] = []  # with the reach of the interval above the top
    for at, (walk, machine) in enumerate(kinds):
        bars = part[(part["walk"] == walk) & (part["report"] == machine)]
        bars = bars.drop_duplicates("responders").set_index("responders").reindex(responders)
        place = np.arange(len(responders)) + (at - (len(kinds) - 1) / 2) * width
        alone, added, low, high = (bars[name].to_numpy(dtype=float) for name in (
            "walk_ns", "shootdown_ns", "shootdown_low_ns", "shootdown_high_ns"))
        look = {"width": width * 0.92, "hatch": style.machine_hatch(machines.index(machine)),
                "edgecolor": style.PAPER, "linewidth": 0.0}
        panel.bar(place, alone, color=style.walk_colour(walk), **look)
        panel.bar(place, added, bottom=alone, color=style.SHOOTDOWN, **look)
        reach = np.nan_to_num([np.maximum(added - low, 0), np.maximum(high - added, 0)])
        there = np.isfinite(alone + added)
        panel.errorbar(place[there], (alone + added)[there], yerr=reach[:, there], linestyle="",
                       color=style.INK, elinewidth=1.0, capsize=2.0)
        tops += [(x, top, above) for x, top, above in zip(place, alone + added, reach[1])
                 if np.isfinite(top)]
    category_axis(panel, responders, "responders (threads)")
    unit = linear_time_axis(panel, max((top + above for _, top, above in tops), default=0.0),
                            "time of a flush")
    words = [wording.three_digits(top / unit) for _, top, _ in tops]
    if bars_fit(panel, width, words):
        for (x, top, above), word in zip(tops, words):
            panel.annotate(word, (x, top + above), (0, 3), ha="center", va="bottom",
                           textcoords="offset points")


def numbers(frame: pd.DataFrame) -> Table:
    several = frame["report"].nunique() > 1
    rows = []
    for case in frame.itertuples():
        rows.append((
            *([case.report] if several else []), case.shootdown, wording.walk_name(case.walk),
            wording.count(case.blocks), wording.count(case.responders), wording.time(case.flush_ns),
            wording.time(case.walk_ns),
            wording.time(case.shootdown_ns),
            wording.interval(case.shootdown_low_ns, case.shootdown_high_ns),
            wording.count(case.shootdown_calls),
            wording.time(case.stall_ns) if case.shootdowns_expected > 0 else "-",
            proven(case.shootdowns_proven, case.shootdowns_expected)))
    headers = (*(["report"] if several else []), "shootdown", "walk", "blocks", "responders",
               "flush", "its walk", "its shootdown", "95 % interval", "calls", "stall",
               "proven")
    return Table(headers, tuple(rows), words=3 if several else 2)


def proven(number: float, expected: float) -> str:
    """5,998 of 6,000; "none expected" where nothing should be shot down."""
    if not expected > 0:
        return "none expected"
    return f"{wording.count(number)} of {wording.count(expected)}"


def sentence(frame: pd.DataFrame) -> str:
    """Speaks of the first backend that shoots something down; the others are in the numbers."""
    shown = frame[(frame["responders"] > 0) & frame["shootdown_ns"].notna()]
    if shown.empty:
        return "This run has no flush with a shootdown that a responder had to take."
    backend = min(shown["shootdown"].unique(), key=_backend_rank)
    shown = shown[shown["shootdown"] == backend]
    shown = shown[shown["responders"] == shown["responders"].min()]
    size = wording.held_axes(shown, ("blocks", "full_percent"))
    head = f"At {size}, {backend} with {wording.count(shown['responders'].iloc[0], 'responder')}:"
    each = []
    for case in shown.itertuples():
        report = f"{case.report}, " if frame["report"].nunique() > 1 else ""
        part = wording.estimate(case.shootdown_ns, case.shootdown_low_ns, case.shootdown_high_ns)
        each.append(f"{report}{wording.walk_name(case.walk)}: {wording.time(case.flush_ns)} a "
                    f"flush, the shootdown's part of it {part}, in "
                    f"{wording.count(case.shootdown_calls, 'call')}")
    return f"{head} {'; '.join(each)}."


def reading(frame: pd.DataFrame) -> str:
    """The same for every run: how the parts were timed."""
    del frame
    return ("Walk and shootdown are timed within the same flush, by a reading of the clock between "
            "them; medians of parts add up to the median of the whole only nearly. noop is a "
            "system call that flushes nothing, membarrier one that interrupts and flushes nothing.")


FIGURE = Figure(
    name="walk-and-shootdown",
    title="Walk and shootdown: time of a flush",
    needs="--walk=free_list,xarray --shootdown=mprotect_range --blocks=4096 --full=50 "
          "--responders=0,1",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, scales=(style.LINEAR,),
    one_scale="What is stacked adds up on a linear scale only.")
