"""What is read off the rows: the cost of each case, the shootdown's part of it, and slices.

Contract: every table here has one row for each case (report, walk, axes), made of valid rows only;
times are medians over the repetitions, in ns. Figures, tables and the answer all draw from here,
so they cannot disagree.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

import numpy as np
import pandas as pd

from flushwalk.results import AXES, OUTCOMES, Results
from flushwalk.statistics import median_interval
from flushwalk.walks import KERNEL_WALKS, WALKS

_CASE = ["report", "walk", *AXES]

# The slice that is looked at first, where a run has it: 10 % dirty, one queue.
USUAL: Mapping[str, Any] = {
    "dirty_percent": 10, "queues": 1, "gather": "hull", "check": "locked", "dirty_slots": 1,
    "placement": "compact", "responders": 0, "spread": "even", "descriptors": "in_order",
    "index": "kernel",
}
# System calls that tell no TLB anything: what a call costs, and what an interrupt costs.
CONTROLS = ("noop", "membarrier")
# The size that the answer speaks about; the nearest one is taken where a run lacks it.
USUAL_SIZE: Mapping[str, float] = {"blocks": 4096, "full_percent": 50}


def pick(rows: pd.DataFrame, axis: str, preferred: Any = None) -> Any:
    """The preferred value of an axis if the rows have it, else the most common (then smallest)."""
    counts = rows[axis].value_counts()
    if preferred is not None and preferred in counts.index:
        return preferred
    return min(counts[counts == counts.max()].index)


def usual(values: Sequence[float], axis: str) -> float:
    """Of the values of blocks (by ratio) or full_percent (by difference), the one nearest to the
    usual one; the smaller of two as near."""
    def distance(value: float) -> float:
        wanted = USUAL_SIZE[axis]
        return abs(math.log(value / wanted)) if axis == "blocks" else abs(value - wanted)

    return min(sorted(values), key=distance)


def narrow(rows: pd.DataFrame, axes: Sequence[str],
           preferred: Mapping[str, Any] = USUAL) -> pd.DataFrame:
    """The rows of one slice: each axis in turn is held at its preferred or most common value."""
    for axis in axes:
        if rows.empty:
            return rows
        rows = rows[rows[axis] == pick(rows, axis, preferred.get(axis))]
    return rows


def at_usual_size(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows at (or nearest to) 4,096 blocks, of these at (or nearest to) 50 % full."""
    for axis in USUAL_SIZE:
        if not rows.empty:
            rows = rows[rows[axis] == usual(list(rows[axis].unique()), axis)]
    return rows


def walk_rank(walk: str) -> tuple[int, str]:
    """A key that sorts walks the same way everywhere."""
    return (list(WALKS).index(walk) if walk in WALKS else len(WALKS), walk)


def costs(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each case: p10, p50, p90 (medians over the repetitions, ns) and its outcomes."""
    groups = rows.groupby(_CASE, dropna=False)
    names = ["p10", "p50", "p90", *OUTCOMES, "block_slots"]
    sums = ["samples", "shootdowns_expected", "shootdowns_proven"]
    table = pd.concat([
        groups[names].median().rename(columns={name: f"{name}_ns" for name in names[:3]}),
        groups.size().rename("repetitions"), groups[sums].sum(min_count=1)], axis=1).reset_index()
    table = table.assign(dirty_slots_total=table["dirty_blocks_total"] * table["dirty_slots"],
                         _rank=table["walk"].map(walk_rank))
    order = ["report", "gather", "shootdown", "full_percent", "queues", "responders", "blocks"]
    return table.sort_values([*order, "_rank"], ignore_index=True).drop(columns="_rank")


def kernels_own(rows: pd.DataFrame) -> pd.DataFrame:
    """Of rows of flushes those of the kernel's two walks, in the usual slice of the axes that tell
    what else could be done (check, index) or what the load is like (spread, descriptors). All but
    the comparison of complete walks keep to it."""
    rows = rows[rows["walk"].isin(KERNEL_WALKS)]
    return narrow(rows, ("check", "spread", "descriptors", "index"))


def walk_rows(results: Results) -> pd.DataFrame:
    """The rows of walks alone (shootdown none), in the usual slice; blocks and full vary."""
    rows = results.flushes()
    rows = kernels_own(rows[rows["shootdown"] == "none"])
    return narrow(rows, (
        "gather", "dirty_slots", "dirty_percent", "queues", "placement", "responders"))


def shootdown_costs(results: Results) -> pd.DataFrame:
    """The kernel's own walks with a shootdown: flush_ns, and its parts walk_ns and shootdown_ns.

    The parts were timed within the same flushes; they are medians, as flush_ns is, so they add up
    to it only nearly. shootdown_low_ns and _high_ns are the 95 % interval of shootdown_ns over the
    repetitions, NaN with too few of them. stall_ns is the median over repetitions and responders.
    """
    rows = results.flushes()
    table = costs(kernels_own(rows[rows["shootdown"] != "none"]))
    flushes = table.rename(columns={"p50_ns": "flush_ns"})
    if flushes.empty:  # also of a run of other benches, whose axes have no values to merge by
        return flushes
    walks = results.parts("walk_time").groupby(_CASE, as_index=False, dropna=False).agg(
        walk_ns=("p50", "median"))
    shootdowns = pd.DataFrame(
        [(*case, group["p50"].median(), *median_interval(group["p50"].to_numpy(dtype=np.float64)))
         for case, group in results.parts("shootdown_time").groupby(_CASE, dropna=False)],
        columns=[*_CASE, "shootdown_ns", "shootdown_low_ns", "shootdown_high_ns"])
    stalls = results.stalls().groupby(_CASE, as_index=False, dropna=False).agg(
        stall_ns=("p50", "median"), stall_p90_ns=("p90", "median"))
    for part in (walks, shootdowns, stalls):
        flushes = flushes.merge(part, on=_CASE, how="left")
    return flushes


def stale_costs(results: Results) -> pd.DataFrame:
    """The cases from which stale slots are counted: for each gather one slice; blocks and full
    vary. A call that was not meant to flush is no evidence and is left out."""
    rows = results.flushes()
    rows = kernels_own(rows[~rows["shootdown"].isin(CONTROLS) & rows["stale_slots"].notna()])
    axes = ("dirty_slots", "dirty_percent", "queues", "placement", "shootdown",
            "responders")
    parts = [narrow(group, axes, {**USUAL, "shootdown": "none"})
             for _, group in rows.groupby("gather", sort=True)]
    return costs(pd.concat(parts)) if parts else costs(rows)
