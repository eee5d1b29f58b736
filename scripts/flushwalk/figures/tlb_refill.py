"""What a shootdown takes out of a responder's TLB: reading its pages again, by how many they are."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from flushwalk import responder_measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import count_axis, time_axis, y_label
from flushwalk.figures.base import Figure, Table, panels
from flushwalk.results import Results
from flushwalk.shootdown_measures import rank

_LINES = (("read_ns", "after the operation"), ("interrupt_ns", "after an interrupt alone (membarrier)"),
          ("again_ns", "once more, right after"))


def collect(results: Results) -> pd.DataFrame:
    return responder_measures.refills(results)


def _first(frame: pd.DataFrame) -> pd.DataFrame:
    """What is drawn: responders that read; of operations the first."""
    does = "read" if (frame["responder_does"] == "read").any() else frame["responder_does"].iloc[0]
    part = frame[frame["responder_does"] == does]
    return part[part["operation"] == min(part["operation"].unique(), key=rank)]


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    shown = _first(frame)
    machines = style.machines_in(shown)
    keys = [style.numbered_key(index, label) for index, (_, label) in enumerate(_LINES)]
    parts = panels(shown, "operation", lambda name: f"{name}, "
                   f"{wording.axis_words('responders', float(shown['responders'].iloc[0]))}")
    drawing, axes = style.new_figure(
        [title for title, _ in parts], layout, "What a shootdown takes out of a responder's TLB",
        "Time to read (and read the clock after) each page of a working set once: median, and of the "
        "first line the p10 to p90 band", [*keys, *style.machine_keys(machines)])
    for panel, (_, part) in zip(axes, parts):
        for index, (column, _) in enumerate(_LINES):
            columns = ("p10", column, "p90") if index == 0 else (column, column, column)
            style.draw_line(panel, part, machines, "working_set_pages", columns,
                            style.numbered_line(index))
        count_axis(panel, list(part["working_set_pages"]), "pages of the working set", layout.scale)
    time_axis(axes[0], layout.scale)
    y_label(axes, "time to read all of it", layout.scale)
    return drawing


def numbers(frame: pd.DataFrame) -> Table:
    rows = tuple((str(case.operation), str(case.responder_does),
                  wording.count(case.working_set_pages), wording.time(case.read_ns),
                  wording.time(case.interrupt_ns), wording.time(case.again_ns),
                  wording.time(case.refill_ns), wording.interval(case.low, case.high),
                  wording.time(case.refill_ns / case.working_set_pages))
                 for case in frame.itertuples())
    return Table(("operation", "responder", "pages", "after it", "after membarrier", "once more",
                  "refill", "95 % interval", "a page"), rows, words=2)


def sentence(frame: pd.DataFrame) -> str:
    shown = _first(frame)
    said = [f"{wording.time(case.refill_ns)} ({wording.interval(case.low, case.high)}) for "
            f"{wording.count(case.working_set_pages, 'page')}" for case in shown.itertuples()]
    return (f"After {shown['operation'].iloc[0]} a responder takes longer to "
            f"{shown['responder_does'].iloc[0]} its pages again than after an interrupt that leaves "
            f"its TLB alone, by {wording.listing(said)}.")


def reading(frame: pd.DataFrame) -> str:
    return ("The refill is the difference of two arms that were sampled in turn, by repetition. In each "
            "round the responder reads its clock after every page; a page walk that is done "
            "meanwhile is hidden. Rounds into which another gap fell are left out. Medians over "
            f"{wording.span(frame['repetitions'])} repetitions and responders.")


FIGURE = Figure(
    name="tlb-refill",
    title="What a shootdown takes out of a responder's TLB",
    needs="--operation=mprotect --arms=operation,membarrier --responders=1 --responder-does=read "
          "--working-set=64,512,1536 --rate=0 --samples=20 --repetitions=15",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence, reading=reading,
    bench="shootdown_bench")
