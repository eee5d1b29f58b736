"""What is read off the rows of flush_range_bench: hull, array and full flush of the same ranges, the
suite beside a loop by hand, what reading a working set costs afterwards, and how many flushes made
as many shootdowns as calls.

Contract: every table has one row for each case, made of valid rows only. Times are medians over the
repetitions, in ns; ratios are of pairs of one repetition, which were sampled in turn.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

import pandas as pd

from flushwalk.results import Results
from flushwalk.statistics import FASTER, NOT_RESOLVED, SLOWER, Ratio, ratio_of_rows, words

LOAD = ("ranges", "pages", "gap_pages")
ARRAY = "runs"
GATHERS = ("hull", ARRAY, "full")
ARRAY_WINS, HULL_WINS, FULL_WINS, UNRESOLVED = "array", "hull", "full", NOT_RESOLVED
BACKEND = "mprotect_range"
CONTROL = "noop"
DEFAULT_CEILING = 33  # of x86-64's tlb_single_page_flush_ceiling
_GROUP = ["report", "shootdown", *LOAD, "working_set_pages", "responders"]


def _ceiling(results: Results, report: object) -> float:
    """Pages up to which the kernel flushes one by one; the default where it is not known."""
    machine = next(each.machine for each in results.reports if each.label == report)
    known = machine.value("tlb.single_page_flush_ceiling")
    return float(known) if isinstance(known, (int, float)) else float(DEFAULT_CEILING)


def points(results: Results) -> pd.DataFrame:
    """For each report, number of responders and load of which hull, array and full were measured:
    their times, array_ and full_ ratio, low, high, pairs and verdict over the hull,
    over_full_verdict of the array over the full flush, and who `wins`. Of the suite's code, without
    a working set, with the range backend."""
    rows = results.range_flushes("shootdown_time")
    rows = rows[(rows["shootdown"] == BACKEND) & (rows["code"] == "suite")
                & (rows["working_set_pages"] == 0)]
    found = {}
    for key, group in rows.groupby(_GROUP, sort=False):
        by_gather = {name: group[group["gather"] == name] for name in GATHERS}
        if not any(part.empty for part in by_gather.values()):
            found[key] = by_gather
    if not found:
        return pd.DataFrame()
    labels = [report.label for report in results.reports]
    table = pd.DataFrame([
        {**dict(zip(_GROUP, key)), **point, "ceiling": _ceiling(results, key[0])}
        for key, point in zip(found, _points(list(found.values())))])
    return table.assign(_report=table["report"].map(labels.index)).sort_values(
        ["_report", "responders", "gap_pages", "pages", "ranges"], ignore_index=True
    ).drop(columns="_report")


def _points(groups: Sequence[Mapping[str, pd.DataFrame]]) -> list[dict[str, Any]]:
    """The words are those of one table: three comparisons of each group."""
    ratios: list[Ratio] = []
    for by_gather in groups:
        hull, array, full = (by_gather[name] for name in GATHERS)
        ratios += [ratio_of_rows(array, hull), ratio_of_rows(full, hull),
                   ratio_of_rows(array, full)]
    found = words(ratios)
    return [_point(by_gather, ratios[3 * i: 3 * i + 2], found[3 * i: 3 * i + 3])
            for i, by_gather in enumerate(groups)]


def _point(by_gather: Mapping[str, pd.DataFrame], over_hulls: Sequence[Ratio],
           verdicts: Sequence[str]) -> dict[str, Any]:
    hull, array, full = (by_gather[name] for name in GATHERS)
    over_hull, full_over_hull = over_hulls
    array_word, full_word, over_full_word = verdicts
    return {
        "hull_ns": hull["p50"].median(), "array_ns": array["p50"].median(),
        "full_ns": full["p50"].median(), "repetitions": len(array),
        "flush_ranges": array["flush_ranges"].median(), "hull_pages": hull["hull_pages"].median(),
        "array_ratio": over_hull.ratio, "array_low": over_hull.low, "array_high": over_hull.high,
        "array_pairs": over_hull.pairs, "array_verdict": array_word,
        "full_ratio": full_over_hull.ratio, "full_low": full_over_hull.low,
        "full_high": full_over_hull.high, "full_pairs": full_over_hull.pairs,
        "full_verdict": full_word, "over_full_verdict": over_full_word,
        "wins": _winner(array_word if array["flush_ranges"].median() > 1 else "same", full_word,
                        over_full_word),
    }


def _winner(array_over_hull: str, full_over_hull: str, array_over_full: str) -> str:
    """The one that is faster than both others. The hull also where it is not resolved from the full
    flush, which is what a hull above the ceiling comes to. An array of one range is the hull itself
    ("same"): what differs there is chance."""
    if array_over_hull == array_over_full == FASTER:
        return ARRAY_WINS
    if full_over_hull == FASTER and array_over_full == SLOWER:
        return FULL_WINS
    if array_over_hull == SLOWER and full_over_hull != FASTER:
        return HULL_WINS
    return UNRESOLVED


def by_hand(results: Results) -> pd.DataFrame:
    """The suite's flush over the same loop by hand: a row for each group and gather that has both:
    suite_ns, hand_ns, ratio, low, high, pairs, verdict."""
    rows = results.range_flushes("shootdown_time")
    found = []
    for key, group in rows.groupby([*_GROUP, "gather"], sort=False):
        suite, hand = (group[group["code"] == name] for name in ("suite", "by_hand"))
        if suite.empty or hand.empty:
            continue
        over = ratio_of_rows(suite, hand)
        found.append({**dict(zip([*_GROUP, "gather"], key)), "suite_ns": suite["p50"].median(),
                      "hand_ns": hand["p50"].median(), "ratio": over.ratio, "low": over.low,
                      "high": over.high, "pairs": over.pairs, "verdict": over.verdict})
    return pd.DataFrame(found)


def collateral(results: Results) -> pd.DataFrame:
    """What reading the working set takes after a flush: a row for each role, case and size:
    read_ns, reread_ns (once more, right after). The suite's code only."""
    key = ["role", *_GROUP, "gather"]
    parts = []
    for role in ("initiator", "responder"):
        for metric, name in (("read_time", "read_ns"), ("reread_time", "reread_ns")):
            rows = results.range_flushes(metric, role)
            rows = rows[rows["code"] == "suite"].assign(what=name)
            parts.append(rows[[*key, "what", "p50"]])
    rows = pd.concat(parts)
    if rows.empty:
        return rows
    table = rows.pivot_table(index=key, columns="what", values="p50", aggfunc="median")
    return table.reset_index().sort_values(key, kind="stable", ignore_index=True)


def exact(results: Results) -> pd.DataFrame:
    """Of hulls: flushes, and those in which each responder had just one gap; a row for each backend.
    Valid rows and, beside them in all_flushes and all_exact, every row."""
    found = []
    rows = results.rows
    rows = rows[(rows["bench"] == "flush_range_bench") & (rows["role"] == "responder")
                & (rows["metric"] == "stall") & (rows["gather"] == "hull")
                & (rows["shootdowns_expected"] > 0) & (rows["shootdown_calls"] == 1)]
    for shootdown, group in rows.groupby("shootdown", sort=False):
        valid = group[group["valid"]]
        found.append({
            "shootdown": shootdown,
            "flushes": valid["shootdowns_expected"].sum(), "exact": valid["exact_flushes"].sum(),
            "tlb_interrupts": valid["tlb_interrupts"].sum(min_count=1),
            "all_flushes": group["shootdowns_expected"].sum(),
            "all_exact": group["exact_flushes"].sum()})
    return pd.DataFrame(found)


def one_call_arrays(results: Results) -> pd.DataFrame:
    """dontneed, which may flush many ranges at once: time and calls by load and responders."""
    rows = results.range_flushes("shootdown_time")
    rows = rows[(rows["shootdown"] == "dontneed") & (rows["working_set_pages"] == 0)]
    if rows.empty:
        return rows
    key = ["report", *LOAD, "responders"]
    return rows.groupby(key, as_index=False).agg(
        p50_ns=("p50", "median"), calls=("shootdown_calls", "median"))


def gap_words(pages: float) -> str:
    """no gap, a block, 1 GiB"""
    if math.isnan(pages):
        return "unknown"
    if pages == 0:
        return "no gap"
    if pages == 1024:
        return "a block (4 MiB)"
    size = pages * 4
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:,.4g} {unit}"
        size /= 1024
    raise AssertionError
