"""What is read off the rows of xarray_bench: ns an operation and bytes an entry of each container.

Contract: one row for each case (report, keys, operation, entries, container), made of valid rows
only; times are medians over the repetitions, in ns an operation. The ratio of a container is its
time over the xarray's for the same operation; for an iteration, over the xarray's cursor where it
was measured. Both were sampled in turn in the same repetition. Figure and section draw from here.
"""

from __future__ import annotations

import math
from typing import Dict, Sequence, Tuple

import numpy as np
import pandas as pd

from flushwalk.results import Results
from flushwalk.statistics import NO_RATIO, Ratio, ratio_of_pairs, words

SUITES_OWN = "xarray"
CONTAINERS = (SUITES_OWN, "std_map", "absl_btree_map", "judyl", "lfht")
OPERATIONS = ("insert", "load", "erase", "iterate", "iterate_cursor", "iterate_cursor_scan",
              "iterate_marked", "set_mark")
KEYS = ("dense", "every_64th", "random")
USUAL_ENTRIES = 4096
MOST_SIZES = 4

_CASE = ["report", "keys", "operation", "entries", "container"]
_ONCE = ["repetition", "attempt"]

# By case, then by repetition and attempt.
Medians = Dict[Tuple[object, ...], Dict[Tuple[object, ...], float]]


def rank(column: pd.Series) -> pd.Series:
    """A key that sorts keys, operations and containers the same way everywhere."""
    order = {"keys": KEYS, "operation": OPERATIONS, "container": CONTAINERS}.get(str(column.name))
    if order is None:
        return column
    return column.map(lambda value: order.index(value) if value in order else len(order))


def times(results: Results) -> pd.DataFrame:
    """Every case: p10_ns, p50_ns, p90_ns, repetitions, and its ratio over the xarray (`over`: over
    which operation of it; empty for the xarray itself)."""
    rows = results.indexes("operation_time")
    groups = rows.groupby(_CASE)
    table = pd.concat([groups[["p10", "p50", "p90"]].median().add_suffix("_ns"),
                       groups.size().rename("repetitions")], axis=1).reset_index()
    table = table.sort_values(_CASE, key=rank, ignore_index=True)
    medians: Medians = {}
    for case, once, time in zip(rows[_CASE].itertuples(index=False, name=None),
                                rows[_ONCE].itertuples(index=False, name=None), rows["p50"]):
        medians.setdefault(case, {})[once] = time
    compared = [_over_xarray(medians, case)
                for case in table[_CASE].itertuples(index=False, name=None)]
    return table.assign(
        over=[operation for operation, _ in compared],
        ratio=[ratio.ratio for _, ratio in compared],
        ratio_low=[ratio.low for _, ratio in compared],
        ratio_high=[ratio.high for _, ratio in compared],
        pairs=[ratio.pairs for _, ratio in compared],
        verdict=words(ratio for _, ratio in compared))


def _over_xarray(medians: Medians, case: tuple[object, ...]) -> tuple[str, Ratio]:
    report, keys, operation, entries, container = case
    theirs = medians[case]
    if container != SUITES_OWN:
        for over in ("iterate_cursor", "iterate") if operation == "iterate" else (operation,):
            ours = medians.get((report, keys, over, entries, SUITES_OWN), {})
            logs = [math.log(time / ours[once]) for once, time in theirs.items()
                    if time > 0 and ours.get(once, 0) > 0]
            if logs:
                return str(over), ratio_of_pairs(np.array(logs))
    return "", NO_RATIO


def memory(results: Results) -> pd.DataFrame:
    """One row for each report, keys, container and entries: `bytes` an entry."""
    rows = results.indexes("bytes_per_entry")
    key = ["report", "keys", "container", "entries"]
    table = rows.groupby(key, as_index=False)["p50"].median().rename(columns={"p50": "bytes"})
    return table.sort_values(key, key=rank, ignore_index=True)


def usual_keys(table: pd.DataFrame) -> str:
    """dense where there are such rows, else the first of the others; the table is not empty."""
    found = list(table["keys"].unique())
    return next((keys for keys in KEYS if keys in found), str(found[0]))


def usual_entries(values: Sequence[float]) -> float:
    """The size nearest to the usual one, by ratio; the smaller of two as near."""
    return min(sorted(values), key=lambda value: abs(math.log(value / USUAL_ENTRIES)))


def shown_sizes(values: Sequence[float]) -> list[float]:
    """At most four sizes for a table's columns: the smallest, the usual and the largest are in."""
    ordered = sorted(set(values))
    if len(ordered) <= MOST_SIZES:
        return ordered
    kept = {ordered[0], usual_entries(ordered), ordered[-1]}
    for value in reversed(ordered):
        if len(kept) < MOST_SIZES:
            kept.add(value)
    return sorted(kept)
