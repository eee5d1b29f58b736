"""Threads that all initiate: operations a second, and how long a call takes then, beside the same
calls on untouched pages and calls without effect."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from flushwalk import throughput_measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import count_axis, number_axis, on_scale, time_axis
from flushwalk.figures.base import Figure, Table, panels
from flushwalk.shootdown_measures import OPERATION, rank
from flushwalk.throughput_measures import ARMS

_LABELS = {OPERATION: "the operation", "untouched": "on untouched pages",
           "noop": "a call without effect: its lock"}


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    arms = [arm for arm in ARMS if (frame["arm"] == arm).any()]
    parts = panels(frame, "operation", str)
    machines = style.machines_in(frame)
    titles = [f"{title}: {what}" for title, _ in parts
              for what in ("of all threads", "of one call")]
    drawing, axes = style.new_figure(
        titles, layout, "Shootdowns from all threads at once",
        "Threads of one process, each with pages of its own: operations a second (median, p10 to p90 "
        "band), and the median time of one call. Each panel has its own scale.",
        [*(style.numbered_key(index, _LABELS[arm]) for index, arm in enumerate(arms)),
         *style.machine_keys(machines)],
        own_y_axes=True)
    for at, (_, part) in enumerate(parts):
        for index, arm in enumerate(arms):
            for panel, columns in ((axes[2 * at], ("p10", "throughput", "p90")),
                                   (axes[2 * at + 1], ("call_ns", "call_ns", "call_ns"))):
                style.draw_line(panel, part[part["arm"] == arm], machines, "initiators", columns,
                                style.numbered_line(index))
        _axes(axes[2 * at], axes[2 * at + 1], list(part["initiators"]), layout.scale)
    return drawing


def _axes(rates: Axes, times: Axes, initiators: list[float], scale: str) -> None:
    for panel in (rates, times):
        count_axis(panel, initiators, "threads that initiate", scale)
    number_axis(rates, scale, _short)
    rates.set_ylabel(on_scale("operations a second", scale))
    time_axis(times, scale)
    times.set_ylabel(on_scale("time of a call", scale))


def _short(value: float) -> str:
    """20k, 1.5M"""
    for scale, letter in ((1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:,.4g}{letter}"
    return f"{value:,.4g}"


def numbers(frame: pd.DataFrame) -> Table:
    rows = tuple((
        str(case.operation), str(case.arm), wording.count(case.initiators),
        wording.count(round(case.throughput)), _rates(case.low, case.high),
        f"{wording.three_digits(case.gain)}x", wording.time(case.call_ns),
        wording.time(case.call_p99_ns)) for case in frame.itertuples())
    return Table(("operation", "arm", "threads", "a second", "95 % interval", "over the fewest", "a call",
                  "its p99"), rows, words=2)


def _rates(low: float, high: float) -> str:
    if pd.isna(low):
        return "too few repetitions"
    return f"{wording.count(round(low))} to {wording.count(round(high))}"


def sentence(frame: pd.DataFrame) -> str:
    """Of the first operation."""
    name = min((str(each) for each in frame["operation"].unique()), key=rank)
    ours = frame[frame["operation"] == name]
    said = []
    for arm in (arm for arm in ARMS if (ours["arm"] == arm).any()):
        line = ours[ours["arm"] == arm].sort_values("initiators")
        first, last = line.iloc[0], line.iloc[-1]
        said.append(
            f"{_LABELS[arm].split(':')[0]} {wording.count(round(last['throughput']))} a second, "
            f"{wording.three_digits(last['gain'])} times what "
            f"{wording.count(first['initiators'], 'thread')} "
            f"{'does' if first['initiators'] == 1 else 'do'}")
    return (f"{name} from {wording.count(ours['initiators'].max(), 'thread')} at once: "
            f"{'; '.join(said)}.")


def reading(frame: pd.DataFrame) -> str:
    return ("The threads share one mmap lock, and each shootdown waits for all the others' CPUs. What a "
            "call without effect loses with more threads is the contention for the lock (and memory). "
            "Where two threads discard at once, the kernel flushes for each of them, touched or not "
            "(mm_tlb_flush_nested): so untouched pages have shootdowns, too, with more threads than "
            "one. An operation is counted with its undoing, untimed in the time of a call. Nothing is "
            "proven for single operations here. "
            f"Medians over {wording.span(frame['repetitions'])} repetitions.")


FIGURE = Figure(
    name="shootdown-throughput",
    title="Shootdowns from all threads at once",
    needs="--operation=dontneed --arms=operation,untouched,noop --initiators=1,2 --samples=4000 "
          "--repetitions=12",
    collect=throughput_measures.throughputs, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, bench="shootdown_bench")
