"""Whether a flush is the sum of its parts: the walk alone, the shootdown alone, and both.

Contract: each was timed by itself, in turn with the others over the same load
(flush_walk_bench --parts-alone); medians within a repetition, which is the unit. What is compared
is the sum of the parts and the whole flush, as a ratio with its interval (statistics.py).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from flushwalk.results import AXES, Results
from flushwalk.statistics import RATIO_COLUMNS, ratio_of_pairs

CASE = ["report", "walk", *AXES]
_KEY = [*CASE, "repetition", "attempt"]
_TIMES = ("flush_ns", "walk_alone_ns", "shootdown_alone_ns")


def sums(results: Results) -> pd.DataFrame:
    """One row for each case that has its parts: medians over the repetitions in which all three
    times are valid (flush_ns, walk_alone_ns, shootdown_alone_ns), and the ratio of the sum to the
    flush with ratio_low, ratio_high, pairs (repetitions) and verdict."""
    table = results.flushes()[[*_KEY, "p50"]].rename(columns={"p50": "flush_ns"})
    for metric in ("walk_alone", "shootdown_alone"):
        part = results.parts(f"{metric}_time")[[*_KEY, "p50"]]
        table = table.merge(part.rename(columns={"p50": f"{metric}_ns"}), on=_KEY)
    rows = []
    for case, group in table.groupby(CASE, sort=False, dropna=False):
        added = group["walk_alone_ns"] + group["shootdown_alone_ns"]
        found = ratio_of_pairs(np.log((added / group["flush_ns"]).to_numpy(dtype=np.float64)))
        rows.append((*case, *(group[name].median() for name in _TIMES), found.ratio, found.low,
                     found.high, found.pairs, found.verdict))
    return pd.DataFrame(rows, columns=[*CASE, *_TIMES, *RATIO_COLUMNS])
