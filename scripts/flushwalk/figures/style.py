"""How every figure looks: colours, sizes, the strip above the panels, lines and their keys.

A walk has the same colour, marker and line in all figures; where a figure shows several machines,
the line's dashes and the marker's filling tell them apart. Sizes are inches and text is at least
9 pt at the drawn size. Titles and legend have a strip of their own above the panels, so that
neither can cover data. axes.py makes the axes, output.py the files.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any, NamedTuple, Sequence

import matplotlib
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from flushwalk import wording
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
_LINES_DARK = ("#9a92e8", "#4fb56e", "#d8709f", "#5fc4b3")
_WAITS = {"block": ("#cc6677", "#d97f8e"), "queue": ("#ddcc77", "#ddcc77"),
          "xarray": ("#88ccee", "#88ccee"), "memory": ("#aa4499", "#c070bb"),
          "address_space": ("#999933", "#b0b04a")}
# What tells machines apart in one figure: the dashes of a line, and the hatching of a bar.
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.6)), (0, (1, 1.2)), (0, (5, 1.4, 1, 1.4)))
_HATCHES = ("", "////", "....", "xxxx")
MOST_MACHINES = len(_DASHES)


class Paint(NamedTuple):
    """What a drawn colour is called on the page, and what it is on dark paper."""

    variable: str
    dark: str


# Every colour that a figure may draw with.
PAINTS: dict[str, Paint] = {
    INK: Paint("--ink", "#e8e8e8"), SOFT_INK: Paint("--soft-ink", "#a8a8a8"),
    GRID: Paint("--grid", "#373b40"), PAPER: Paint("--paper", "#16181b"),
    ON_LIGHT: Paint("--on-light", ON_LIGHT), ON_DARK: Paint("--on-dark", ON_DARK),
    SHOOTDOWN: Paint("--shootdown", "#8f9499"),
    FURTHER_WALK.colour: Paint("--further-walk", FURTHER_WALK.dark),
    **{walk.colour: Paint(css_name(name), walk.dark) for name, walk in WALKS.items()},
    **{colour: Paint(f"--line-{letter}", dark)
       for (colour, _), dark, letter in zip(_LINES, _LINES_DARK, "abcd")},
    **{colour: Paint(f"--wait-{kind.replace('_', '-')}", dark)
       for kind, (colour, dark) in _WAITS.items()},
}

BODY_PT = 9.0
TITLE_PT = 11.0
_RC = {
    "font.family": "DejaVu Sans", "font.size": BODY_PT, "text.color": INK,
    "axes.labelcolor": INK, "axes.edgecolor": SOFT_INK, "axes.linewidth": 0.8,
    "axes.facecolor": PAPER, "figure.facecolor": PAPER, "savefig.facecolor": PAPER,
    "xtick.color": SOFT_INK, "ytick.color": SOFT_INK, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "grid.color": GRID, "grid.linewidth": 0.8,
    "svg.fonttype": "path", "svg.hashsalt": "flushwalk", "axes.axisbelow": True,
}
matplotlib.rcParams.update(_RC)


LOG, LINEAR = "log", "linear"


@dataclass(frozen=True)
class Layout:
    """The width of a figure (inches), how many panels may stand side by side, and the scale of its
    axes of times, ratios and counts: log or linear."""

    width: float
    columns: int
    scale: str = LOG


WIDE = Layout(width=7.6, columns=3)
NARROW = Layout(width=3.9, columns=1)  # a phone held upright

_LEFT, _RIGHT, _BOTTOM = 0.88, 0.28, 0.58
_PANEL_HEIGHT = 2.5
_BETWEEN_COLUMNS, _BETWEEN_ROWS = 0.42, 0.66
EDGE = 0.1
_BETWEEN_STRIPS = 0.12
_BOLD_LINE = 0.21  # height of a line of the title
_LINE = 0.175  # height of a line of 9 pt text, with its leading
CHARACTER = 0.074  # mean width of a character of 9 pt DejaVu Sans, on the safe side
_BOLD_CHARACTER = 0.105
_TITLE = "title"


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
    return _WAITS[kind][0]


def patch_key(label: str, colour: str) -> Patch:
    """The legend's entry for a bar."""
    return Patch(facecolor=colour, label=label)


def machines_in(frame: pd.DataFrame) -> list[str]:
    """The reports of a frame, in the order in which they were given."""
    return [str(report) for report in frame["report"].unique()]


def on_machine(look: dict[str, Any], index: int, machines: Sequence[str]) -> dict[str, Any]:
    """The look of a line on the index-th machine: as it is where there is only one."""
    if len(machines) == 1:
        return look
    filling = {} if index % 2 == 0 else {"markerfacecolor": PAPER}
    return {**look, **filling, "linestyle": _DASHES[index]}


def machine_hatch(index: int) -> str:
    """The hatching of the bars of the index-th machine."""
    return _HATCHES[index]


def machine_keys(machines: Sequence[str], bars: bool = False) -> list[Artist]:
    """The legend's entries for the machines, by line or by bar; none where there is only one."""
    if len(machines) == 1:
        return []
    if bars:
        return [Patch(facecolor=PAPER, edgecolor=INK, linewidth=0.8, hatch=_HATCHES[index],
                      label=name) for index, name in enumerate(machines)]
    plain = {"color": INK, "marker": "o", "markersize": 4.5, "linewidth": 1.6}
    return [Line2D([], [], label=name, **on_machine(plain, index, machines))
            for index, name in enumerate(machines)]


def draw_line(panel: Axes, part: pd.DataFrame, machines: Sequence[str], x: str,
              columns: tuple[str, str, str], look: dict[str, Any]) -> None:
    """Draws the rows of `part` for each machine: a line through the middle one of the columns, and
    a band from the first to the last."""
    low, middle, high = columns
    for index, machine in enumerate(machines):
        line = part[part["report"] == machine].sort_values(x)
        if line.empty:
            continue
        if low != high:
            panel.fill_between(line[x], line[low], line[high], linewidth=0, color=look["color"],
                               alpha=0.2)
        panel.plot(line[x], line[middle], **on_machine(look, index, machines))


def new_figure(panel_titles: Sequence[str], layout: Layout, title: str, subtitle: str,
               keys: Sequence[Artist], own_y_axes: bool = False,
               panel_height: float = _PANEL_HEIGHT,
               labels: Sequence[str] = ()) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each title, below a strip with title, subtitle and legend.

    Panels share the y axis unless own_y_axes; then each has room for its own tick labels. labels:
    words at the y axis instead of numbers, for which there is to be room.
    """
    left_edge = max([_LEFT, *(CHARACTER * len(label) + 0.2 for label in labels)])
    columns = layout.columns if not own_y_axes else max(1, layout.columns - 1)
    rows = math.ceil(len(panel_titles) / columns)
    columns = math.ceil(len(panel_titles) / rows)  # two rows of two rather than three and one
    between = left_edge if own_y_axes else _BETWEEN_COLUMNS
    panel_width = (layout.width - left_edge - _RIGHT - between * (columns - 1)) / columns
    titles = [_wrapped(text, panel_width, CHARACTER) for text in panel_titles]
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
        title_lines = _wrapped(title, width, _BOLD_CHARACTER)
        subtitle_lines = _wrapped(subtitle, width, CHARACTER)
        for key in keys:
            key.set_label("\n".join(_wrapped(str(key.get_label()), width - 0.75, CHARACTER)))
        labels = [str(key.get_label()).split("\n") for key in keys]
        longest = max((len(line) for lines in labels for line in lines), default=1)
        key_columns = max(1, int(width / (CHARACTER * longest + 0.75)))
        key_lines = (sum(map(len, labels)) if key_columns == 1
                     else math.ceil(len(keys) / key_columns))
        subtitle_top = EDGE + _BOLD_LINE * len(title_lines)
        legend_top = subtitle_top + _LINE * len(subtitle_lines) + 0.06
        height = legend_top + 0.2 * key_lines + 0.06
        return _Strip(title_lines, subtitle_lines, keys, key_columns, subtitle_top, legend_top,
                      height)

    def put(self, figure: Figure) -> None:
        width, height = figure.get_size_inches()
        left = EDGE / width
        figure.text(left, 1 - 0.08 / height, "\n".join(self.title), fontsize=TITLE_PT,
                    fontweight="bold", va="top", linespacing=1.25, gid=_TITLE)
        figure.text(left, 1 - self.subtitle_top / height, "\n".join(self.subtitle),
                    fontsize=BODY_PT, color=SOFT_INK, va="top", linespacing=1.25)
        if self.keys:
            figure.legend(
                handles=list(self.keys), loc="upper left", ncol=self.key_columns, frameon=False,
                bbox_to_anchor=(left, 1 - self.legend_top / height), fontsize=BODY_PT,
                borderpad=0, borderaxespad=0, handlelength=2.0, columnspacing=1.4,
                labelspacing=0.3)


def title_of(figure: Figure) -> tuple[Artist, float]:
    """A figure's title, and the height of its lines (inches), which stand above all else."""
    (title,) = (text for text in figure.texts if text.get_gid() == _TITLE)
    return title, _BOLD_LINE * len(title.get_text().split("\n"))


def _wrapped(text: str, width: float, character: float) -> list[str]:
    return [line for part in text.split("\n")
            for line in textwrap.wrap(part, int(width / character))]


def wrapped(text: str, inches: float) -> list[str]:
    """The lines of a text of BODY_PT that is to fit into a width."""
    return _wrapped(text, inches, CHARACTER)
