"""Threads that make shootdowns at once: operations a second, and beside them the same calls which
shoot nothing down, and so show the wait for the mmap lock alone.

Contract: one row for each case, made of valid rows only; medians over the repetitions.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from flushwalk.measures import pick
from flushwalk.results import Results
from flushwalk.shootdown_measures import OPERATION, rank
from flushwalk.statistics import median_interval

ARMS = (OPERATION, "untouched", "noop")  # in the order of figures and tables
_KEY = ["report", "operation", "pages", "arm", "initiators"]


def throughputs(results: Results) -> pd.DataFrame:
    """By operation, arm and number of initiators: operations a second of all threads together (p10,
    throughput, p90, low, high), the times that one call takes then (call_ns, call_p99_ns) and gain,
    the throughput over that of the fewest initiators. Of one number of pages, the usual page size."""
    rows = results.shootdowns("throughput", "all")
    if rows.empty:
        return rows
    rows = rows[rows["pages"] == pick(rows, "pages", 1)]
    rows = rows[rows["page_size"] == pick(rows, "page_size", "4k")]
    calls = results.shootdowns("contended_operation_time")
    found = []
    for values, group in rows.groupby(_KEY, sort=False):
        theirs = calls
        for axis, value in zip(_KEY, values):
            theirs = theirs[theirs[axis] == value]
        low, high = median_interval(group["p50"].to_numpy(dtype=np.float64))
        found.append({
            **dict(zip(_KEY, values)), "p10": group["p10"].median(),
            "throughput": group["p50"].median(), "p90": group["p90"].median(), "low": low,
            "high": high, "call_ns": theirs["p50"].median(), "call_p99_ns": theirs["p99"].median(),
            "repetitions": len(group)})
    table = pd.DataFrame(found)
    lines = table.groupby(["report", "operation", "arm"])
    fewest = lines["initiators"].transform("min")
    first = table[table["initiators"] == fewest].set_index(["report", "operation", "arm"])
    base = [first["throughput"].get(key, math.nan)
            for key in zip(table["report"], table["operation"], table["arm"])]
    table = table.assign(fewest=fewest, gain=table["throughput"] / base)
    known = {arm: at for at, arm in enumerate(ARMS)}
    return table.assign(
        _rank=table["operation"].map(rank), _arm=table["arm"].map(lambda arm: known.get(arm, 9))
    ).sort_values(["_rank", "_arm", "initiators"], ignore_index=True, kind="stable").drop(
        columns=["_rank", "_arm"])
