"""What a walk costs a free: what a free keeps up for it, and the free's share of the flushes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from flushwalk import measures, wording
from flushwalk.document import Block, Command, Numbers, Paragraph, Section
from flushwalk.figures.base import Table
from flushwalk.results import Results
from flushwalk.sections.base import Context
from flushwalk.statistics import BASELINE_WALK, median_interval
from flushwalk.walks import WALKS

_LOAD = ["blocks", "full_percent", "queues", "revision"]
_NEEDS = ("--queues=2 --pages=1 --other-blocks=4096 --other-full=50 --flush-every=0,16,256 "
          f"--walk={','.join(WALKS)} --samples=4")


def pairs(results: Results) -> pd.DataFrame:
    """One row for each walk, load and flush_every: the mean time of a pair of alloc and free with
    its share of the flushes (median over the repetitions and its interval, ns). flush_every 0: the
    thread never flushes, so what differs is what a free keeps up."""
    rows = results.alloc_free("worker", "pair_time")
    rows = rows[rows["case"].str.contains("/walk:", regex=False)]
    table = []
    for key, group in rows.groupby([*_LOAD, "flush_every", "walk"]):
        means = group["mean"].to_numpy(dtype=np.float64)
        low, high = median_interval(means)
        table.append({**dict(zip([*_LOAD, "flush_every", "walk"], key)),
                      "pair_ns": float(np.median(means)), "low_ns": low, "high_ns": high})
    return pd.DataFrame(table)


def build(context: Context) -> Section:
    table = pairs(context.results)
    blocks: list[Block] = []
    if table.empty:
        folder = context.shown_folder
        blocks = [
            Paragraph("This run has no valid rows for it. These commands measure it and make the "
                      "report anew:"),
            Command(f"build/release/bin/alloc_free_bench {_NEEDS} --out={folder}\n"
                    f"scripts/report {folder}"),
        ]
    for _, load in table.groupby(_LOAD) if len(table) else ():
        blocks += [Paragraph(_sentence(load)), _numbers(load)]
    return Section("free", "What a walk costs a free", tuple(blocks))


def _often(every: float) -> str:
    return "no flush" if every == 0 else f"a flush every {wording.count(every, 'free')}"


def _sentence(load: pd.DataFrame) -> str:
    first = load.iloc[0]
    at = (f"Beside {wording.count(first['blocks'], 'live block')}, "
          f"{wording.percent(first['full_percent'])} of them full")
    said = []
    for every, group in load.groupby("flush_every"):
        by_walk = group.set_index("walk")
        best = by_walk["pair_ns"].idxmin()
        text = f"with {_often(float(every))} {_cost(by_walk, str(best))}"
        for walk in (BASELINE_WALK, "xarray"):
            if walk in by_walk.index and walk != best:
                text += f", {_cost(by_walk, walk)}"
        said.append(text)
    return (f"{at}, one alloc and free with its share of the flushes: {'; '.join(said)}. Walks that "
            "visit dirty blocks alone have a free keep something up: it marks or lists a block that "
            "gets dirty, once until the next flush; list and full only where the block is full.")


def _cost(by_walk: pd.DataFrame, walk: str) -> str:
    return f"{wording.walk_name(walk)} {wording.time(by_walk.loc[walk, 'pair_ns'])}"


def _numbers(load: pd.DataFrame) -> Numbers:
    often = sorted(load["flush_every"].unique())
    rows = []
    for walk in sorted(load["walk"].unique(), key=measures.walk_rank):
        cells = load[load["walk"] == walk].set_index("flush_every").reindex(often)
        rows.append((wording.walk_name(walk), *(
            _with_interval(cell["pair_ns"], cell["low_ns"], cell["high_ns"])
            for _, cell in cells.iterrows())))
    return Numbers("Mean time of an alloc and a free, the thread's own flushes included (95 % "
                   "interval)",
                   Table(("walk", *(_often(float(every)) for every in often)), tuple(rows)))


def _with_interval(value: float, low: float, high: float) -> str:
    """49.8 ns (49.6-50.1)"""
    if np.isnan(value) or np.isnan(low):
        return wording.time(value)
    return wording.spread(low, value, high)
