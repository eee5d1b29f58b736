"""Complete walks against the list: which is best, whether it is as cheap as the free list, and
where the list still wins."""

from __future__ import annotations

from typing import Any

import pandas as pd

from flushwalk import complete_measures, measures, wording
from flushwalk.complete_measures import DIRTY_BLOCK, MEASURES, NOTHING_FOUND, TOO_SHORT
from flushwalk.document import Block, Numbers, Paragraph, Section
from flushwalk.figures.base import Table
from flushwalk.figures.complete_walks import THINGS
from flushwalk.sections.base import Context, of_figures
from flushwalk.statistics import BASELINE_WALK
from flushwalk.walks import walk_of

_FIGURE = of_figures("complete", "Complete walks against the list", ("complete-walks",))
_FEW = 12
# At which loads a visited block's cost is shown, where a run has them.
_SIZES = ((1, 4096), (1, 65536), (64, 65536))
_WHY_ASIDE = {TOO_SHORT: "the free list's flush takes under 100 ns there",
              NOTHING_FOUND: "the free list finds nothing there"}


def build(context: Context) -> Section:
    figure = _FIGURE(context)
    drawn = context.drawn.get("complete-walks")
    if drawn is None:
        return figure
    found = drawn.frame[drawn.frame["report"] == context.report.label]
    ways = complete_measures.by_way(found)
    table = complete_measures.summary(found)
    blocks: list[Block] = [Paragraph(_aside(found))]
    best = complete_measures.judged(table)
    bounded = complete_measures.bounded(best, ways)
    blocks += _best(best, bounded, table, ways)
    blocks.append(Numbers("Ratios to the free list, of all loads: geometric mean, number of loads, "
                          "and the worst with its 95 % interval", _ways(table, ways)))
    for way in {str(way_words(way)): way for _, way in (*best.head(1).iterrows(),
                                                       *bounded.head(1).iterrows())}.values():
        blocks += _where_the_list_wins(ways, way)
    return Section(figure.anchor, figure.title,
                   (*blocks, *figure.blocks, *_visited_blocks(context)))


def way_words(way: Any) -> str:
    """marked, locked, kernel keys"""
    keys = "" if way["keys"] == "any" else f", {way['keys']} keys"
    return f"{wording.walk_name(way['walk'])}, {way['check']}{keys}"


def load_words(case: Any) -> str:
    """4,096 blocks, 50 % full, 10 % dirty, 1 queue, spread even"""
    axes = ["blocks", "full_percent", "dirty_percent", "queues", "spread"]
    axes += [axis for axis in ("descriptors", "index") if case[axis] != measures.USUAL[axis]]
    values = ((axis, case[axis]) for axis in axes)
    return ", ".join(wording.axis_words(axis, value if isinstance(value, str) else float(value))
                     for axis, value in values)


def _ratio(case: Any) -> str:
    return wording.ratio(case["ratio"], case["ratio_low"], case["ratio_high"], int(case["pairs"]),
                         str(case["verdict"]))


def _short_ratio(case: Any) -> str:
    return wording.short_ratio(case["ratio"], case["ratio_low"], case["ratio_high"], case["pairs"],
                               str(case["verdict"]))


def _aside(found: pd.DataFrame) -> str:
    said = []
    for measure in MEASURES:
        loads, reasons = complete_measures.set_aside(found, measure)
        why = wording.listing(f"{wording.count(number)} because {_WHY_ASIDE[reason]}"
                              for reason, number in reasons.items())
        said.append(f"{THINGS[measure]} at {wording.count(loads, 'load')}, of which "
                    f"{wording.count(sum(reasons.values()))} are set aside"
                    + (f" ({why})" if why else ""))
    return ("Is there a complete walk as cheap as the free list? Compared with the free-list walk "
            f"with locks, sampled in turn over the same load: {wording.listing(said)}.")


def _best(best: pd.DataFrame, bounded: pd.DataFrame, table: pd.DataFrame,
          ways: pd.DataFrame) -> list[Block]:
    if best.empty:
        return [Paragraph("No way was measured at all of these loads: their means are of different "
                          "loads, and none can be called the best.")]
    way, limit = best.iloc[0], wording.three_digits(complete_measures.NOWHERE_ABOVE)
    fewer = len(table) - len(best)
    left = "" if not fewer else (f" {wording.count(fewer, 'way')} measured at fewer loads "
                                 f"{'is' if fewer == 1 else 'are'} in the table, but not judged.")
    said = [f"The best complete way by the geometric mean of both is {way_words(way)}: "
            f"{_both_ratios(way, ways)}. By these means {_verdict(way)}.{left}"]
    if bounded.empty:
        said.append(f"No complete way is nowhere more than {limit} times as dear as the list.")
    elif way_words(bounded.iloc[0]) == way_words(way):
        said.append(f"It is nowhere more than {limit} times as dear as the list.")
    else:
        said.append("The best of those that are nowhere more than "
                    f"{limit} times as dear as the list is {way_words(bounded.iloc[0])}: "
                    f"{_both_ratios(bounded.iloc[0], ways)}. By these means "
                    f"{_verdict(bounded.iloc[0])}.")
    return [Paragraph(text) for text in said]


def _both_ratios(way: pd.Series, ways: pd.DataFrame) -> str:
    kept, parts = complete_measures.kept(ways), []
    for measure in MEASURES:
        if way[f"{measure}_points"]:
            worst = kept.loc[way[f"{measure}_worst"]]
            parts.append(f"{THINGS[measure]} {wording.three_digits(way[f'{measure}_mean'])}x of "
                         f"the list's (geometric mean of "
                         f"{wording.count(way[f'{measure}_points'], 'load')}; the worst "
                         f"{_ratio(worst)} at {load_words(worst)})")
    return wording.listing(parts)


def _verdict(way: pd.Series) -> str:
    means = [way[f"{measure}_mean"] for measure in MEASURES if way[f"{measure}_points"]]
    return ("it is as cheap as the list" if all(mean <= 1.0 for mean in means) else
            "it is not as cheap as the list" if all(mean > 1.0 for mean in means) else
            "it is as cheap as the list by one of the two only")


def _ways(table: pd.DataFrame, ways: pd.DataFrame) -> Table:
    kept = complete_measures.kept(ways)
    rows = []
    for _, way in table.iterrows():
        cells = [way_words(way)]
        for measure in MEASURES:
            number = int(way[f"{measure}_points"])
            if not number:
                cells += ["-", "0", "-", "-"]
                continue
            worst = kept.loc[way[f"{measure}_worst"]]
            cells += [f"{wording.three_digits(way[f'{measure}_mean'])}x", wording.count(number),
                      _short_ratio(worst), load_words(worst)]
        rows.append(tuple(cells))
    return Table(("way", "a flush", "loads", "worst", "worst at", "a dirty block found", "loads",
                  "worst", "worst at"), tuple(rows))


def _where_the_list_wins(ways: pd.DataFrame, best: pd.Series) -> list[Block]:
    """The loads at which the best way's interval lies above 1, and why as far as visits tell."""
    points = complete_measures.kept(ways)
    for name in complete_measures.WAY:
        points = points[points[name] == best[name]]
    lost = points[points["ratio_low"] > 1.0].sort_values("ratio", ascending=False)
    name = way_words(best)
    of = f"{wording.count(len(lost))} of {wording.count(len(points), 'point')}"
    if lost.empty:
        return [Paragraph(f"The list wins against {name} in {of}: no interval lies above 1.")]
    causes = lost.apply(_cause, axis=1).value_counts()
    why = "; ".join(f"in {wording.count(number)} {cause}" for cause, number in causes.items())
    rows = [(THINGS[case["measure"]], load_words(case), _short_ratio(case),
             wording.count(case["visited_blocks"]), wording.count(case["list_visited_blocks"]),
             _each(case["way_ns"], case["visited_blocks"]),
             _each(case["list_ns"], case["list_visited_blocks"])) for _, case in lost.iterrows()]
    table = Table(("compared", "load", "ratio (95 %)", "it visits", "the list visits", "its visit",
                   "the list's visit"), tuple(rows), words=2)
    return [Paragraph(f"The list still wins against {name} in {of} (interval wholly above 1): "
                      f"{why}."),
            Numbers(f"Where the list is cheaper than {name} ({len(rows)} rows)", table,
                    folded=len(rows) > _FEW)]


def _cause(case: pd.Series) -> str:
    """By visits: of a flush, or for each dirty block found where those are compared."""
    ours, theirs = float(case["visited_blocks"]), float(case["list_visited_blocks"])
    if case["measure"] == DIRTY_BLOCK:
        ours, theirs = ours / case["dirty_blocks"], theirs / case["list_dirty_blocks"]
    if ours > theirs * 1.005:
        return "it visits more blocks than the list does for the same"
    if case["queues"] > max(case["visited_blocks"], case["list_visited_blocks"]):
        return ("there are more queues than blocks to visit, and a look at each queue costs it "
                "more")
    upkeep = walk_of(str(case["walk"])).upkeep
    visits = "both visit as many blocks" if ours > theirs * 0.995 else "it visits fewer blocks"
    dirty = ", and every one is dirty" if case["dirty_percent"] == 100 else ""
    return f"{visits}{dirty}, but a visit costs it more: {upkeep} shows"


def _each(time: float, number: float) -> str:
    return wording.time(time / number) if number > 0 else "-"


def _visited_blocks(context: Context) -> list[Block]:
    """ns for each visited block by way, at a few loads; both keys beside each other."""
    rows = complete_measures.flushes(context.results)
    for axis in ("descriptors", "gather", "dirty_slots", "placement", "responders"):
        rows = measures.narrow(rows, (axis,))
    columns: list[pd.DataFrame] = []
    for queues, size in _SIZES:
        at = rows[(rows["queues"] == queues) & (rows["blocks"] == size)]
        at = measures.narrow(at, ("dirty_percent", "full_percent", "spread"),
                             {**measures.USUAL, **measures.USUAL_SIZE})
        for index in sorted(at["index"].unique(), reverse=True):
            if queues > 1 or index == "kernel":
                columns.append(at[at["index"] == index])
    if not columns:
        return []
    return [_visits(columns)]


def _visits(columns: list[pd.DataFrame]) -> Numbers:
    """A column for each load, named by what it does not share with the others."""
    load = ("full_percent", "dirty_percent", "spread")
    whole = pd.concat(columns)
    own = [axis for axis in load if whole[axis].nunique() > 1]
    heads = [wording.held_axes(part, ("queues", "blocks", "index", *own)) for part in columns]
    parts = [_per_visit(part) for part in columns]
    ways = sorted({way for part in parts for way in part.index},
                  key=lambda way: (measures.walk_rank(way[0]), way[1] == "lockless"))
    body = tuple(
        (wording.walk_name(walk) + ("" if walk != BASELINE_WALK else " (incomplete)"), check,
         *(_visit_cell(part, (walk, check)) for part in parts)) for walk, check in ways)
    return Numbers(
        "A visited block, by way: the time of a flush divided by the blocks that it visited, and "
        f"their number ({wording.held_axes(whole, load)}). With several queues the kernel's keys "
        "leave gaps in the xarray's leaves; dense keys fill them. Marked and dirty list visit "
        "dirty blocks only, each with all the work of collecting it; list and full what the free "
        "list visits, and the dirty ones of the full blocks. The lockless check is no kernel's; on "
        "free lists it also sends for blocks ahead.",
        Table(("walk", "check", *heads), body, words=2))


def _per_visit(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[rows["visited_blocks"] > 0]
    table = rows.groupby(["walk", "check"])[["p50", "visited_blocks"]].median()
    return table.assign(each=table["p50"] / table["visited_blocks"])


def _visit_cell(part: pd.DataFrame, way: tuple[str, str]) -> str:
    if way not in part.index:
        return "-"
    case = part.loc[way]
    return f"{wording.time(case['each'])} ({wording.count(case['visited_blocks'])})"
