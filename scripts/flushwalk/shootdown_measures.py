"""What is read off the rows of shootdown_bench: distributions of the call and of the stall, what a
shootdown is made of, its time by pages, and what was proven.

Contract: every table has one row for each case, made of valid rows only (but `proof`, which counts
all). A percentile is the median of that percentile over the repetitions, max the largest of all; times
are ns. low and high are the 95 % interval of the median over the repetitions (statistics.py). One
slice is shown: of each axis that is not the table's subject the usual value.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

import numpy as np
import pandas as pd

from flushwalk.measures import pick
from flushwalk.results import Results
from flushwalk.statistics import Ratio, median_interval, ratio_of_pairs

OPERATION = "operation"  # the arm which is the operation itself
# In the order of all tables and figures.
SHOOTING = ("mprotect", "munmap", "munmap_whole", "mremap", "dontneed", "dontneed_loop",
            "dontneed_vectored", "guard", "mprotect_range", "cold_range")
CONTROLS = ("membarrier", "none_to_rw", "noop", "none")
PARTS = ("floor", "mappings", "page_tables", "rest")
DEFAULT_CEILING = 33  # of x86-64's tlb_single_page_flush_ceiling
USUAL: Mapping[str, Any] = {
    "initiators": 1, "page_size": "4k", "working_set_pages": 0, "rate": 0, "pages": 1}
_SPLIT_ARMS = (OPERATION, "single_threaded", "untouched", "membarrier", "noop")
_PAIR = ["repetition", "attempt"]
# With fewer samples these percentiles are the maximum.
_SAMPLES_FOR = {"p90": 10, "p99": 100, "p999": 1000}


def rank(operation: object) -> tuple[int, str]:
    """A key that sorts operations the same way everywhere."""
    known = (*SHOOTING, *CONTROLS)
    return (known.index(str(operation)) if operation in known else len(known), str(operation))


def usual(rows: pd.DataFrame, *varying: str) -> pd.DataFrame:
    """The usual slice: one page of 4 KiB, responders that spin, no working set, no pace, the CPUs that
    most cases ran on. An axis named in `varying` is left as it is."""
    for axis, preferred in USUAL.items():
        if axis not in varying and not rows.empty:
            rows = rows[rows[axis] == pick(rows, axis, preferred)]
    beside = rows[rows["responders"] > 0]
    if "responder_does" not in varying and not beside.empty:
        does = pick(beside, "responder_does", "spin")
        rows = rows[(rows["responders"] == 0) | (rows["responder_does"] == does)]
    return rows if "cpus" in varying else _on_usual_cpus(rows)


def _on_usual_cpus(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each number of responders the rows on the CPUs that most cases ran on: where every pair of
    CPUs was measured, all but one of them ran one case only."""
    cpus, kept = ["initiator_cpu", "responder_cpus"], []
    for _, group in rows.groupby(["report", "responders", "initiators"], sort=False):
        cases = group.groupby(cpus, sort=False)["case"].nunique()
        initiator, responders = cases.idxmax()
        kept.append(group[(group["initiator_cpu"] == initiator)
                          & (group["responder_cpus"] == responders)])
    return pd.concat(kept) if kept else rows


def _without_and_with(rows: pd.DataFrame) -> pd.DataFrame:
    """No responder, and as few as there are otherwise."""
    fewest = rows.loc[rows["responders"] > 0, "responders"].min()
    return rows[(rows["responders"] == 0) | (rows["responders"] == fewest)]


def distributions(rows: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """For each key p10, p50, low, high, p90, p99, p999 (NaN where no repetition has the samples for
    it) and max, repetitions, samples, and the shootdowns expected and proven."""
    found = []
    for values, group in rows.groupby(list(key), sort=False):
        low, high = median_interval(group["p50"].to_numpy(dtype=np.float64))
        tails = {name: group.loc[group["samples"] >= least, name].median()
                 for name, least in _SAMPLES_FOR.items()}
        found.append({
            **dict(zip(key, values)), "p10": group["p10"].median(), "p50": group["p50"].median(),
            "low": low, "high": high, **tails, "max": group["max"].max(),
            "repetitions": len(group), "samples": int(group["samples"].sum()),
            "shootdowns_expected": int(group["shootdowns_expected"].sum()),
            "shootdowns_proven": int(group["shootdowns_proven"].sum())})
    return pd.DataFrame(found)


def _ordered(table: pd.DataFrame, *then: str) -> pd.DataFrame:
    """By report as they were given, then by operation."""
    if table.empty:
        return table
    reports = list(dict.fromkeys(table["report"]))
    return table.assign(_report=table["report"].map(reports.index),
                        _rank=table["operation"].map(rank)).sort_values(
        ["_report", "_rank", *then], ignore_index=True, kind="stable").drop(
        columns=["_report", "_rank"])


def latencies(results: Results) -> pd.DataFrame:
    """Time of one operation at the initiator, by operation, arm and responders (none, and the fewest
    otherwise). Of operations with responders the proven ones only."""
    rows = _without_and_with(usual(results.shootdowns("operation_time")))
    return _ordered(distributions(rows, ["report", "operation", "arm", "pages", "responders"]),
                    "arm", "responders")


def stalls(results: Results) -> pd.DataFrame:
    """Longest gap of a responder's clock during one proven operation, by operation and number of
    responders (the fewest); over all of these responders."""
    rows = usual(results.shootdowns("stall", "responder"))
    rows = _without_and_with(rows[rows["arm"] == OPERATION])
    return _ordered(distributions(rows, ["report", "operation", "pages", "responders"]))


def parts(results: Results) -> pd.DataFrame:
    """What an operation is made of, by operation and responders: time (the whole), floor, mappings,
    page_tables and rest, each with _low and _high; explained: the first three over the whole, as a
    ratio with its interval, and the pairs that it is of.

    All from arms that were sampled in turn, by repetition: floor is membarrier (a call, the
    interrupts, the answers); mappings is untouched - noop (locks, VMAs); page_tables is
    single_threaded - untouched (entries, and the own TLB); rest is what is left of the whole: the
    others' TLBs, less what was done while the initiator waited for them. Each is of the repetitions in
    which its arms are valid; pairs counts those in which all are, NaN parts have none."""
    rows = _without_and_with(usual(results.shootdowns("operation_time")))
    key = ["report", "operation", "pages", "responders"]
    found = []
    for values, group in rows.groupby(key, sort=False):
        arms = group.pivot_table(index=_PAIR, columns="arm", values="p50")
        if set(_SPLIT_ARMS) <= set(arms.columns) and values[1] not in CONTROLS:
            found.append({**dict(zip(key, values)), **_split(arms)})
    return _ordered(pd.DataFrame(found), "responders")


def _split(arms: pd.DataFrame) -> dict[str, Any]:
    """Of the p50 of each arm, by repetition."""
    floor = arms["membarrier"]
    mappings = arms["untouched"] - arms["noop"]
    page_tables = arms["single_threaded"] - arms["untouched"]
    known = floor + mappings + page_tables
    columns = {"time": arms[OPERATION], "floor": floor, "mappings": mappings,
               "page_tables": page_tables, "rest": arms[OPERATION] - known}
    row: dict[str, Any] = {}
    for name, values in columns.items():
        values = values.dropna()
        low, high = median_interval(values.to_numpy(dtype=np.float64))
        row.update({name: values.median(), f"{name}_low": low, f"{name}_high": high})
    share = (known[known > 0] / arms[OPERATION]).dropna()
    over: Ratio = ratio_of_pairs(np.log(share.to_numpy(dtype=np.float64)))
    return {**row, "explained": over.ratio, "explained_low": over.low, "explained_high": over.high,
            "pairs": over.pairs}


def by_pages(results: Results) -> pd.DataFrame:
    """Time of operations that were measured at three sizes or more, by operation, responders (none,
    and the fewest otherwise) and pages; with the machine's ceiling."""
    rows = usual(results.shootdowns("operation_time"), "pages")
    rows = _without_and_with(rows[rows["arm"] == OPERATION])
    table = distributions(rows, ["report", "operation", "responders", "pages"])
    if table.empty:
        return table
    sizes = table.groupby(["report", "operation", "responders"])["pages"].transform("nunique")
    table = table[sizes >= 3]
    ceilings = {report.label: _ceiling(report.machine.value("tlb.single_page_flush_ceiling"))
                for report in results.reports}
    return _ordered(table.assign(ceiling=table["report"].map(ceilings)), "responders", "pages")


def _ceiling(known: Any) -> float:
    """Pages up to which the kernel flushes one by one; the default where it is not known."""
    return float(known) if isinstance(known, (int, float)) else float(DEFAULT_CEILING)


def steps(table: pd.DataFrame) -> pd.DataFrame:
    """Of a by_pages table, for each operation and number of responders with both sizes: time, low and
    high at the ceiling (`at_`) and one page above it (`above_`), and `apart`: whether the intervals
    do not meet."""
    found = []
    for (report, operation, responders), group in table.groupby(
            ["report", "operation", "responders"], sort=False):
        sizes = group.set_index("pages")
        ceiling = group["ceiling"].iloc[0]
        if not {ceiling, ceiling + 1} <= set(sizes.index):
            continue
        at, above = sizes.loc[ceiling], sizes.loc[ceiling + 1]
        found.append({
            "report": report, "operation": operation, "responders": responders, "ceiling": ceiling,
            **{f"{name}_{value}": row[value] for name, row in (("at", at), ("above", above))
               for value in ("p50", "low", "high")},
            "apart": bool(above["high"] < at["low"] or at["high"] < above["low"])})
    return pd.DataFrame(found)


_COUNTS = ("unproven_operations", "unproven_away", "unproven_ran_on", "unproven_long")


def proof(results: Results) -> pd.DataFrame:
    """Of operations that must interrupt, by operation and responders: shootdowns expected and proven,
    operations without a match and why, their p50 (unproven_ns), in valid rows and (all_) in all, and
    the rows of either. Every load and every CPU is counted in."""
    rows = results.rows
    rows = rows[(rows["bench"] == "shootdown_bench") & (rows["role"] == "initiator")
                & (rows["arm"] == OPERATION) & (rows["shootdowns_expected"] > 0)]
    unproven = rows[rows["metric"] == "unproven_operation_time"]
    rows = rows[rows["metric"] == "operation_time"]
    names = ["shootdowns_expected", "shootdowns_proven", *_COUNTS]
    found = []
    for (report, operation, responders), group in rows.groupby(
            ["report", "operation", "responders"], sort=False):
        valid = group[group["valid"]]
        theirs = unproven[(unproven["report"] == report) & (unproven["operation"] == operation)
                          & (unproven["responders"] == responders)]
        found.append({
            "report": report, "operation": operation, "responders": responders,
            "rows": len(valid), "all_rows": len(group),
            **{name: valid[name].sum() for name in names},
            **{f"all_{name}": group[name].sum() for name in names},
            "unproven_ns": theirs["p50"].median() if len(theirs) else math.nan})
    return _ordered(pd.DataFrame(found), "responders")


def stray(results: Results) -> tuple[int, int]:
    """Of operations with responders that should interrupt nobody: how many there were (times
    responders), and during how many of them a responder's clock stopped all the same. All rows."""
    rows = results.rows
    rows = rows[(rows["bench"] == "shootdown_bench") & (rows["role"] == "initiator")
                & (rows["metric"] == "operation_time") & rows["stray_gaps"].notna()
                & (rows["responders"] > 0)]
    return int((rows["samples"] * rows["responders"]).sum()), int(rows["stray_gaps"].sum())
