"""What is read off the rows of alloc_free_bench: the cost of each case, what striping buys, and
where threads wait.

Contract: one row for each case (report and axes), made of valid rows only; times are medians over
the repetitions, in ns, first averaged over the threads. Of single calls it is the mean of a
repetition that is used: a median moves in steps of the clock, which may be a fifth of a call. The ratio over the fewest queues is paired:
numbers of queues were sampled in turn in the same repetition. The shares of waiting are of a
thread's time and made of means, because parts add up in means only. Figure and section both draw
from here.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from flushwalk.measures import narrow
from flushwalk.results import Results
from flushwalk.statistics import median_interval, ratio_of_pairs

AXES = ("threads", "freeing", "flusher", "pages", "revision", "blocks", "queues", "placement")
CASE = ("report", *AXES)
LOCKS = ("block", "queue", "xarray", "memory", "address_space")
# The slice that is looked at first, where a run has it.
USUAL = {"threads": 1, "pages": 1, "revision": "v6.12", "freeing": "same_cpu", "flusher": "none",
         "blocks": 0, "queues": 1, "placement": "compact"}
_ONCE = [*CASE, "repetition", "attempt"]


def cases(results: Results) -> pd.DataFrame:
    """Every case: throughput (pairs a second), pair, alloc and free times, and waiting."""
    repetitions = _repetitions(results)
    if repetitions.empty:
        return repetitions
    groups = repetitions.groupby(list(CASE), dropna=False)
    numbers = [name for name in repetitions.columns if name not in _ONCE]
    table = groups[numbers].median().reset_index()
    counts = groups.size().rename("repetitions").reset_index()
    table = table.merge(counts, on=list(CASE))
    bounds = [median_interval(group["pair_ns"].to_numpy(dtype=np.float64))
              for _, group in groups]
    table = table.assign(pair_low_ns=[low for low, _ in bounds],
                         pair_high_ns=[high for _, high in bounds])
    table = _with_ratios(table, repetitions)
    # The thread that allocates frees: the simpler case comes first.
    return table.sort_values(list(CASE), ignore_index=True, key=lambda column: (
        column == "other_cpu" if column.name == "freeing" else column))


def _rows(results: Results, role: str, metric: str) -> pd.DataFrame:
    """Without the cases whose names bear an axis that is not of this module: they answer other
    questions, and would be mixed with those that have the same axes here."""
    rows = results.alloc_free(role, metric)
    return rows[~rows["case"].str.contains("/walk:|/flush_every:|/other_full:|/last_free:")]


def _repetitions(results: Results) -> pd.DataFrame:
    """One row for each case and repetition: threads averaged, waiting as shares."""
    throughput = _rows(results, "all", "throughput")
    if throughput.empty:
        return pd.DataFrame(columns=[*_ONCE])
    table = throughput[[*_ONCE, "p10", "p50", "p90", "operations", "created_blocks"]].rename(
        columns={"p10": "throughput_p10", "p50": "throughput", "p90": "throughput_p90"})
    for metric, columns in (("pair_time", {"p50": "pair_ns", "mean": "pair_mean_ns"}),
                            ("alloc_time", {"mean": "alloc_ns", "p99": "alloc_p99_ns"}),
                            ("free_time", {"mean": "free_ns", "p99": "free_p99_ns"})):
        rows = _rows(results, "worker", metric)
        means = rows.groupby(_ONCE, dropna=False, as_index=False)[list(columns)].mean()
        table = table.merge(means.rename(columns=columns), on=_ONCE, how="left")
    for kind in LOCKS:
        rows = _rows(results, "all", f"lock_wait_{kind}")
        waits = rows[[*_ONCE, "mean", "lock_waits"]].rename(
            columns={"mean": f"{kind}_wait_ns", "lock_waits": f"{kind}_waits"})
        table = table.merge(waits, on=_ONCE, how="left")
        table[f"{kind}_share"] = table[f"{kind}_wait_ns"] / table["pair_mean_ns"]
    rows = _rows(results, "all", "exchange_wait")
    waits = rows[[*_ONCE, "mean"]].rename(columns={"mean": "exchange_wait_ns"})
    table = table.merge(waits, on=_ONCE, how="left")
    # Whoever frees what it allocated exchanges nothing.
    table["exchange_share"] = (table["exchange_wait_ns"] / table["pair_mean_ns"]).fillna(0.0)
    return table.drop(columns="exchange_wait_ns")


def _with_ratios(table: pd.DataFrame, repetitions: pd.DataFrame) -> pd.DataFrame:
    """Throughput over that of the fewest queues which the same case was run with."""
    others = [name for name in CASE if name != "queues"]
    fewest = repetitions.groupby(others, dropna=False)["queues"].transform("min")
    key = [*others, "repetition", "attempt"]
    base = repetitions.loc[repetitions["queues"] == fewest, [*key, "throughput"]]
    pairs = repetitions.merge(base, on=key, suffixes=("", "_base"))
    pairs["log_ratio"] = np.log(pairs["throughput"] / pairs["throughput_base"])
    found = {case: ratio_of_pairs(group["log_ratio"].to_numpy(dtype=np.float64))
             for case, group in pairs.groupby(list(CASE), dropna=False)}
    cells = [found.get(tuple(case)) for case in table[list(CASE)].itertuples(index=False)]
    return table.assign(
        gain=[cell.ratio if cell else math.nan for cell in cells],
        gain_low=[cell.low if cell else math.nan for cell in cells],
        gain_high=[cell.high if cell else math.nan for cell in cells],
        pairs=[cell.pairs if cell else 0 for cell in cells])


def held(table: pd.DataFrame, *free: str) -> pd.DataFrame:
    """The slice in which the axes named in `free` vary and the others have their usual values."""
    return narrow(table, [axis for axis in AXES if axis not in free], USUAL)


def by_stripes(results: Results) -> pd.DataFrame:
    """Threads, queues and who frees vary; cases of one number of queues alone say nothing."""
    table = held(cases(results), "threads", "queues", "freeing")
    if table.empty:
        return table
    several = table.groupby(["report", "threads", "freeing"])["queues"].transform("nunique") > 1
    return table[several].reset_index(drop=True)


def memory(results: Results) -> pd.DataFrame:
    """One row for each number of other blocks and queues: bytes of a live block's book-keeping."""
    key = ["report", "blocks", "queues"]
    whole = _rows(results, "all", "memory_per_block").groupby(key, as_index=False)["p50"]
    nodes = _rows(results, "all", "node_memory_per_block").groupby(key, as_index=False)["p50"]
    return whole.median().rename(columns={"p50": "all_bytes"}).merge(
        nodes.median().rename(columns={"p50": "node_bytes"}), on=key)
