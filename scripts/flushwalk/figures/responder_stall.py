"""The shootdown at its responder: distribution of the time for which it stands still."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from flushwalk import shootdown_measures, wording
from flushwalk.figures import percentile_rows, style
from flushwalk.figures.base import Figure, Table
from flushwalk.results import Results
from flushwalk.shootdown_measures import CONTROLS


def collect(results: Results) -> pd.DataFrame:
    table = shootdown_measures.stalls(results)
    if table.empty:
        return table
    return table.assign(row=table["operation"], control=table["operation"].isin(CONTROLS))


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    return percentile_rows.draw(
        frame, layout, "The shootdown at its responder",
        f"Longest gap in a responder's clock during one proven operation on "
        f"{wording.count(frame['pages'].iloc[0], 'page')}", "stall")


def numbers(frame: pd.DataFrame) -> Table:
    rows = tuple((str(case.row), wording.count(case.responders), *cells,
                  wording.count(case.samples))
                 for case, cells in zip(frame.itertuples(), percentile_rows.cells(frame)))
    return Table(("operation", "responders", *percentile_rows.HEADERS, "samples"), rows)


def sentence(frame: pd.DataFrame) -> str:
    low, high = frame.loc[frame["p50"].idxmin()], frame.loc[frame["p50"].idxmax()]
    said = (f"One shootdown stops a responder for {wording.time(low['p50'])} ({low['row']})"
            + (f" to {wording.time(high['p50'])} ({high['row']})" if low["p50"] < high["p50"] else "")
            + " at the median")
    tails = frame[frame["p99"].notna()]
    if tails.empty:
        return f"{said}."
    worst = tails.loc[tails["p99"].idxmax()]
    return f"{said}, and one in a hundred for {wording.time(worst['p99'])} ({worst['row']}) or longer."


def reading(frame: pd.DataFrame) -> str:
    return ("A responder reads its clock in a loop: a gap is what it could not run for, entry and exit "
            "of the interrupt contained. Gaps that other interrupts made in the same operation are "
            f"among them. Percentiles are medians over {wording.span(frame['repetitions'])} "
            "repetitions and responders, the maximum is of all.")


FIGURE = Figure(
    name="responder-stall",
    title="The shootdown at its responder",
    needs="--operation=mprotect,munmap,dontneed --responders=1 --rate=0 --samples=1050 "
          "--repetitions=10",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence, reading=reading,
    bench="shootdown_bench", one_report=percentile_rows.ONE_REPORT)
