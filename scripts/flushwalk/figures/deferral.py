"""How many flushes return before a freed page of a full block is covered: v6.4 beside patch 1."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, MaxNLocator

from flushwalk import wording
from flushwalk.figures import style
from flushwalk.figures.axes import y_label
from flushwalk.figures.base import Figure, Table
from flushwalk.results import Results
from flushwalk.thread_measures import deferrals

_REVISIONS = {"v6.4": "free_list", "p1": "xarray"}  # with the walk whose colours it has


def collect(results: Results) -> pd.DataFrame:
    return deferrals(results)


def _load_name(load: str, threads: int) -> str:
    name = "mixed load" if load == "mixed" else wording.walk_name(load)
    return f"{name}, {wording.count(threads, 'thread')}"


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    groups = list(frame.groupby(["load", "threads"], sort=False))
    titles = [_load_name(str(load), int(threads)) for (load, threads), _ in groups]
    revisions = [name for name in _REVISIONS if name in set(frame["revision"])]
    drawing, axes = style.new_figure(
        titles, layout, "Deferred, not missed: flushes until a freed page is covered",
        "Share of the freed pages of full blocks that wait for so many flushes or more; 1 is what "
        "unmap_aliases promises.", [style.walk_key(_REVISIONS[name]) for name in revisions])
    for panel, (_, part) in zip(axes, groups):
        for name in revisions:
            line = part[part["revision"] == name].sort_values("flushes")
            if line.empty:
                continue
            look = style.walk_line(_REVISIONS[name])
            panel.plot(line["flushes"], 100 * line["at_least_share"],
                       **{**look, "drawstyle": "steps-pre"})
        panel.set_ylim(0, 105)
        panel.set_xlim(0.5, max(2.5, part["flushes"].max() + 0.5))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        panel.set_xlabel("flushes")
    y_label(axes, "pages that wait")
    return drawing


def _at_percent(part: pd.DataFrame, percent: float) -> int:
    """The flushes that so many percent of the pages have at the most (nearest rank)."""
    ordered = part.sort_values("flushes")
    return int(ordered.loc[ordered["share"].cumsum() >= percent / 100 - 1e-9, "flushes"].iloc[0])


def numbers(frame: pd.DataFrame) -> Table:
    rows = []
    for key, part in frame.groupby(["load", "threads", "revision"], sort=False):
        load, threads, revision = key
        longer = part.loc[part["flushes"] > 1, "pages"].sum()
        rows.append((
            _load_name(str(load), int(threads)),
            str(part["gather"].iloc[0]), str(revision), wording.count(part["pages"].sum()),
            wording.count(longer), wording.share(longer, part["pages"].sum()),
            *(wording.count(_at_percent(part, percent)) for percent in (50, 90, 100))))
    headers = ("load", "gather", "revision", "pages",
               "later than promised", "share", "p50", "p90", "max")
    return Table(headers, tuple(rows), words=3)


def sentence(frame: pd.DataFrame) -> str:
    said = []
    old = frame[frame["revision"] == "v6.4"]
    for (load, threads), part in old.groupby(["load", "threads"], sort=False):
        longer, whole = part.loc[part["flushes"] > 1, "pages"].sum(), part["pages"].sum()
        half = _at_percent(part, 50)
        said.append(f"{_load_name(str(load), int(threads))}: {wording.share(longer, whole)} of "
                    f"{wording.count(whole, 'page')} later than the next flush, half of all within "
                    f"{wording.count(half)} {'flush' if half == 1 else 'flushes'}, the last after "
                    f"{wording.count(part['flushes'].max())}")
    others = frame[frame["revision"] != "v6.4"]
    after = ("From patch 1 on all are covered by the next flush."
             if len(others) and others["flushes"].max() == 1 else "")
    first = (f"Freed pages of full blocks under v6.4: {'; '.join(said)}." if said else
             "No page of a full block was freed under v6.4 in this run.")
    return f"{first} {after}".rstrip()


def reading(frame: pd.DataFrame) -> str:
    return ("From thread_answers: one thread in the mixed workloads of patch_series_bench, by the "
            "ledger, with the kernel's hull, which covers some pages by accident (the same figures "
            "in each run); and real threads on real memory, where each flush covers exactly what it "
            "has found. A page that was still stale at the end counts with the flushes until then.")


FIGURE = Figure(
    name="deferral",
    title="Deferred, not missed: flushes until a freed page is covered",
    needs="",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, bench="thread_answers", scales=(style.LINEAR,),
    one_scale="A share of all has no other scale than the linear one.",
    one_report="each load is a distribution of its own, and most do not depend on the machine")
