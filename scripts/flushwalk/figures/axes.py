"""The axes of a figure: counts, times, ratios and groups of bars, with ticks that bear their units
and labels that do not touch each other.

Times are nanoseconds. A scale is style.LOG or style.LINEAR; a linear axis begins at 0.
"""

from __future__ import annotations

import math
from typing import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from flushwalk import wording
from flushwalk.figures.style import CHARACTER, LINEAR, LOG


def panel_inches(panel: Axes) -> float:
    """The width of a panel."""
    return float(panel.figure.get_size_inches()[0] * panel.get_position().width)


def y_label(axes: Sequence[Axes], text: str, scale: str | None = None) -> None:
    """Labels the y axis of the panels which show its numbers."""
    leftmost = min(panel.get_position().x0 for panel in axes)
    for panel in axes:
        if panel.get_position().x0 < leftmost + 1e-6 or len(axes) == 1:
            panel.set_ylabel(text if scale is None else on_scale(text, scale))


def on_scale(label: str, scale: str) -> str:
    """live blocks (log scale)"""
    return f"{label} ({scale} scale)"


def time_axis(panel: Axes, scale: str) -> None:
    """A y axis of nanoseconds: 100 ns, 10 us."""
    if scale == LINEAR:
        _linear(panel, _plain_time)
        return
    span = _log_span(panel)
    _log_steps(panel, ((1.0,) if span > 300 else (1.0, 2.0, 5.0) if span > 8
                       else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)), _plain_time)


def ratio_axis(panel: Axes, scale: str) -> None:
    """A y axis of ratios: 0.1x, 1x, 10x."""
    if scale == LINEAR:
        _linear(panel, _plain_ratio)
        return
    span = _log_span(panel)
    _log_steps(panel, ((1.0,) if span > 300 else (1.0, 3.0) if span > 30
                       else (1.0, 2.0, 5.0) if span > 4
                       else (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0, 8.0, 9.0)), _plain_ratio)


def number_axis(panel: Axes, scale: str, words: Callable[[float], str]) -> None:
    """A y axis of plain numbers, written by `words`."""
    if scale == LINEAR:
        _linear(panel, words)
        return
    span = _log_span(panel)
    _log_steps(panel, (1.0,) if span > 300 else (1.0, 2.0, 5.0), words)


def _linear(panel: Axes, words: Callable[[float], str]) -> None:
    panel.set_ylim(0, max(panel.get_ylim()[1], 1e-9))
    panel.yaxis.set_major_locator(MaxNLocator(6))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words(value) if value else "0"))


def _log_span(panel: Axes) -> float:
    """The highest value over the lowest, once the y axis is logarithmic."""
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    return float(high / low)


def _log_steps(panel: Axes, steps: Sequence[float], words: Callable[[float], str]) -> None:
    panel.yaxis.set_major_locator(LogLocator(subs=steps, numticks=20))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))


def linear_time_axis(panel: Axes, highest: float, label: str) -> float:
    """A linear y axis of nanoseconds from 0, labelled with its unit, with room for words above
    the highest bar. Gives the ns of that unit, for the words."""
    scale, unit = _unit_for(highest)
    panel.set_ylim(0, highest * 1.14 if highest > 0 else 1.0)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / scale:,.4g}"))
    panel.set_ylabel(f"{label} ({unit})")
    return scale


def linear_time_across(panel: Axes, highest: float, label: str) -> None:
    """A linear x axis of nanoseconds from 0, labelled with its unit."""
    scale, unit = _unit_for(highest)
    panel.set_xlim(0, highest * 1.06 if highest > 0 else 1.0)
    panel.xaxis.set_major_locator(MaxNLocator(max(2, int(panel_inches(panel) / 0.6))))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / scale:,.4g}"))
    panel.set_xlabel(f"{label} ({unit})")


def _unit_for(highest: float) -> tuple[float, str]:
    """The unit in which an axis up to so many ns is written, and its ns."""
    return next(((scale, unit) for scale, unit in ((1e6, "ms"), (1e3, "us"))
                 if highest >= scale), (1.0, "ns"))


def log_time_across(panel: Axes) -> None:
    """A logarithmic x axis of nanoseconds, with as many labels as there is room for."""
    panel.set_xscale("log")
    low, high = panel.get_xlim()
    room = int(panel_inches(panel) / (7 * CHARACTER))
    steps = (1.0,) if high / low > 300 else (1.0, 3.0) if high / low > 10 else (1.0, 2.0, 5.0)
    panel.xaxis.set_major_locator(LogLocator(subs=steps, numticks=max(2, room)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain_time(value)))


def category_axis(panel: Axes, values: Sequence[float], label: str) -> None:
    """An x axis with a group of bars for each value."""
    panel.set_xticks(range(len(values)))
    panel.set_xticklabels([wording.count(value) for value in values])
    margin = 0.6 if len(values) > 1 else 1.2  # a lone group need not fill the panel
    panel.set_xlim(-margin, len(values) - 1 + margin)
    panel.set_xlabel(label)
    panel.grid(False, axis="x")


def bars_fit(panel: Axes, bar_width: float, words: Sequence[str]) -> bool:
    """Whether bars that stand bar_width apart (in groups, see category_axis) can each bear the
    longest of the words without touching the next one's."""
    low, high = panel.get_xlim()
    room = panel_inches(panel) * bar_width / (high - low)
    return bool(room > (max((len(word) for word in words), default=0) + 1) * CHARACTER)


def count_axis(panel: Axes, values: Sequence[float], label: str, scale: str) -> None:
    """An x axis with ticks at the measured values, thinned until their labels fit."""
    ordered = sorted(set(values))
    place: Callable[[float], float] = float
    if scale == LOG:
        place = math.log10
        panel.set_xscale("log")
        if len(ordered) == 1:
            panel.set_xlim(ordered[0] / 2, ordered[0] * 2)
    else:
        panel.set_xlim(0, ordered[-1] * 1.06)
    low, high = panel.get_xlim()
    inches = panel_inches(panel) / (place(high) - place(low))
    kept: list[float] = []
    for value in reversed(ordered):  # the largest is kept: the story is told there
        width = (len(wording.count(value)) + 2) * CHARACTER
        if not kept or (place(kept[-1]) - place(value)) * inches >= width:
            kept.append(value)
    panel.xaxis.set_major_locator(FixedLocator(kept[::-1]))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.count(value)))
    panel.set_xlabel(on_scale(label, scale))


def _plain_time(nanoseconds: float) -> str:
    scale, unit = next(((scale, unit) for scale, unit in
                        ((1e9, "s"), (1e6, "ms"), (1e3, "us")) if nanoseconds >= scale * 0.999),
                       (1.0, "ns"))
    return f"{nanoseconds / scale:,.4g} {unit}"


def _plain_ratio(value: float) -> str:
    return f"{value:,.4g}x"
