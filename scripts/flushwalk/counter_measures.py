"""What was counted beside the times: counters.csv, read, and its rows beside the cases' axes.

Contract: `counts` gives valid rows of counters that were counted, with the axes of their case;
`missing` those that were not, and why. A folder without counters.csv has none of either. What a
row means is in reports/SCHEMA.md.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd

from flushwalk import measures
from flushwalk.results import AXES, Results

COUNTERS = "counters.csv"
COUNTED = ("counted", "multiplexed")
_TEXT = ("bench", "case", "role", "counter", "kind", "operation", "status", "reason", "valid",
         "invalid_reason")
COLUMNS = ("schema_version", "bench", "case", "repetition", "role", "cpu", "counter", "kind", "raw",
           "time_enabled_ns", "time_running_ns", "scaled", "operation", "operations",
           "per_operation", "status", "reason", "shootdowns_expected", "shootdowns_proven", "valid",
           "invalid_reason")
_READ = ("bench", "case", "repetition", "role", "counter", "kind", "raw", "operation",
         "per_operation", "status", "reason", "valid")


def _read(folder: Path) -> pd.DataFrame:
    """The whole rows of a folder's counters.csv; none where it is missing or no such file."""
    empty = pd.DataFrame(columns=list(_READ))
    try:
        text = (folder / COUNTERS).read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return empty
    text = text[: text.rfind("\n") + 1]  # a killed run's last row is torn
    kinds: dict[str, Any] = {name: "category" for name in _TEXT if name in _READ}
    try:
        return pd.read_csv(io.StringIO(text), usecols=list(_READ), dtype=kinds,
                           on_bad_lines="skip", keep_default_na=False,
                           na_values={name: [""] for name in ("raw", "per_operation")})
    except ValueError:  # not one of its columns is there, or a number is none
        return empty


def _all(results: Results) -> pd.DataFrame:
    return pd.concat([_read(report.folder).assign(report=report.label)
                      for report in results.reports], ignore_index=True)


def counts(results: Results) -> pd.DataFrame:
    """Rows as in counters.csv, with `walk` and the axes of flush_walk_bench's cases; other benches
    have none of them."""
    rows = _all(results)
    rows = rows[rows["status"].isin(COUNTED) & (rows["valid"] == "true")
                & rows["per_operation"].notna()]
    axes = ["walk", *(axis for axis in AXES if axis != "bench"), "visited_blocks"]
    cases = results.rows.drop_duplicates(["report", "bench", "case"])
    return rows.astype({"bench": str, "case": str}).merge(
        cases[["report", "bench", "case", *axes]], on=["report", "bench", "case"], how="inner")


def missing(results: Results) -> list[tuple[str, str, str]]:
    """Counter, status and reason of what was never counted in a run, in the file's order."""
    rows = _all(results)
    if rows.empty:
        return []
    counted = set(rows.loc[rows["status"].isin(COUNTED), "counter"])
    rest = rows[~rows["counter"].isin(counted)].drop_duplicates("counter")
    return [(str(row.counter), str(row.status), str(row.reason)) for row in rest.itertuples()]


def by_walk(results: Results) -> pd.DataFrame:
    """The medians over the repetitions of per_operation, for each walk, counter, role and number
    of blocks, in one slice of the other axes: with a shootdown and a responder where the run has
    them, else the walk alone. Counters that never moved are left out."""
    rows = counts(results)
    rows = measures.kernels_own(rows[rows["bench"] == "flush_walk_bench"])
    preferred = {**measures.USUAL, "shootdown": "mprotect_range", "responders": 1}
    if rows.empty or (rows["kind"] == "hardware").any():
        # The walks differ where they are alone; the shootdown is the same.
        preferred |= {"shootdown": "none", "responders": 0}
    rows = measures.narrow(rows, ("shootdown", "responders", "gather", "dirty_slots",
                                  "dirty_percent", "queues", "placement"), preferred)
    if rows.empty:
        return rows.assign(value=[], repetitions=[])
    rows = rows[rows["full_percent"] == measures.usual(
        list(rows["full_percent"].unique()), "full_percent")]
    key = ["report", "role", "kind", "counter", "operation", "walk", "blocks"]
    held = ["shootdown", "responders", "full_percent", "dirty_percent", "queues"]
    groups = rows.astype({name: str for name in key if name != "blocks"}).groupby([*key, *held])
    table = groups.agg(value=("per_operation", "median"),
                       repetitions=("per_operation", "size")).reset_index()
    moved = table.groupby(["role", "counter"])["value"].transform("max") > 0
    return table[moved].reset_index(drop=True)
