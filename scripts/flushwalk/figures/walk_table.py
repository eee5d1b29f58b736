"""The table of a figure of the kernel's two walks: a row for each load, both walks in it."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

import pandas as pd

from flushwalk import wording
from flushwalk.figures.base import Table, walks_in
from flushwalk.statistics import BASELINE_WALK

_WORDS = {"blocks": wording.count, "full_percent": wording.percent, "queues": wording.count}
_HEADERS = {"full_percent": "full"}


def by_load(frame: pd.DataFrame, load: Sequence[str], times: tuple[str, str, str]) -> Table:
    """times: the columns of p10, median and p90 (ns)."""
    several = frame["report"].nunique() > 1
    walks = walks_in(frame)
    rivals = [walk for walk in walks if walk != BASELINE_WALK]
    rows = []
    for key, part in frame.groupby(["report", *load], sort=False):
        case = {str(row["walk"]): row for _, row in part.iterrows()}
        rows.append((
            *([str(key[0])] if several else []),
            *(_WORDS[axis](float(value)) for axis, value in zip(load, key[1:])),
            *(_cell(case, walk, lambda row: wording.count(row["visited_blocks"]))
              for walk in walks),
            *(_cell(case, walk, lambda row: wording.spread(*(row[name] for name in times)))
              for walk in walks),
            *(_cell(case, walk, _over) for walk in rivals)))
    headers = (*(["report"] if several else []), *(_HEADERS.get(axis, axis) for axis in load),
               *(f"{wording.walk_name(walk)} visits" for walk in walks),
               *(f"{wording.walk_name(walk)} (p10-p90)" for walk in walks),
               *(f"{wording.walk_name(walk)} over {wording.walk_name(BASELINE_WALK)} (95 %)"
                 for walk in rivals))
    return Table(headers, tuple(rows), words=1 if several else 0)


def _cell(case: Mapping[str, pd.Series], walk: str, words: Callable[[pd.Series], str]) -> str:
    return words(case[walk]) if walk in case else "-"


def _over(row: pd.Series) -> str:
    return wording.short_ratio(row["ratio"], row["ratio_low"], row["ratio_high"], row["pairs"],
                               row["verdict"])
