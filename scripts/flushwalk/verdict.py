"""Is patch 1 expensive on this machine? The answer in two sentences, for one who reads no more."""

from __future__ import annotations

from typing import Optional

import pandas as pd

from flushwalk import measures, wording
from flushwalk.answer import stale_words, told_shootdown
from flushwalk.results import Results
from flushwalk.statistics import BASELINE_WALK, with_ratios

QUESTION = "Is patch 1 (walk every queue's xarray, not its free list) expensive on this machine?"
_PATCHED = "xarray"
_NOT_RESOLVED = "not resolved"


def sentences(results: Results) -> str:
    """What it costs without and with a shootdown, and what it buys; of the first report."""
    ours = results.only(results.reports[0])
    rows = measures.walk_rows(ours)
    pair = _pair(measures.at_usual_size(with_ratios(measures.costs(rows), rows)))
    if pair is None or not pair[1]["pairs"]:
        return ("This run does not tell: it has no valid pair of the two walks "
                "(--walk=free_list,xarray --shootdown=none).")
    old, new = pair
    size = _size(new)
    said = (f"{_yes_or_no(new)}: a flush of {size} takes "
            f"{_times(old['p50_ns'], new['p50_ns'], new)} without its shootdown")
    whole = _pair(told_shootdown(ours, pd.DataFrame([old, new])))
    if whole is not None:
        case = whole[1]
        own = "" if _size(case) == size else f", {_size(case)}"
        said += (f", and {_times(whole[0]['flush_ns'], case['flush_ns'], case)} with it "
                 f"({case['shootdown']}, {wording.count(case['responders'], 'responder')}{own})")
    return (f"{said}. The old walk {stale_words(old, ours)}; "
            f"the new one {stale_words(new, ours)}.")


def _pair(cases: pd.DataFrame) -> Optional[tuple[pd.Series, pd.Series]]:
    """The case of the old walk and that of the new one, which has their ratio."""
    by_walk = {str(case["walk"]): case for _, case in cases.iterrows()}
    both = BASELINE_WALK in by_walk and _PATCHED in by_walk
    return (by_walk[BASELINE_WALK], by_walk[_PATCHED]) if both else None


def _size(case: pd.Series) -> str:
    return wording.held_axes(pd.DataFrame([case]), ("blocks", "full_percent"))


def _yes_or_no(case: pd.Series) -> str:
    if case["verdict"] == _NOT_RESOLVED:
        return "Not by as much as this run could resolve"
    return "Yes" if case["ratio"] > 1.0 else "No, it is cheaper"


def _times(before: float, after: float, case: pd.Series) -> str:
    """2.50 times as long (32.8 us instead of 13.1 us); where no valid rows are pairs, the times."""
    medians = f"{wording.time(after)} instead of {wording.time(before)}"
    if not case["pairs"]:
        return f"{medians} (medians: no two valid rows were a pair)"
    resolved = f", {_NOT_RESOLVED}" if case["verdict"] == _NOT_RESOLVED else ""
    return f"{wording.three_digits(case['ratio'])} times as long ({medians}{resolved})"
