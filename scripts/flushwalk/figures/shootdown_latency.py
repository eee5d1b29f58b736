"""The shootdown at its initiator: distribution of the call, by operation, without and with a
responder, beside the control arms."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure as Drawing

from flushwalk import shootdown_measures, wording
from flushwalk.figures import percentile_rows, style
from flushwalk.figures.base import Figure, Table
from flushwalk.results import Results
from flushwalk.shootdown_measures import CONTROLS, OPERATION, SHOOTING

_BESIDE = (percentile_rows.Beside("single_threaded", "s", "in a process of one thread"),
           percentile_rows.Beside("untouched", "<", "on untouched pages"))


def collect(results: Results) -> pd.DataFrame:
    """Operations with the medians of their arms untouched and single_threaded; below them what flushes
    nothing, which is the arm of the first operation that has it."""
    table = shootdown_measures.latencies(results)
    if table.empty:
        return table
    itself = table[(table["arm"] == OPERATION) & table["operation"].isin(SHOOTING)]
    for arm in ("untouched", "single_threaded"):
        key = ["report", "operation", "responders"]
        theirs = table[table["arm"] == arm].set_index(key)["p50"].rename(arm)
        itself = itself.join(theirs, on=key)
    itself = itself.assign(row=itself["operation"], control=False)
    parts = [itself]
    for control in CONTROLS:
        rows = table[(table["arm"] == control)
                     | ((table["arm"] == OPERATION) & (table["operation"] == control))]
        rows = rows.drop_duplicates(["report", "responders"])
        parts.append(rows.assign(row=control, control=True, untouched=math.nan,
                                 single_threaded=math.nan))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    return percentile_rows.draw(
        frame, layout, "The shootdown at its initiator",
        f"Time of one operation on {_pages(frame)}; grey: what flushes nothing", "time of the call",
        _BESIDE)


def _pages(frame: pd.DataFrame) -> str:
    return wording.count(frame["pages"].iloc[0], "page")


def numbers(frame: pd.DataFrame) -> Table:
    rows = tuple((
        str(case.row), wording.count(case.responders), *cells,
        _median(case.untouched), _median(case.single_threaded), wording.count(case.samples))
        for case, cells in zip(frame.itertuples(), percentile_rows.cells(frame)))
    return Table(("operation", "responders", *percentile_rows.HEADERS, "untouched", "one thread",
                  "samples"), rows)


def _median(value: float) -> str:
    return "-" if math.isnan(value) else wording.time(value)


def sentence(frame: pd.DataFrame) -> str:
    shooting = frame[~frame["control"]]
    if shooting.empty:
        return "This run has no valid operation that shoots anything down."
    said = []
    for responders, part in shooting.groupby("responders"):
        low, high = part.loc[part["p50"].idxmin()], part.loc[part["p50"].idxmax()]
        among = (f"{wording.time(low['p50'])} ({low['row']}) to {wording.time(high['p50'])} "
                 f"({high['row']})" if len(part) > 1 else
                 f"{wording.time(low['p50'])} ({low['row']})")
        said.append(f"with {wording.axis_words('responders', float(str(responders)))} {among}")
    floor = frame[(frame["row"] == "membarrier") & (frame["responders"] > 0)]
    beside = (f"; an interrupt without any TLB work (membarrier) "
              f"{wording.time(floor['p50'].iloc[0])}" if len(floor) else "")
    return f"An operation on {_pages(frame)} takes at the median {wording.listing(said)}{beside}."


def reading(frame: pd.DataFrame) -> str:
    return ("Of operations with a responder the proven ones only: those during which the responder's "
            "clock stopped. Percentiles are medians over "
            f"{wording.span(frame['repetitions'])} repetitions, the maximum is of all; p99 is told of "
            "100 samples or more in a repetition, p99.9 of 1,000. The reading of the clock (none) is "
            "in each.")


FIGURE = Figure(
    name="shootdown-latency",
    title="The shootdown at its initiator",
    needs="--operation=mprotect,munmap,dontneed --arms=all --responders=0,1 --rate=0 --samples=1050 "
          "--repetitions=10",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence, reading=reading,
    bench="shootdown_bench", one_report=percentile_rows.ONE_REPORT)
