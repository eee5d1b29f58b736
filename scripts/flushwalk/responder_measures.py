"""What a shootdown costs those whom it interrupts: the share of their CPU by rate, and filling their
TLB again. (The stall itself is in shootdown_measures.)

Contract: as shootdown_measures.py; over all responders of a case.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from flushwalk.results import Results
from flushwalk.shootdown_measures import OPERATION, rank, usual
from flushwalk.statistics import median_interval

IDLE = "none"  # the arm that shoots nothing down
INTERRUPT = "membarrier"  # the arm that interrupts, and leaves the TLB alone
_PAIR = ["repetition", "attempt"]


def cpu_lost(results: Results) -> pd.DataFrame:
    """Share of a responder's time in clock gaps (percent: p10, lost, p90, low, high) at each rate that
    was reached (operations a second), by operation, responders and pace (`rate`; 0: none); with idle,
    the share that is lost without any operation, and ns_each, what is more than idle divided by the
    rate. The operations of which most paces were measured."""
    lost = usual(results.shootdowns("cpu_lost", "responder"), "rate")
    reached = usual(results.shootdowns("operation_rate"), "rate")
    key = ["report", "operation", "responders", "rate"]
    found = []
    for values, group in lost[lost["arm"] == OPERATION].groupby(key, sort=False):
        def same(rows: pd.DataFrame, arm: str) -> pd.DataFrame:
            for axis, value in zip(key, values):
                rows = rows[rows[axis] == value]
            return rows[rows["arm"] == arm]

        rate = same(reached, OPERATION)["p50"].median()
        idle = same(lost, IDLE)["p50"].median()
        if math.isnan(rate):
            continue
        low, high = median_interval(group["p50"].to_numpy(dtype=np.float64))
        share = group["p50"].median()
        found.append({**dict(zip(key, values)), "operations_a_second": rate,
                      "p10": group["p10"].median(), "lost": share, "p90": group["p90"].median(),
                      "low": low, "high": high, "idle": idle,
                      "ns_each": (share - (0.0 if math.isnan(idle) else idle)) * 1e7 / rate})
    table = pd.DataFrame(found)
    if table.empty:
        return table
    table = table[table["responders"] == table["responders"].min()]
    paces = table.groupby(["report", "operation"])["rate"].transform("nunique")
    return table[paces == paces.max()].sort_values(
        ["report", "operation", "operations_a_second"],
        key=lambda column: column.map(rank) if column.name == "operation" else column,
        ignore_index=True)


def refills(results: Results) -> pd.DataFrame:
    """Reading a working set at a responder right after an operation: read_ns (with p10 and p90), after
    an interrupt that leaves the TLB alone (interrupt_ns), and once more (again_ns); refill_ns is what
    the first is more than the second, by repetition, with low and high. By operation, what the
    responder does, and pages."""
    rows = usual(results.shootdowns("read_time", "responder"), "working_set_pages",
                 "responder_does")
    again = usual(results.shootdowns("reread_time", "responder"), "working_set_pages",
                  "responder_does")
    if rows.empty:
        return rows
    rows = rows[rows["responders"] == rows["responders"].min()]
    key = ["report", "operation", "responder_does", "responders", "working_set_pages"]
    found = []
    for values, group in rows.groupby(key, sort=False):
        arms = group.pivot_table(index=[*_PAIR, "cpu"], columns="arm", values="p50")
        if not {OPERATION, INTERRUPT} <= set(arms.columns):
            continue
        more = (arms[OPERATION] - arms[INTERRUPT]).dropna()
        if more.empty:
            continue
        low, high = median_interval(more.to_numpy(dtype=np.float64))
        ours = group[group["arm"] == OPERATION]
        theirs = again[again["arm"] == OPERATION]
        for axis, value in zip(key, values):
            theirs = theirs[theirs[axis] == value]
        row: dict[str, Any] = dict(zip(key, values))
        found.append({**row, "read_ns": ours["p50"].median(), "p10": ours["p10"].median(),
                      "p90": ours["p90"].median(), "interrupt_ns": arms[INTERRUPT].median(),
                      "again_ns": theirs["p50"].median(), "refill_ns": more.median(), "low": low,
                      "high": high, "repetitions": len(more)})
    if not found:
        return pd.DataFrame()
    return pd.DataFrame(found).sort_values(key, ignore_index=True)
