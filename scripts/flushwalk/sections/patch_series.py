"""What each patch bought: the figure with its table, and a sentence for each patch."""

from __future__ import annotations

import math

import pandas as pd

from flushwalk import wording
from flushwalk.document import Bullets, Section
from flushwalk.sections.base import Context, of_figures
from flushwalk.statistics import FASTER, SLOWER

_FIGURE = of_figures("patches", "What each patch bought", ("patch-series",))
# The revision, and the workload that shows it.
_SHOWN_BY = (("p1", "full_blocks"), ("p2", "purgeable_blocks"), ("p3", "second_flush"),
             ("p4", "crowded_list"), ("p6", "drained_block"), ("v6.12", "sparse_cpus"))
_WORDS = (("stale_slots", "stale pages"), ("visited_blocks", "visited blocks"),
          ("block_locks", "block locks"), ("flushes", "flushes"),
          ("flushed_pages", "pages flushed"), ("purged_blocks", "blocks purged"),
          ("created_blocks", "blocks created"), ("failed_allocs", "failed allocations"))


def build(context: Context) -> Section:
    figure = _FIGURE(context)
    if "patch-series" not in context.drawn:
        return figure
    frame = context.drawn["patch-series"].frame
    said = [*(patch_sentence(frame, revision, workload) for revision, workload in _SHOWN_BY),
            no_change(frame)]
    return Section(figure.anchor, figure.title, (Bullets(tuple(filter(None, said))),
                                                 *figure.blocks))


def patch_sentence(frame: pd.DataFrame, revision: str, workload: str) -> str:
    """What a patch changed in the workload made for it; empty where the run has no pair of it."""
    times, counts = [], ""
    for _, part in frame[frame["workload"] == workload].groupby("shootdown", sort=False):
        ours = part[part["revision"] == revision]
        if ours.empty or not ours["before"].iloc[0]:
            continue
        case = ours.iloc[0]
        before = part[part["revision"] == case["before"]].iloc[0]
        counts = counts or changes(before, case)
        what = "alone" if case["shootdown"] == "none" else f"with {case['shootdown']}"
        compared = wording.ratio(case["ratio"], case["ratio_low"], case["ratio_high"],
                                 int(case["pairs"]), case["verdict"])
        times.append(f"{what} {wording.time(before['p50_ns'])} to {wording.time(case['p50_ns'])}, "
                     f"{compared}")
    if not times:
        return ""
    return f"{revision} ({wording.walk_name(workload)}): {counts}; a round {'; '.join(times)}."


def changes(before: pd.Series, after: pd.Series) -> str:
    """The counts that differ: "stale pages 64 to 0"."""
    differing = [f"{words} {wording.count(before[name])} to {wording.count(after[name])}"
                 for name, words in _WORDS if before[name] != after[name]]
    return wording.listing(differing) or "no count changes"


def no_change(frame: pd.DataFrame) -> str:
    """What p5 changed, over all workloads: annotations only, so nothing is expected."""
    table = frame[frame["shootdown"] == "none"]
    pairs = [(before.iloc[0], after.iloc[0])
             for _, part in table.groupby("workload", sort=False)
             for before, after in [(part[part["revision"] == "p4"], part[part["revision"] == "p5"])]
             if len(before) and len(after)]
    if not pairs:
        return ""
    counted = [str(after["workload"]) for before, after in pairs
               if changes(before, after) != "no count changes"]
    timed = [str(after["workload"]) for _, after in pairs
             if after["verdict"] in (SLOWER, FASTER)]
    ratios = [after["ratio"] for _, after in pairs if math.isfinite(after["ratio"])]
    text = (f"p5 (annotations only): counts differ from p4 in {len(counted)} of {len(pairs)} "
            f"workloads, times in {len(timed)} of them")
    if ratios:
        most = max(abs(math.log(ratio)) for ratio in ratios)
        text += (f", by {100 * math.expm1(most):.1f} % at the most: p5 is the control, and a smaller "
                 "difference between two revisions says nothing")
    return f"{text}."
