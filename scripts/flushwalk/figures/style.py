"""How every figure looks: colours, sizes, axes, and the way to SVG, PNG and into a page.

A walk has the same colour, marker and line in all figures. Sizes are inches and text is at least
9 pt at the drawn size. Titles and legend have a strip of their own above the panels, so that
neither can cover data. Colours on the page are CSS variables (see `inline_svg`): the same picture
is dark on a dark page.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from flushwalk import wording
from flushwalk.files import write_whole
from flushwalk.walks import FURTHER_WALK, WALKS, css_name, walk_of

INK = "#1a1a1a"
SOFT_INK = "#555555"
GRID = "#dddddd"
PAPER = "#ffffff"
SHOOTDOWN = "#8a8a8a"
# What is written on a cell of a map, whatever the paper.
ON_LIGHT, ON_DARK = "#0b0b0b", "#fbfbfb"
# Lines that are no walks, and what waiting is made of: Tol's muted colours.
_LINES = (("#332288", "o"), ("#117733", "s"), ("#882255", "^"), ("#44aa99", "D"))
_WAITS = {"block": "#cc6677", "queue": "#ddcc77", "xarray": "#88ccee", "memory": "#aa4499",
          "address_space": "#999933"}

# What each drawn colour is called on the page; report.html.j2 gives these their two values.
CSS_VARIABLES = {
    INK: "--ink", SOFT_INK: "--soft-ink", GRID: "--grid", PAPER: "--paper",
    ON_LIGHT: "--on-light", ON_DARK: "--on-dark", SHOOTDOWN: "--shootdown", FURTHER_WALK.colour: "--further-walk",
    **{walk.colour: css_name(name) for name, walk in WALKS.items()},
    **{colour: f"--line-{letter}" for (colour, _), letter in zip(_LINES, "abcd")},
    **{colour: f"--wait-{kind.replace('_', '-')}" for kind, colour in _WAITS.items()},
}

BODY_PT = 9.0
TITLE_PT = 11.0
PNG_DPI = 192  # twice the 96 of a screen
_RC = {
    "font.family": "DejaVu Sans", "font.size": BODY_PT, "text.color": INK,
    "axes.labelcolor": INK, "axes.edgecolor": SOFT_INK, "axes.linewidth": 0.8,
    "axes.facecolor": PAPER, "figure.facecolor": PAPER, "savefig.facecolor": PAPER,
    "xtick.color": SOFT_INK, "ytick.color": SOFT_INK, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "grid.color": GRID, "grid.linewidth": 0.8,
    "svg.fonttype": "path", "svg.hashsalt": "flushwalk", "axes.axisbelow": True,
}
matplotlib.rcParams.update(_RC)


@dataclass(frozen=True)
class Layout:
    """The width of a figure (inches), how many panels may stand side by side, and whether the
    title is part of the picture (on a page it is a heading instead)."""

    width: float
    columns: int
    titled: bool = True


WIDE = Layout(width=7.6, columns=3)
WIDE_PAGE = Layout(width=7.6, columns=3, titled=False)
NARROW_PAGE = Layout(width=3.9, columns=1, titled=False)  # a phone held upright

_LEFT, _RIGHT, _BOTTOM = 0.88, 0.28, 0.58
_PANEL_HEIGHT = 2.5
_BETWEEN_COLUMNS, _BETWEEN_ROWS = 0.42, 0.66
EDGE = 0.1
_BETWEEN_STRIPS = 0.12
_BOLD_LINE = 0.21  # height of a line of the title
_LINE = 0.175  # height of a line of 9 pt text, with its leading
_CHARACTER = 0.074  # mean width of a character of 9 pt DejaVu Sans, on the safe side
_BOLD_CHARACTER = 0.105


def walk_colour(walk: str) -> str:
    return walk_of(walk).colour


def walk_line(walk: str) -> dict[str, Any]:
    """Keyword arguments of Axes.plot for the line of a walk."""
    look = walk_of(walk)
    return {"color": look.colour, "marker": look.marker, "linestyle": look.line,
            "markersize": 4.5, "linewidth": 1.6}


def walk_key(walk: str) -> Line2D:
    """The legend's entry for the line of a walk."""
    return Line2D([], [], label=wording.walk_name(walk), **walk_line(walk))


def numbered_line(index: int) -> dict[str, Any]:
    """Keyword arguments of Axes.plot for the index-th line of a figure whose lines are no walks."""
    colour, marker = _LINES[index % len(_LINES)]
    return {"color": colour, "marker": marker, "linestyle": "--" if index >= len(_LINES) else "-",
            "markersize": 4.5, "linewidth": 1.6}


def line_colour(index: int) -> str:
    """The colour of such a line, for what is no line."""
    return _LINES[index % len(_LINES)][0]


def numbered_key(index: int, label: str) -> Line2D:
    """The legend's entry for such a line."""
    return Line2D([], [], label=label, **numbered_line(index))


def wait_colour(kind: str) -> str:
    """The colour of waiting for locks of a kind."""
    return _WAITS[kind]


def patch_key(label: str, colour: str) -> Patch:
    """The legend's entry for a bar."""
    return Patch(facecolor=colour, label=label)


def new_figure(panel_titles: Sequence[str], layout: Layout, title: str, subtitle: str,
               keys: Sequence[Artist], own_y_axes: bool = False,
               panel_height: float = _PANEL_HEIGHT,
               labels: Sequence[str] = ()) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each title, below a strip with title, subtitle and legend.

    Panels share the y axis unless own_y_axes; then each has room for its own tick labels. labels:
    words at the y axis instead of numbers, for which there is to be room.
    """
    left_edge = max([_LEFT, *(_CHARACTER * len(label) + 0.2 for label in labels)])
    columns = layout.columns if not own_y_axes else max(1, layout.columns - 1)
    rows = math.ceil(len(panel_titles) / columns)
    columns = math.ceil(len(panel_titles) / rows)  # two rows of two rather than three and one
    between = left_edge if own_y_axes else _BETWEEN_COLUMNS
    panel_width = (layout.width - left_edge - _RIGHT - between * (columns - 1)) / columns
    titles = [_wrapped(text, panel_width, _CHARACTER) for text in panel_titles]
    title_height = _LINE * max(len(lines) for lines in titles) + 0.08
    row_height = title_height + panel_height
    strip = _Strip.of(layout, title, subtitle, keys)
    height = strip.height + rows * row_height + (rows - 1) * _BETWEEN_ROWS + _BOTTOM
    figure = Figure(figsize=(layout.width, height))
    strip.put(figure)
    axes: list[Axes] = []
    for index, lines in enumerate(titles):
        row, column = divmod(index, columns)
        left = left_edge + column * (panel_width + between)
        top = strip.height + row * (row_height + _BETWEEN_ROWS) + title_height
        panel = figure.add_axes(
            (left / layout.width, 1 - (top + panel_height) / height, panel_width / layout.width,
             panel_height / height), sharey=axes[0] if axes and not own_y_axes else None)
        panel.set_title("\n".join(lines), loc="left", fontsize=BODY_PT, pad=5)
        panel.grid(True, which="major")
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        panel.tick_params(which="both", length=3, labelleft=own_y_axes or column == 0)
        axes.append(panel)
    return figure, axes


def new_strips(titles: Sequence[str], heights: Sequence[float], layout: Layout, title: str,
               subtitle: str, keys: Sequence[Artist]) -> tuple[Figure, list[Axes]]:
    """A figure with a strip of the layout's width for each height, one below the other, for what has
    no axes: their coordinates are inches from the strip's upper left corner."""
    head = _Strip.of(layout, title, subtitle, keys)
    above = [_LINE * bool(text) for text in titles]
    height = head.height + sum(heights) + sum(above) + _BETWEEN_STRIPS * len(heights)
    figure = Figure(figsize=(layout.width, height))
    head.put(figure)
    strips = []
    top = head.height
    for text, line, own in zip(titles, above, heights):
        top += line
        width = layout.width - 2 * EDGE
        strip = figure.add_axes((EDGE / layout.width, 1 - (top + own) / height,
                                 width / layout.width, own / height))
        strip.set(xlim=(0, width), ylim=(own, 0))
        strip.set_axis_off()
        if text:
            strip.set_title(text, loc="left", fontsize=BODY_PT, pad=3)
        strips.append(strip)
        top += own + _BETWEEN_STRIPS
    return figure, strips


@dataclass(frozen=True)
class _Strip:
    """What stands above the panels; tops and height in inches from the figure's upper edge."""

    title: list[str]
    subtitle: list[str]
    keys: Sequence[Artist]
    key_columns: int
    subtitle_top: float
    legend_top: float
    height: float

    @staticmethod
    def of(layout: Layout, title: str, subtitle: str, keys: Sequence[Artist]) -> _Strip:
        width = layout.width - 2 * EDGE
        title_lines = _wrapped(title, width, _BOLD_CHARACTER) if layout.titled else []
        subtitle_lines = _wrapped(subtitle, width, _CHARACTER)
        longest = max((len(str(key.get_label())) for key in keys), default=1)
        key_columns = max(1, int(width / (_CHARACTER * longest + 0.75)))
        subtitle_top = EDGE + _BOLD_LINE * len(title_lines)
        legend_top = subtitle_top + _LINE * len(subtitle_lines) + 0.06
        height = legend_top + 0.2 * math.ceil(len(keys) / key_columns) + 0.06
        return _Strip(title_lines, subtitle_lines, keys, key_columns, subtitle_top, legend_top,
                      height)

    def put(self, figure: Figure) -> None:
        width, height = figure.get_size_inches()
        left = EDGE / width
        if self.title:
            figure.text(left, 1 - 0.08 / height, "\n".join(self.title), fontsize=TITLE_PT,
                        fontweight="bold", va="top", linespacing=1.25)
        figure.text(left, 1 - self.subtitle_top / height, "\n".join(self.subtitle),
                    fontsize=BODY_PT, color=SOFT_INK, va="top", linespacing=1.25)
        if self.keys:
            figure.legend(
                handles=list(self.keys), loc="upper left", ncol=self.key_columns, frameon=False,
                bbox_to_anchor=(left, 1 - self.legend_top / height), fontsize=BODY_PT,
                borderpad=0, borderaxespad=0, handlelength=2.0, columnspacing=1.4,
                labelspacing=0.3)


def _wrapped(text: str, width: float, character: float) -> list[str]:
    return [line for part in text.split("\n")
            for line in textwrap.wrap(part, int(width / character))]


def wrapped(text: str, inches: float) -> list[str]:
    """The lines of a text of BODY_PT that is to fit into a width."""
    return _wrapped(text, inches, _CHARACTER)


def panel_inches(panel: Axes) -> float:
    """The width of a panel."""
    return float(panel.figure.get_size_inches()[0] * panel.get_position().width)


def y_label(axes: Sequence[Axes], text: str) -> None:
    """Labels the y axis of the panels which show its numbers."""
    leftmost = min(panel.get_position().x0 for panel in axes)
    for panel in axes:
        if panel.get_position().x0 < leftmost + 1e-6 or len(axes) == 1:
            panel.set_ylabel(text)


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
    room = int(panel_inches(panel) / (7 * _CHARACTER))
    steps = (1.0,) if high / low > 300 else (1.0, 3.0) if high / low > 10 else (1.0, 2.0, 5.0)
    panel.xaxis.set_major_locator(LogLocator(subs=steps, numticks=max(2, room)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain_time(value)))


def log_time_axis(panel: Axes) -> None:
    """A logarithmic y axis of nanoseconds whose ticks bear their units: 100 ns, 10 us."""
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    span = high / low
    steps = ((1.0,) if span > 300 else (1.0, 2.0, 5.0) if span > 8
             else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
    panel.yaxis.set_major_locator(LogLocator(subs=steps, numticks=20))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain_time(value)))


def log_ratio_axis(panel: Axes) -> None:
    """A logarithmic y axis of ratios: 0.1x, 1x, 10x."""
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    span = high / low
    steps = ((1.0,) if span > 300 else (1.0, 3.0) if span > 30 else (1.0, 2.0, 5.0) if span > 4
             else (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0, 8.0, 9.0))
    panel.yaxis.set_major_locator(LogLocator(subs=steps, numticks=20))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}x"))


def linear_time_axis(panel: Axes, highest: float, label: str) -> float:
    """A linear y axis of nanoseconds from 0, labelled with its unit, with room for words above
    the highest bar. Gives the ns of that unit, for the words."""
    scale, unit = _unit_for(highest)
    panel.set_ylim(0, highest * 1.14 if highest > 0 else 1.0)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / scale:,.4g}"))
    panel.set_ylabel(f"{label} ({unit})")
    return scale


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
    return bool(room > (max((len(word) for word in words), default=0) + 1) * _CHARACTER)


def log_count_axis(panel: Axes, values: Sequence[float]) -> None:
    """A logarithmic x axis with ticks at the measured values, thinned until their labels fit."""
    panel.set_xscale("log")
    ordered = sorted(set(values))
    if len(ordered) == 1:
        panel.set_xlim(ordered[0] / 2, ordered[0] * 2)
    low, high = panel.get_xlim()
    per_decade = panel_inches(panel) / math.log10(high / low)
    kept: list[float] = []
    for value in reversed(ordered):  # the largest is kept: the story is told there
        width = (len(wording.count(value)) + 2) * _CHARACTER
        if not kept or (math.log10(kept[-1] / value)) * per_decade >= width:
            kept.append(value)
    panel.xaxis.set_major_locator(FixedLocator(kept[::-1]))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.count(value)))


def _plain_time(nanoseconds: float) -> str:
    scale, unit = next(((scale, unit) for scale, unit in
                        ((1e9, "s"), (1e6, "ms"), (1e3, "us")) if nanoseconds >= scale * 0.999),
                       (1.0, "ns"))
    return f"{nanoseconds / scale:,.4g} {unit}"


def save(figure: Figure, path: Path) -> None:
    """Writes .svg, .png (twice the size of a screen's pixels) or .pdf. Raises OSError."""
    kind = path.suffix.lower().lstrip(".")
    # Without dates, the same rows always give the same files.
    dates: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    memory = io.BytesIO()
    figure.savefig(memory, format=kind, dpi=PNG_DPI, metadata=dates.get(kind))
    write_whole(path, memory.getvalue())


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an <svg> element for a page: colours are CSS variables, ids begin with name."""
    memory = io.StringIO()
    figure.savefig(memory, format="svg", metadata={"Date": None})
    text = memory.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    for colour, variable in CSS_VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    width, height = (float(inches) * 72 for inches in figure.get_size_inches())
    return re.sub(r"<svg[^>]*>",
                  f'<svg xmlns="http://www.w3.org/2000/svg" '
                  f'xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
                  f'viewBox="0 0 {width:g} {height:g}" aria-label="{label}">',
                  text, count=1)
