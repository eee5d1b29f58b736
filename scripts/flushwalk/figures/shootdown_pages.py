"""Time of a shootdown by its pages, with the step at the kernel's flush ceiling."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from flushwalk import shootdown_measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import count_axis, on_scale, time_axis
from flushwalk.figures.base import Figure, Table, panels
from flushwalk.shootdown_measures import rank

_LINES = ("mprotect", "dontneed", "munmap", "mprotect_range")  # where there are more than four
_MOST_LINES = len(_LINES)


def _lines(frame: pd.DataFrame) -> list[str]:
    names = sorted((str(name) for name in frame["operation"].unique()), key=rank)
    return names if len(names) <= _MOST_LINES else [name for name in _LINES if name in names]


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    names = _lines(frame)
    parts = panels(frame, "responders", lambda count: wording.count(float(str(count)), "responder"))
    ceiling = float(frame["ceiling"].iloc[0])
    keys = [style.numbered_key(index, name) for index, name in enumerate(names)]
    machines = style.machines_in(frame)
    keys.append(Line2D([], [], color=style.INK, linestyle=(0, (3, 2)), linewidth=1.2,
                       label=f"above {ceiling:,.0f} pages everything is flushed"))
    drawing, axes = style.new_figure(
        [title for title, _ in parts], layout, "A shootdown by its pages",
        "Time of one operation: median and p10 to p90 band. Each panel has its own scale.",
        [*keys, *style.machine_keys(machines)], own_y_axes=True)
    for panel, (_, part) in zip(axes, parts):
        for index, name in enumerate(names):
            style.draw_line(panel, part[part["operation"] == name], machines, "pages",
                            ("p10", "p50", "p90"), style.numbered_line(index))
        panel.axvline(math.sqrt(ceiling * (ceiling + 1)), color=style.INK, linewidth=1.2,
                      linestyle=(0, (3, 2)))
        count_axis(panel, list(part["pages"]), "pages", layout.scale)
        time_axis(panel, layout.scale)
        panel.set_ylabel(on_scale("time of an operation", layout.scale))
    return drawing


def numbers(frame: pd.DataFrame) -> Table:
    rows = tuple((str(case.operation), wording.count(case.responders), wording.count(case.pages),
                  wording.time(case.p50), wording.interval(case.low, case.high),
                  wording.time(case.p10), wording.time(case.p90)) for case in frame.itertuples())
    return Table(("operation", "responders", "pages", "median", "95 % interval", "p10", "p90"), rows)


def sentence(frame: pd.DataFrame) -> str:
    table = shootdown_measures.steps(frame)
    if table.empty:
        ceiling = float(frame["ceiling"].iloc[0])
        return (f"Both sides of the ceiling were not measured ({ceiling:,.0f} and {ceiling + 1:,.0f} "
                "pages of one operation).")
    said = [f"{step.operation} with {wording.axis_words('responders', float(step.responders))} "
            f"{wording.time(step.at_p50)} ({wording.interval(step.at_low, step.at_high)}) and "
            f"{wording.time(step.above_p50)} "
            f"({wording.interval(step.above_low, step.above_high)}): {_verdict(step)}"
            for step in table[table["operation"] == table["operation"].iloc[0]].itertuples()]
    ceiling = float(table["ceiling"].iloc[0])
    apart = int(table["apart"].sum())
    return (f"At {ceiling:,.0f} and at {ceiling + 1:,.0f} pages: {'; '.join(said)}. The step is "
            f"visible at {wording.count(apart)} of {wording.count(len(table), 'line')}.")


def _verdict(step: object) -> str:
    """By whether the intervals are apart."""
    if not getattr(step, "apart"):
        return "no step resolved"
    down = getattr(step, "above_p50") < getattr(step, "at_p50")
    return "the step down" if down else "a step up"


def reading(frame: pd.DataFrame) -> str:
    return ("Up to the ceiling (tlb_single_page_flush_ceiling) the kernel flushes page by page, above "
            "it everything. A step counts as visible where the 95 % intervals of the two medians do "
            f"not meet. Medians over {wording.span(frame['repetitions'])} repetitions.")


FIGURE = Figure(
    name="shootdown-pages",
    title="A shootdown by its pages",
    needs="--operation=mprotect,dontneed --pages=1,2,8,32,33,34,64,512 --responders=0,1 --rate=0 "
          "--samples=20 --repetitions=15",
    collect=shootdown_measures.by_pages, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, bench="shootdown_bench")
