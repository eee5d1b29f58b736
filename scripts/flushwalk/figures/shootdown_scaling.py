"""Latency of a shootdown by its responders, and the line through it, as far as 1,024 CPUs."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from flushwalk import scaling_measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import count_axis, on_scale, time_axis
from flushwalk.figures.base import Figure, Table
from flushwalk.scaling_measures import (
    EXTRAPOLATED, EXTRAPOLATED_CPUS, FITTED, FLOOR, MEASURED, MIN_COUNTS)
from flushwalk.statistics import MIN_PAIRS

_DASHED = (0, (4, 2))


def _names(frame: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(str(name) for name in frame["series"]))


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    names = _names(frame)
    keys = [style.numbered_key(index, _name(name)) for index, name in enumerate(names)]
    if (frame["kind"] == EXTRAPOLATED).any():
        keys.append(Line2D([], [], color=style.INK, linestyle=_DASHED, linewidth=1.2,
                           label="extrapolated (no machine was measured there)"))
    drawing, (panel,) = style.new_figure(
        [""], layout, "A shootdown by its responders",
        "Time of one operation: medians with their p10 to p90; lines: base + cost per responder, with "
        f"their 95 % band.{_machines(frame)}", keys, panel_height=3.4)
    for index, name in enumerate(names):
        _line(panel, frame[frame["series"] == name], index)
    count_axis(panel, _marked(frame), "responders", layout.scale)
    time_axis(panel, layout.scale)
    panel.set_ylabel(on_scale("time of an operation", layout.scale))
    return drawing


def _name(series: str) -> str:
    return "membarrier (interrupts alone)" if series == FLOOR else series


def _marked(frame: pd.DataFrame) -> list[float]:
    """The numbers of responders that were measured, and those of the machines in question."""
    beyond = frame.loc[frame["kind"] == EXTRAPOLATED, "responders"]
    wanted = [float(cpus - 1) for cpus in EXTRAPOLATED_CPUS if cpus - 1 in set(beyond)]
    return [*frame.loc[frame["kind"] == MEASURED, "responders"], *wanted]


def _machines(frame: pd.DataFrame) -> str:
    """Which machines the ticks beyond the measured ones stand for."""
    most = frame["responders"].max()
    known = [cpus for cpus in EXTRAPOLATED_CPUS
             if frame.loc[frame["kind"] == MEASURED, "responders"].max() < cpus - 1 <= most]
    if not known:
        return ""
    return (f" {wording.listing(wording.count(cpus - 1) for cpus in known)} responders: machines of "
            f"{wording.listing(wording.count(cpus) for cpus in known)} CPUs.")


def _line(panel: Axes, part: pd.DataFrame, index: int) -> None:
    look = style.numbered_line(index)
    colour = look["color"]
    measured = part[part["kind"] == MEASURED]
    reach = [measured["p50"] - measured["p10"], measured["p90"] - measured["p50"]]
    panel.errorbar(measured["responders"], measured["p50"], yerr=reach, fmt=look["marker"],
                   color=colour, markersize=5.0, linewidth=1.0, capsize=2.5)
    for kind, dashes in ((FITTED, "-"), (EXTRAPOLATED, _DASHED)):
        curve = part[part["kind"] == kind]
        panel.fill_between(curve["responders"], curve["low"].clip(lower=1.0), curve["high"],
                           color=colour, alpha=0.15, linewidth=0)
        panel.plot(curve["responders"], curve["p50"], color=colour, linestyle=dashes, linewidth=1.4)


def _lines(frame: pd.DataFrame) -> pd.DataFrame:
    """A row for each series with a line."""
    return frame[(frame["kind"] == MEASURED) & frame["base"].notna()].drop_duplicates(
        ["report", "series"])


def numbers(frame: pd.DataFrame) -> Table:
    """The measured points with their held-out errors, and what the line says of other machines."""
    wanted = [cpus - 1 for cpus in EXTRAPOLATED_CPUS]
    shown = frame[(frame["kind"] == MEASURED)
                  | ((frame["kind"] == EXTRAPOLATED) & frame["responders"].isin(wanted))]
    rows = tuple((
        _name(str(case.series)), wording.count(case.responders), str(case.kind),
        wording.time(case.p50), wording.interval(case.low, case.high),
        "-" if math.isnan(case.error) else f"{case.error * 100:+.1f} %") for case in shown.itertuples())
    return Table(("operation", "responders", "kind", "time", "95 % interval", "held out"), rows)


def sentence(frame: pd.DataFrame) -> str:
    lines = _lines(frame)
    if lines.empty:
        counts = sorted(frame["responders"].unique())
        return (f"No line is drawn: it takes {MIN_COUNTS} numbers of responders with {MIN_PAIRS} "
                f"repetitions, for any line fits two points; this run has "
                f"{wording.listing(wording.count(count) for count in counts)}.")
    said = [f"{_name(str(line.series))} {wording.time(line.base)} "
            f"({wording.interval(line.base_low, line.base_high)}) + {wording.time(line.each)} "
            f"({wording.interval(line.each_low, line.each_high)}) a responder, which is off by up to "
            f"{line.largest_error * 100:.1f} % at a number of responders that was held out"
            for line in lines.itertuples()]
    return f"{'; '.join(said)}.{_far(frame)}"


def _far(frame: pd.DataFrame) -> str:
    """What the first line says of the largest machine in question."""
    beyond = frame[frame["kind"] == EXTRAPOLATED]
    if beyond.empty:
        return ""
    far = beyond[beyond["series"] == beyond["series"].iloc[0]].iloc[-1]
    most = frame.loc[frame["kind"] == MEASURED, "responders"].max()
    return (f" Extrapolated to {far['responders'] + 1:,.0f} CPUs, {far['responders'] / most:,.0f} times "
            f"the most responders that were measured: {_name(str(far['series']))} "
            f"{wording.time(far['p50'])} ({wording.interval(far['low'], far['high'])}), if the line "
            "holds so far.")


def reading(frame: pd.DataFrame) -> str:
    repetitions = wording.span(frame.loc[frame["kind"] == MEASURED, "repetitions"])
    return ("The line goes through the medians of one responder and more, by least squares of relative "
            "errors. Its interval is from resampling the repetitions of each number of responders, and "
            "the band is widened by the largest error at a point that was held out (the line through "
            "the others, over what was measured there, less 1): a truth that is no line, as where a "
            "second package begins, shows in that error. An operation lasts until the last responder "
            f"has answered. Medians over {repetitions} repetitions.")


FIGURE = Figure(
    name="shootdown-scaling",
    title="A shootdown by its responders",
    needs="--operation=mprotect,munmap,dontneed --arms=operation,membarrier --responders=1,2,4,7 "
          "--rate=0 --samples=100 --repetitions=20",
    collect=scaling_measures.by_responders, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, bench="shootdown_bench",
    one_report="its dashes are what is extrapolated, and can name no machine")
