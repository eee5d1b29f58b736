"""The shootdown between every two CPUs: a map of initiators and responders, in the topology's order."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from flushwalk import pair_measures, wording
from flushwalk.figures import style
from flushwalk.figures.base import Figure, Table, panels
from flushwalk.pair_measures import DISTANCES, UNKNOWN_DISTANCE

_COLOURS = matplotlib.colormaps["cividis"]
_BAR_ROOM, _BAR_WIDTH = 0.85, 0.14  # inches: the colour scale with its labels, right of the map
_LARGEST_CELL, _SMALLEST_SIDE = 0.75, 1.7
_MARGIN = 1.0  # inches left of a map's panel and at the other edge
_CHARACTER, _LINE = 0.08, 0.15  # of a number in a cell
_LEAST_SPAN = 1.2  # the scale's ends differ by so much at least: chance gets no strong colours
_MANY, _TOP = 100, 99  # of so many pairs the scale ends at this percentile
_MOST_LISTED = 12  # pairs
_CELL = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))


@dataclass(frozen=True)
class _Map:
    """CPUs in order, the package of each (-1: unknown), and p50 in us by initiator and responder: NaN
    where there is none."""

    cpus: list[int]
    packages: list[int]
    times: NDArray[np.float64]

    @staticmethod
    def of(part: pd.DataFrame) -> _Map:
        places: dict[int, tuple[int, int]] = {}
        for case in part.itertuples():
            places[case.initiator] = (case.initiator_at, case.initiator_package)
            places[case.responder] = (case.responder_at, case.responder_package)
        cpus = sorted(places, key=lambda cpu: places[cpu])
        at = {cpu: index for index, cpu in enumerate(cpus)}
        times = np.full((len(cpus), len(cpus)), math.nan)
        times[[at[cpu] for cpu in part["initiator"]],
              [at[cpu] for cpu in part["responder"]]] = part["p50"] / 1000
        return _Map(cpus, [places[cpu][1] for cpu in cpus], times)

    @property
    def borders(self) -> list[int]:
        """Before which CPUs another package begins."""
        return [at for at in range(1, len(self.cpus)) if self.packages[at] != self.packages[at - 1]]


def _scale(frame: pd.DataFrame) -> Normalize:
    """Of us. A few disturbed pairs among very many do not take all the colours."""
    times = frame["p50"] / 1000
    low = times.min()
    high = np.percentile(times, _TOP) if len(times) >= _MANY else times.max()
    return Normalize(low, max(high, low * _LEAST_SPAN), clip=True)


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    parts = panels(frame, "operation", str)
    maps = [_Map.of(part) for _, part in parts]
    most = max(len(each.cpus) for each in maps)
    room = layout.width - _MARGIN - _BAR_ROOM
    side = min(room, max(_SMALLEST_SIDE, most * _LARGEST_CELL))
    scale = _scale(frame)
    drawing, axes = style.new_figure(
        [f"{title} of {wording.count(part['pages'].iloc[0], 'page')}" for title, part in parts],
        replace(layout, columns=1), "The shootdown between every two CPUs",
        f"Median time of an operation at the initiator, one responder (us). {_order_words(frame)}",
        _keys(maps), panel_height=side, own_y_axes=True)
    for panel, each in zip(axes, maps):
        _panel(panel, each, scale, side)
        _colour_scale(panel, scale, side, clipped=bool(np.nanmax(each.times) > scale.vmax * 1.0001))
    return drawing


def _order_words(frame: pd.DataFrame) -> str:
    if (frame["distance"] == UNKNOWN_DISTANCE).any():
        return "CPUs in the order of their numbers: the run has no topology."
    return "CPUs in the topology's order: neighbours are near."


def _keys(maps: list[_Map]) -> list[Any]:
    keys: list[Any] = []
    if any(each.borders for each in maps):
        keys.append(Line2D([], [], color=style.INK, linewidth=1.6, label="border of packages"))
    for each in maps:
        missing = int(np.isnan(each.times).sum()) - len(each.cpus)
        if missing:
            keys.append(Patch(facecolor=style.GRID, label="no valid row"))
            break
    return keys


def _panel(panel: Axes, each: _Map, scale: Normalize, side: float) -> None:
    count = len(each.cpus)
    width, _ = panel.figure.get_size_inches()
    box = panel.get_position()
    panel.set_position((box.x0, box.y0, side / width, box.height))
    panel.grid(False)
    panel.set_facecolor(style.GRID)
    colours = _COLOURS(scale(np.nan_to_num(each.times)))
    colours[np.isnan(each.times)] = 0.0
    # As an image: 65,536 cells would be as many paths.
    panel.imshow(colours, interpolation="none", aspect="auto", extent=(-0.5, count - 0.5,
                                                                       count - 0.5, -0.5))
    itself = [[(at + x, at + y) for x, y in _CELL] for at in range(count)]
    panel.add_collection(PolyCollection(itself, facecolor=style.PAPER))
    for border in each.borders:
        for line in (panel.axhline, panel.axvline):
            line(border - 0.5, color=style.PAPER, linewidth=2.6)
            line(border - 0.5, color=style.INK, linewidth=1.2)
    _write_numbers(panel, each, scale, side / count)
    _label_cpus(panel, each.cpus, side / count)
    for spine in panel.spines.values():
        spine.set_visible(True)


def _write_numbers(panel: Axes, each: _Map, scale: Normalize, cell: float) -> None:
    """With as many digits as there is room for in a cell, or none."""
    for words in (wording.three_digits, lambda value: f"{value:,.0f}"):
        written = {(row, column): words(float(each.times[row, column]))
                   for row, column in zip(*np.nonzero(np.isfinite(each.times)))}
        longest = max(len(text) for text in written.values())
        if longest * _CHARACTER <= cell - 0.04 and _LINE <= cell:
            break
    else:
        return
    for (row, column), text in written.items():
        dark = scale(each.times[row, column]) < 0.5
        panel.text(column, row, text, ha="center", va="center", fontsize=style.BODY_PT,
                   color=style.ON_DARK if dark else style.ON_LIGHT)


def _label_cpus(panel: Axes, cpus: list[int], cell: float) -> None:
    """By their numbers, as many of them as do not touch each other."""
    widest = max(len(str(cpu)) for cpu in cpus) * _CHARACTER + 0.08
    for axis, room, name in ((panel.xaxis, widest, "responder"),
                             (panel.yaxis, style.BODY_PT / 72 + 0.03, "initiator")):
        places = list(range(0, len(cpus), max(1, math.ceil(room / cell))))
        axis.set_ticks(places)
        axis.set_ticklabels([str(cpus[place]) for place in places])
        axis.set_label_text(f"{name}'s CPU")


def _colour_scale(panel: Axes, scale: Normalize, side: float, clipped: bool) -> None:
    width, height = panel.figure.get_size_inches()
    box = panel.get_position()
    tall = min(side, 2.5) / height
    bar = panel.figure.add_axes((box.x1 + 0.2 / width, box.y1 - tall, _BAR_WIDTH / width, tall))
    gradient = np.linspace(1, 0, 128)[:, np.newaxis]
    bar.imshow(_COLOURS(gradient), aspect="auto", extent=(0, 1, scale.vmin, scale.vmax))
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    bar.yaxis.set_major_locator(MaxNLocator(5))
    bar.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    bar.set_ylabel("us, or more" if clipped else "us")
    bar.tick_params(length=3)


def numbers(frame: pd.DataFrame) -> Table:
    """The pairs where they are few, else what they come to by distance."""
    if len(frame) <= _MOST_LISTED:
        return Table(("initiator", "responder", "distance", "median", "95 % interval"), tuple(
            (f"CPU {case.initiator}", f"CPU {case.responder}", str(case.distance),
             wording.time(case.p50), wording.interval(case.low, case.high))
            for case in frame.itertuples()), words=3)
    rows = []
    for distance in (name for name in DISTANCES if name in set(frame["distance"])):
        part = frame[frame["distance"] == distance]
        rows.append((distance, wording.count(len(part)), *(
            wording.time(float(np.percentile(part["p50"], share))) for share in (0, 10, 50, 90, 100))))
    return Table(("distance", "pairs", "least", "p10", "median", "p90", "most"), tuple(rows))


def sentence(frame: pd.DataFrame) -> str:
    least, most = frame.loc[frame["p50"].idxmin()], frame.loc[frame["p50"].idxmax()]
    text = (f"{wording.count(len(frame), 'pair')} of CPUs: {_of(least)} at the least, {_of(most)} at the "
            f"most, {wording.time(frame['p50'].median())} at the median")
    known = [name for name in DISTANCES if name != UNKNOWN_DISTANCE
             and name in set(frame["distance"])]
    if len(known) < 2:
        return f"{text}."
    said = [f"{wording.time(frame.loc[frame['distance'] == name, 'p50'].median())} ({name})"
            for name in known]
    return f"{text}; by distance {wording.listing(said)}."


def _of(case: pd.Series) -> str:
    return f"{wording.time(case['p50'])} (CPU {case['initiator']} to CPU {case['responder']})"


def reading(frame: pd.DataFrame) -> str:
    return ("A row is an initiator, a column a responder; the figures are the initiator's, of proven "
            "operations only. The colours' ends are at least 20 % apart; of many pairs the "
            "dearest hundredth has the last colour. "
            f"Medians over {wording.span(frame['repetitions'])} repetitions.")


FIGURE = Figure(
    name="shootdown-pairs",
    title="The shootdown between every two CPUs",
    needs="--responders=1 --rate=0 --samples=100 --repetitions=8 --cpus=A,B for every pair of CPUs: "
          "scripts/run --pairs",
    collect=pair_measures.pairs, draw=draw, numbers=numbers, sentence=sentence, reading=reading,
    bench="shootdown_bench", scales=(style.LINEAR,),
    one_scale="It is a map of pairs of CPUs: its axes have no scale.",
    one_report="a cell of the map has room for one machine")
