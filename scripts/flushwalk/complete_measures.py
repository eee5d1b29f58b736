"""What is read off the rows of flush_walk_bench about complete walks: each against the kernel's
free list, over every load of the run.

Contract: a load is what a flush finds (all axes but walk and check). A way is a complete walk, its
check and its keys. Its rival is the free-list walk with locks, sampled in turn over the same load
in the same repetition. Two things are compared:

- `flush`: the whole flush, where both find the same: no full block is dirty (spread listed, or
  nothing is dirty), or there is none;
- `dirty_block`: the time of a flush divided by the dirty blocks that it found, where the dirty ones
  are among all blocks (spread even). A complete walk finds more, and is not blamed for it.

A load is set aside where the free list's flush takes under 100 ns (the clock is in that), or, for
`dirty_block`, where it finds nothing. Only loads that more was measured at than the kernel's own
two walks are looked at, so that all ways are judged by the same ones.
"""

from __future__ import annotations

import math

import pandas as pd

from flushwalk import measures
from flushwalk.results import AXES, Results
from flushwalk.statistics import (
    BASELINE_WALK, BASELINE_WAY, RATIO_COLUMNS, RIVALS, geometric_mean, way_ratios)
from flushwalk.walks import KERNEL_WALKS, walk_of

LOAD = ("report", *(axis for axis in AXES if axis not in RIVALS))
WAY = ("walk", "check", "keys")
FLUSH, DIRTY_BLOCK = "flush", "dirty_block"
MEASURES = (FLUSH, DIRTY_BLOCK)
TOO_SHORT, NOTHING_FOUND = "too short", "nothing found"
SHORTEST_NS = 100.0
NEARLY_ALL = 0.95  # of the loads: a way measured at fewer is not judged
NOWHERE_ABOVE = 1.25  # a way is bounded if no load's ratio is higher
_SHOWN = ("p50_ns", "visited_blocks", "dirty_blocks")


def flushes(results: Results) -> pd.DataFrame:
    """The rows of walks alone at loads where the free list met more than the xarray walk."""
    rows = results.flushes()
    rows = rows[rows["shootdown"] == "none"]
    if rows.empty:
        return rows
    is_list = (rows["walk"] == BASELINE_WAY.walk) & (rows["check"] == BASELINE_WAY.check)
    is_news = ~rows["walk"].isin(KERNEL_WALKS)
    keys = [rows[name] for name in LOAD]
    met = is_list.groupby(keys).transform("any") & is_news.groupby(keys).transform("any")
    return rows[met]


def points(results: Results) -> pd.DataFrame:
    """One row for each thing compared (`measure`), load and complete walk with its check: the ratio
    with its interval, medians of both (way_ns, list_ns), and why it is set aside (`aside`, empty
    where it is not)."""
    rows = flushes(results)
    if rows.empty:
        return pd.DataFrame(columns=["measure", *LOAD, *RIVALS, *RATIO_COLUMNS, "aside"])
    table = _beside_the_list(measures.costs(rows))
    parts = []
    for measure, spread, per in ((FLUSH, "listed", None), (DIRTY_BLOCK, "even", "dirty_blocks")):
        mine = table[_both_spreads(table) | (table["spread"] == spread)]
        ratios = way_ratios(rows[_both_spreads(rows) | (rows["spread"] == spread)], per=per)
        joined = mine.merge(ratios, on=[*LOAD, *RIVALS], how="left")
        aside = joined["list_ns"].map(lambda time: TOO_SHORT if time < SHORTEST_NS else "")
        if measure == DIRTY_BLOCK:
            aside = aside.mask(joined["list_dirty_blocks"] == 0, NOTHING_FOUND)
        joined.insert(0, "measure", measure)
        parts.append(joined.assign(aside=aside))
    return pd.concat(parts, ignore_index=True)


def _both_spreads(table: pd.DataFrame) -> pd.Series:
    """Where both spreads are the same load: none is full, or none dirty."""
    return (table["full_percent"] == 0) | (table["dirty_percent"] == 0)


def _beside_the_list(table: pd.DataFrame) -> pd.DataFrame:
    """Each complete case, with the time and the blocks of the free list at its load."""
    table = table[[*LOAD, *RIVALS, *_SHOWN]].rename(columns={"p50_ns": "way_ns"})
    is_list = (table["walk"] == BASELINE_WAY.walk) & (table["check"] == BASELINE_WAY.check)
    theirs = table[is_list].drop(columns=list(RIVALS)).rename(columns={
        "way_ns": "list_ns", "visited_blocks": "list_visited_blocks",
        "dirty_blocks": "list_dirty_blocks"})
    return table[table["walk"] != BASELINE_WALK].merge(theirs, on=list(LOAD))


def by_way(found: pd.DataFrame) -> pd.DataFrame:
    """The points as those of ways: with `keys`, kernel or dense, or any for a walk that looks at no
    xarray. With one queue both keys are the same: what was measured there counts for both."""
    ways = found.assign(keys=found["index"])
    ways.loc[~ways["walk"].map(lambda name: walk_of(name).by_key), "keys"] = "any"
    other = [name for name in LOAD if name != "index"]
    extra = []
    for (_, keys), part in ways[ways["keys"] != "any"].groupby(["report", "keys"]):
        same = ways[(ways["report"] == part["report"].iloc[0]) & (ways["queues"] == 1)
                    & ~ways["keys"].isin((keys, "any"))]
        extra.append(same.assign(keys=keys))
    ways = pd.concat([ways, *extra], ignore_index=True)
    # What was measured with these very keys comes before what counts for them.
    own = ways["keys"] == ways["index"].where(ways["keys"] != "any", "any")
    ways = ways.assign(_rank=2 * ~own + (ways["index"] == "dense")).sort_values(
        "_rank", kind="stable")
    ways = ways.drop_duplicates(["measure", *other, *WAY]).drop(columns="_rank")
    return ways.sort_index().reset_index(drop=True)


def kept(found: pd.DataFrame) -> pd.DataFrame:
    """The points that are not set aside."""
    return found[(found["aside"] == "") & found["ratio"].notna()]


def set_aside(found: pd.DataFrame, measure: str) -> tuple[int, dict[str, int]]:
    """How many loads a thing was compared at, those set aside included; and how many of them were
    set aside for which reason. A load that both keys were measured at is one."""
    loads = found[found["measure"] == measure].sort_values("aside", ascending=False)
    loads = loads.drop_duplicates([name for name in LOAD if name != "index"])
    counts = loads.loc[loads["aside"] != "", "aside"].value_counts()
    return len(loads), {str(reason): int(count) for reason, count in counts.items()}


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """One row for each way of one report, cheapest first: for each thing compared the geometric
    mean of the ratios (FLUSH_mean), their number (FLUSH_points) and the row of the worst
    (FLUSH_worst, a number into kept(by_way(found)); -1 where there is none); `mean` of both."""
    ways = kept(by_way(found))
    rows = []
    for way, part in ways.groupby(list(WAY), sort=False):
        row = dict(zip(WAY, way))
        means = []
        for measure in MEASURES:
            mine = part[part["measure"] == measure]
            row[f"{measure}_points"] = len(mine)
            row[f"{measure}_mean"] = geometric_mean(list(mine["ratio"]))
            row[f"{measure}_worst"] = mine["ratio"].idxmax() if len(mine) else -1
            means.append(row[f"{measure}_mean"])
        row["mean"] = geometric_mean([mean for mean in means if not math.isnan(mean)])
        rows.append(row)
    table = pd.DataFrame(rows, columns=[*WAY, *(
        f"{measure}_{what}" for measure in MEASURES for what in ("points", "mean", "worst")),
        "mean"])
    return table.sort_values("mean", ignore_index=True, kind="stable")


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """The ways of a summary that were measured at nearly as many loads as any: means over fewer
    loads say nothing of the others. Nearly, because of each way other rows are invalid."""
    most = pd.Series(True, index=table.index)
    for measure in MEASURES:
        points = table[f"{measure}_points"]
        most &= points >= NEARLY_ALL * points.max()
    return table[most]


def bounded(table: pd.DataFrame, ways: pd.DataFrame) -> pd.DataFrame:
    """Those of a summary that are nowhere more than NOWHERE_ABOVE times as dear as the list; `ways`
    as the summary's numbers go."""
    ratios = kept(ways)["ratio"]
    inside = pd.Series(True, index=table.index)
    for measure in MEASURES:
        worst = table[f"{measure}_worst"]
        inside &= worst.map(lambda row: row < 0 or ratios[row] <= NOWHERE_ABOVE)
    return table[inside]
