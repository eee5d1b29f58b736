"""What is read off the rows of patch_series_bench: each workload under each revision.

Contract: `cases` has one row for each report, workload, shootdown, responders and revision, made of
valid rows only, revisions in the order of history. Times are medians over the repetitions, in ns.
ratio compares with the revision before it that was measured: pairs of one repetition, which were
sampled in turn.
"""

from __future__ import annotations

import pandas as pd

from flushwalk.results import OUTCOMES, Results
from flushwalk.statistics import NO_RATIO, Ratio, ratio_of_rows, words

REVISIONS = ("v6.4", "p1", "p2", "p3", "p4", "p5", "p6", "v6.12")
WORKLOADS = ("full_blocks", "purgeable_blocks", "second_flush", "crowded_list", "drained_block",
             "sparse_cpus", "churn", "nearly_full", "many_cpus")
COUNTS = ("visited_blocks", "block_locks", "purged_blocks", "created_blocks", "failed_allocs",
          "flushes", "flushed_pages", "stale_slots")
_GROUP = ["report", "workload", "shootdown", "responders"]


def _rank(order: tuple[str, ...], name: object) -> tuple[int, str]:
    text = str(name)
    return (order.index(text) if text in order else len(order), text)


def cases(results: Results) -> pd.DataFrame:
    rounds, flushes = results.rounds("round_time"), results.rounds("flush_time")
    if rounds.empty:
        return rounds
    key = [*_GROUP, "revision"]
    groups = rounds.groupby(key, dropna=False)
    names = ["p10", "p50", "p90", *OUTCOMES]
    table = pd.concat([
        groups[names].median().rename(columns={name: f"{name}_ns" for name in names[:3]}),
        groups.size().rename("repetitions"),
    ], axis=1).reset_index()
    alone = flushes.groupby(key, as_index=False).agg(flush_ns=("p50", "median"))
    table = table.merge(alone, on=key, how="left")
    order = pd.DataFrame({
        "at": range(len(table)),
        "workload": table["workload"].map(lambda name: _rank(WORKLOADS, name)),
        "revision": table["revision"].map(lambda name: _rank(REVISIONS, name)),
        "shootdown": table["shootdown"].map(lambda name: (name != "none", name)),
        "responders": table["responders"], "report": table["report"],
    }).sort_values(["report", "workload", "shootdown", "responders", "revision"])
    return _with_ratios(table.loc[order["at"]].reset_index(drop=True), rounds)


def _with_ratios(table: pd.DataFrame, rounds: pd.DataFrame) -> pd.DataFrame:
    """`table` with before, ratio, ratio_low, ratio_high, pairs and verdict."""
    found: list[tuple[str, Ratio]] = []
    rows = dict(list(rounds.groupby([*_GROUP, "revision"])))
    last: tuple[object, ...] | None = None
    before = ""
    for case in table[[*_GROUP, "revision"]].itertuples(index=False):
        group, revision = tuple(case[:-1]), str(case[-1])
        before = before if group == last else ""
        ratio = ratio_of_rows(rows[(*group, revision)], rows[(*group, before)]) if before else NO_RATIO
        found.append((before, ratio))
        last, before = group, revision
    return table.assign(
        before=[name for name, _ in found], ratio=[cell.ratio for _, cell in found],
        ratio_low=[cell.low for _, cell in found], ratio_high=[cell.high for _, cell in found],
        pairs=[cell.pairs for _, cell in found],
        verdict=[word if name else "" for (name, _), word in
                 zip(found, words(cell for _, cell in found))])
