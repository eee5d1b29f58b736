"""The share of a responder's CPU that shootdowns take, by their rate."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from flushwalk import responder_measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import panel_inches
from flushwalk.figures.base import Figure, Table
from flushwalk.results import Results
from flushwalk.shootdown_measures import rank


def collect(results: Results) -> pd.DataFrame:
    """Lines: operations of which two rates were reached."""
    table = responder_measures.cpu_lost(results)
    if table.empty:
        return table
    return table[table.groupby(["report", "operation"])["rate"].transform("nunique") > 1]


def _idle(frame: pd.DataFrame) -> float:
    return float(frame["idle"].median())


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    machines = style.machines_in(frame)
    names = sorted((str(name) for name in frame["operation"].unique()), key=rank)
    keys = [style.numbered_key(index, name) for index, name in enumerate(names)]
    idle = _idle(frame)
    if not math.isnan(idle):
        keys.append(Line2D([], [], color=style.SHOOTDOWN, linestyle=(0, (3, 2)), linewidth=1.2,
                           label="without any operation"))
    drawing, (panel,) = style.new_figure(
        [wording.axis_words("responders", float(frame["responders"].iloc[0]))], layout,
        "What shootdowns take of a responder's CPU",
        "Share of its time in clock gaps by operations a second: median and p10 to p90 band",
        [*keys, *style.machine_keys(machines)])
    for index, name in enumerate(names):
        style.draw_line(panel, frame[frame["operation"] == name], machines, "operations_a_second",
                        ("p10", "lost", "p90"), style.numbered_line(index))
    if not math.isnan(idle):
        panel.axhline(idle, color=style.SHOOTDOWN, linestyle=(0, (3, 2)), linewidth=1.2)
    panel.set_xlim(0, frame["operations_a_second"].max() * 1.06)
    panel.set_ylim(0, frame["p90"].max() * 1.14)
    panel.xaxis.set_major_locator(MaxNLocator(max(2, int(panel_inches(panel) / 0.8))))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.count(value)))
    panel.set_xlabel("operations a second that were reached")
    panel.set_ylabel("lost of a responder's time (%)")
    return drawing


def numbers(frame: pd.DataFrame) -> Table:
    rows = tuple((str(case.operation), _pace(case.rate), wording.count(round(case.operations_a_second)),
                  _percent(case.lost), _interval(case.low, case.high), _percent(case.p90),
                  _percent(case.idle), wording.time(case.ns_each))
                 for case in frame.itertuples())
    return Table(("operation", "pace", "a second", "lost", "95 % interval", "p90",
                  "without any", "lost to each"), rows, words=1)


def _pace(rate: float) -> str:
    return "none" if rate == 0 else wording.count(rate)


def _percent(value: float) -> str:
    return "not measured" if math.isnan(value) else f"{wording.three_digits(value)} %"


def _interval(low: float, high: float) -> str:
    return "too few repetitions" if math.isnan(low) else f"{_percent(low)} to {_percent(high)}"


def sentence(frame: pd.DataFrame) -> str:
    said = []
    for name, part in frame.groupby("operation", sort=False):
        each = [f"{_percent(case.lost)} at {wording.count(round(case.operations_a_second))}"
                for case in part.sort_values("operations_a_second").itertuples()]
        said.append(f"{name} takes of a responder's time {wording.listing(each)} operations a second")
    idle = _idle(frame)
    without = ("" if math.isnan(idle) else
               f" Without any operation {_percent(idle)} is lost (timer, hypervisor).")
    return f"{'; '.join(said)}.{without}"


def reading(frame: pd.DataFrame) -> str:
    return ("All gaps of the responder's clock, whatever made them, over all of its time; pace none: "
            "each operation as soon as the one before is undone. Undoing an operation may interrupt as "
            "well. Lost to each: what is more than without any operation, divided by the rate. "
            f"Medians over {wording.axis_words('responders', float(frame['responders'].iloc[0]))} "
            "and all repetitions.")


FIGURE = Figure(
    name="cpu-lost",
    title="What shootdowns take of a responder's CPU",
    needs="--operation=mprotect --arms=operation,none --responders=1 --rate=1000,4000,16000 "
          "--samples=100 --repetitions=12",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence, reading=reading,
    bench="shootdown_bench", scales=(style.LINEAR,),
    one_scale="A share of all has no other scale than the linear one.")
