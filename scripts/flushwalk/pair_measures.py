"""The shootdown between every two CPUs: one initiator and one responder, on each pair that was
measured.

Contract: one row for each ordered pair, made of valid rows only; times are medians over the
repetitions, in ns.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from flushwalk import topology
from flushwalk.measures import pick
from flushwalk.results import Report, Results
from flushwalk.shootdown_measures import OPERATION, usual
from flushwalk.statistics import median_interval

SAME_CORE, SAME_PACKAGE, OTHER_PACKAGE = "same core", "same package", "other package"
UNKNOWN_DISTANCE = "distance unknown"
UNKNOWN_PACKAGE = -1
DISTANCES = (SAME_CORE, SAME_PACKAGE, OTHER_PACKAGE, UNKNOWN_DISTANCE)
_MOST_WITH_INTERVAL = 240
_KEY = ["report", "operation", "pages", "initiator_cpu", "responder_cpus"]


def pairs(results: Results) -> pd.DataFrame:
    """p50, low, high (95 % interval; NaN where there are more than 240 pairs, those of 16 CPUs) and
    repetitions of each pair (initiator, responder), with each one's place in the topology's order
    (_at) and package, and their distance. Reports in which one pair only was measured are left out.
    Where the topology is not known, CPUs stand in the order of their numbers, and packages are -1."""
    rows = usual(results.shootdowns("operation_time"), "cpus")
    rows = rows[(rows["responders"] == 1) & (rows["arm"] == OPERATION)]
    if rows.empty:
        return rows
    rows = rows[rows["operation"] == pick(rows, "operation", "mprotect")]
    known = {report.label: _places(report) for report in results.reports}
    groups = rows.groupby(_KEY, sort=False)
    few = groups.ngroups <= _MOST_WITH_INTERVAL
    found = []
    for values, group in groups:
        report, operation, pages, initiator, responder = values
        low, high = (median_interval(group["p50"].to_numpy(dtype=np.float64))
                     if few else (math.nan, math.nan))
        first, second = (known[report].get(int(cpu)) for cpu in (initiator, responder))
        found.append({
            "report": report, "operation": operation, "pages": pages,
            "initiator": int(initiator), "responder": int(responder), "p50": group["p50"].median(),
            "low": low, "high": high, "repetitions": len(group),
            "initiator_at": first.at if first else -1, "responder_at": second.at if second else -1,
            "initiator_package": first.package if first else UNKNOWN_PACKAGE,
            "responder_package": second.package if second else UNKNOWN_PACKAGE,
            "distance": _distance(first, second)})
    table = pd.DataFrame(found)
    table = table[table.groupby("report")["initiator"].transform("size") > 1]
    parts = [_with_order(part) for _, part in table.groupby("report", sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else table


class _Place(NamedTuple):
    """at: a CPU's place in the machine's order, in which neighbours stand side by side."""

    at: int
    package: int
    core: int


def _places(report: Report) -> dict[int, _Place]:
    """By CPU; empty where the report has no topology that can be read."""
    try:
        units = topology.read(report.folder / topology.FILE)
    except (OSError, topology.TopologyError):
        return {}
    return {unit.cpu: _Place(at, UNKNOWN_PACKAGE if unit.package is None else unit.package,
                             unit.core) for at, unit in enumerate(units)}


def _distance(first: _Place | None, second: _Place | None) -> str:
    if first is None or second is None:
        return UNKNOWN_DISTANCE
    if first.core == second.core:
        return SAME_CORE
    return SAME_PACKAGE if first.package == second.package else OTHER_PACKAGE


def _with_order(part: pd.DataFrame) -> pd.DataFrame:
    """The places of all CPUs of a report, or, where one is unknown, their numbers instead."""
    if (part["distance"] == UNKNOWN_DISTANCE).any():
        part = part.assign(initiator_at=part["initiator"], responder_at=part["responder"],
                           initiator_package=UNKNOWN_PACKAGE,
                           responder_package=UNKNOWN_PACKAGE, distance=UNKNOWN_DISTANCE)
    return part.sort_values(["initiator_at", "responder_at"])
