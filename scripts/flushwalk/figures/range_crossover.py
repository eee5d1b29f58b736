"""Where the array of ranges beats the hull: a map for each gap and number of responders, of ranges
against pages in each."""

from __future__ import annotations

from typing import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from flushwalk import range_measures, wording
from flushwalk.figures import style
from flushwalk.figures.base import Figure, Table
from flushwalk.range_measures import ARRAY_WINS, FULL_WINS, HULL_WINS, UNRESOLVED
from flushwalk.results import Results

# Colour of a cell, and of what is written in it.
_LOOKS = {
    ARRAY_WINS: (style.numbered_line(1)["color"], style.PAPER, "the array is cheapest"),
    HULL_WINS: (style.numbered_line(0)["color"], style.PAPER,
                "the hull (as the full flush, or less)"),
    FULL_WINS: (style.numbered_line(2)["color"], style.PAPER, "the full flush is cheapest"),
    UNRESOLVED: (style.GRID, style.INK, "not resolved, or the array is the hull"),
}


def collect(results: Results) -> pd.DataFrame:
    return range_measures.points(results)


def _two_digits(value: float) -> str:
    """0.41, 1.3, 12, 145"""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else (
        f"{value:.2f}".removeprefix("0"))


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    groups = list(frame.groupby(["responders", "gap_pages"], sort=False))
    titles = [f"{_responders(responders)}, {_gap_words(gap)}" for (responders, gap), _ in groups]
    shown = [name for name in _LOOKS if name in set(frame["wins"])]
    keys = [style.patch_key(label, colour) for colour, _, label in (_LOOKS[name] for name in shown)]
    keys.append(Line2D([], [], color=style.INK, linewidth=1.6,
                       label="per-page ceiling: of a range (dashed), of the array's pages (solid)"))
    drawing, axes = style.new_figure(
        titles, layout, "Where the array of ranges beats the hull",
        "Who is cheapest at the initiator, and time of the array over that of the hull; "
        f"{wording.held_axes(frame, ('shootdown',))}",
        keys, own_y_axes=True)
    ranges, pages = sorted(frame["ranges"].unique()), sorted(frame["pages"].unique())
    for panel, (_, part) in zip(axes, groups):
        _map(panel, part, ranges, pages)
    return drawing


def _responders(count: float) -> str:
    return wording.axis_words("responders", float(count))


def _gap_words(pages: float) -> str:
    words = range_measures.gap_words(pages)
    return words if pages == 0 else f"gap {words}"


def _map(panel: Axes, part: pd.DataFrame, ranges: Sequence[float], pages: Sequence[float]) -> None:
    """A cell for each point that has pairs; none where nothing valid was measured."""
    panel.grid(False)
    part = part[part["array_pairs"] > 0]
    for case in part.itertuples():
        x, y = ranges.index(case.ranges), pages.index(case.pages)
        colour, ink, _ = _LOOKS[str(case.wins)]
        panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour,
                                  edgecolor=style.PAPER, linewidth=1.0))
        panel.text(x, y, _two_digits(case.array_ratio), ha="center", va="center", color=ink,
                   fontsize=style.BODY_PT)
    for ceiling in part["ceiling"].unique():
        _ceiling(panel, ranges, pages, float(ceiling))
    panel.set_xticks(range(len(ranges)))
    panel.set_xticklabels([wording.count(value) for value in ranges])
    panel.set_yticks(range(len(pages)))
    panel.set_yticklabels([wording.count(value) for value in pages])
    panel.set_xlim(-0.5, len(ranges) - 0.5)
    panel.set_ylim(-0.5, len(pages) - 0.5)
    panel.set_xlabel("dirty ranges")
    panel.set_ylabel("pages in each")


def _ceiling(panel: Axes, ranges: Sequence[float], pages: Sequence[float], ceiling: float) -> None:
    """Below the lines the pages are few enough to be flushed one by one."""
    single = sum(1 for each in pages if each <= ceiling) - 0.5
    panel.axhline(single, color=style.INK, linewidth=1.6, linestyle=(0, (3, 2)), zorder=4)
    # A step for each number of ranges, at the height up to which all of them together stay below.
    steps = [sum(1 for each in pages if each * count <= ceiling) - 0.5 for count in ranges]
    xs = [edge for x in range(len(ranges)) for edge in (x - 0.5, x + 0.5)]
    panel.plot(xs, [step for step in steps for _ in range(2)], color=style.INK, linewidth=1.6,
               zorder=4, clip_on=False)


def numbers(frame: pd.DataFrame) -> Table:
    rows = tuple((
        range_measures.gap_words(case.gap_pages),
        str(case.wins), wording.count(case.responders), wording.count(case.pages),
        wording.count(case.ranges),
        wording.time(case.hull_ns), wording.time(case.array_ns), wording.time(case.full_ns),
        wording.short_ratio(case.array_ratio, case.array_low, case.array_high, case.array_pairs,
                            case.array_verdict),
        wording.short_ratio(case.full_ratio, case.full_low, case.full_high, case.full_pairs,
                            case.full_verdict)) for case in frame.itertuples())
    headers = ("gap", "cheapest", "responders", "pages in each",
               "ranges", "hull", "array", "full", "array over hull (95 %)",
               "full over hull (95 %)")
    return Table(headers, rows, words=2)


def sentence(frame: pd.DataFrame) -> str:
    said = []
    for responders, part in frame.groupby("responders", sort=False):
        counts = part["wins"].value_counts()
        each = wording.listing(f"{name} at {wording.count(counts.get(name, 0))}" for name in _LOOKS)
        said.append(f"{_responders(float(responders))}, "
                    f"{wording.count(len(part), 'point')}: {each}")
    return f"Cheapest, with {'; with '.join(said)}."


def reading(frame: pd.DataFrame) -> str:
    repetitions = wording.span(frame["repetitions"])
    return ("A cell without a number has no valid pair. A number is the time of the array (gather "
            "runs: each range its own system call) over that of the hull; below 1 the array is "
            "cheaper. Without a gap neighbours are one run, so the array has a range for each block. Only "
            "the first and the last page of what is flushed as one range were touched, and hull and "
            "array have memory of their own. The kernel flushes page by page up to the ceiling and "
            "everything above it. Medians over "
            f"{repetitions} repetitions.")


FIGURE = Figure(
    name="range-crossover",
    title="Where the array of ranges beats the hull",
    needs="--ranges=1,2,4,16 --pages=1,8,33,34 --gap=0,block,1g,255g --responders=1",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, bench="flush_range_bench", scales=(style.LINEAR,),
    one_scale="It is a map of the points that were measured: its axes have no scale.",
    one_report="a cell of the map has room for one machine")
