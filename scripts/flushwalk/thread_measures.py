"""What is read off a run for the questions of the mail thread: how long a page's flush is deferred,
and what closing the residual window costs.

Contract: `deferrals` has one row for each report, load, revision and number of flushes, from
thread.json; `window_costs` one for each report, flusher and metric, from valid rows of
alloc_free_bench, paired: both ways were sampled in turn in the same repetition.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping

import numpy as np
import pandas as pd

from flushwalk.facts import Facts
from flushwalk.results import Results
from flushwalk.statistics import ratio_of_pairs

DEFERRAL_COLUMNS = ("report", "load", "threads", "gather", "revision", "flushes", "pages", "share",
                    "at_least_share")
# Metrics of both ways, and the statistic that a comparison is of: single calls are told by means.
_COSTS = (("worker", "pair_time", "mean"), ("worker", "free_time", "mean"),
          ("flusher", "flush_time", "p50"))
_PAIR = ["report", "flusher", "pages", "threads", "queues", "revision", "freeing", "blocks", "cpu",
         "repetition", "attempt"]


def objects(facts: Facts, name: str) -> list[Mapping[str, Any]]:
    """The objects of a list in thread.json; none where it is missing."""
    found = facts.value(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _deferrals_of(label: str, facts: Facts) -> Iterator[dict[str, object]]:
    for load in objects(facts, "deferred"):
        histogram = [(int(flushes), int(pages)) for flushes, pages in load["pages_by_flushes"]]
        whole = sum(pages for _, pages in histogram)
        left = whole
        for flushes, pages in histogram:
            yield {"report": label, "load": str(load["load"]), "threads": int(load["threads"]),
                   "gather": str(load["gather"]), "revision": str(load["revision"]),
                   "flushes": flushes, "pages": pages, "share": pages / whole,
                   "at_least_share": left / whole}
            left -= pages


def deferrals(results: Results) -> pd.DataFrame:
    """at_least_share: of the load's pages, those that waited for so many flushes or more."""
    rows = [row for report in results.reports
            for row in _deferrals_of(report.label, report.thread)]
    return pd.DataFrame(rows, columns=list(DEFERRAL_COLUMNS))


def window_costs(results: Results) -> pd.DataFrame:
    """Median times (ns) with the window open and closed, and the ratio of closed over open."""
    found = []
    for role, metric, statistic in _COSTS:
        rows = results.alloc_free(role, metric)
        # Only where both were measured in one repetition.
        closed = rows.loc[rows["last_free"] == "closed_window", [*_PAIR, statistic]]
        open_ = rows.loc[rows["last_free"] == "lazy", [*_PAIR, statistic]]
        both = closed.merge(open_, on=_PAIR, suffixes=("_closed", "_open"))
        for (label, flusher, pages), group in both.groupby(["report", "flusher", "pages"]):
            ratios = np.log((group[f"{statistic}_closed"] / group[f"{statistic}_open"])
                            .to_numpy(dtype=np.float64))
            ratio = ratio_of_pairs(ratios)
            found.append({
                "report": label, "flusher": flusher, "pages": pages, "metric": metric,
                "open_ns": float(group[f"{statistic}_open"].median()),
                "closed_ns": float(group[f"{statistic}_closed"].median()), "ratio": ratio.ratio,
                "ratio_low": ratio.low, "ratio_high": ratio.high, "pairs": ratio.pairs,
                "verdict": ratio.verdict})
    return pd.DataFrame(found)
