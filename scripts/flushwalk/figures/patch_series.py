"""Time of a round by revision, a panel for each workload: alone, and with a shootdown."""

from __future__ import annotations

from typing import Any, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from flushwalk import patch_measures, wording
from flushwalk.figures import style
from flushwalk.figures.axes import on_scale, time_axis
from flushwalk.figures.base import Figure, Table
from flushwalk.patch_measures import REVISIONS
from flushwalk.results import Results

_BACKEND = "mprotect_range"
_LOOKS = {"alone": (style.INK, "o"), "with": (style.SHOOTDOWN, "s")}


def collect(results: Results) -> pd.DataFrame:
    """Rounds alone, and those with the range backend and the fewest responders above 0."""
    table = patch_measures.cases(results)
    if table.empty:
        return table
    alone = table[(table["shootdown"] == "none")]
    alone = alone[alone["responders"] == alone["responders"].min()]
    shot = table[(table["shootdown"] == _BACKEND)]
    taken = shot[shot["responders"] > 0]
    shot = taken if len(taken) else shot
    shot = shot[shot["responders"] == shot["responders"].min()]
    return pd.concat([alone, shot], ignore_index=True)


def _what(shootdown: object) -> str:
    return "alone" if shootdown == "none" else "with"


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    groups = list(frame.groupby("workload", sort=False))
    titles = [wording.walk_name(str(workload)) for workload, _ in groups]
    machines = style.machines_in(frame)
    revisions = [name for name in REVISIONS if name in set(frame["revision"])]
    keys = [Line2D([], [], color=_LOOKS[what][0], marker=_LOOKS[what][1], markersize=4.5,
                   label=label)
            for what, label in (("alone", "without a shootdown"), ("with", "with shootdowns"))
            if (frame["shootdown"].map(_what) == what).any()]
    keys.append(Line2D([], [], color=style.INK, marker="o", markersize=6, linestyle="",
                       markerfacecolor=style.PAPER, label="open: pages left stale"))
    keys += style.machine_keys(machines)
    drawing, axes = style.new_figure(
        titles, layout, "What each patch bought: time of a round",
        "Medians by revision, with whiskers from p10 to p90. Each panel has its own scale.",
        keys, own_y_axes=True)
    for panel, (_, part) in zip(axes, groups):
        for (machine, shootdown), line in part.groupby(["report", "shootdown"], sort=False):
            look = {"color": _LOOKS[_what(shootdown)][0]}
            look = style.on_machine(look, machines.index(str(machine)), machines)
            _line(panel, line, [revisions.index(name) for name in line["revision"]],
                  look.get("linestyle", "-"))
        panel.set_xticks(range(len(revisions)))
        panel.set_xticklabels(revisions)
        panel.set_xlim(-0.5, len(revisions) - 0.5)
        panel.set_xlabel("revision")
        panel.set_ylabel(on_scale("time of a round", layout.scale))
        time_axis(panel, layout.scale)
    return drawing


def _line(panel: Axes, line: pd.DataFrame, place: Sequence[int], dashes: Any) -> None:
    """Of one machine: alone, or with shootdowns."""
    colour, marker = _LOOKS[_what(line["shootdown"].iloc[0])]
    panel.errorbar(
        place, line["p50_ns"],
        yerr=[(line["p50_ns"] - line["p10_ns"]).clip(lower=0),
              (line["p90_ns"] - line["p50_ns"]).clip(lower=0)],
        color=colour, linewidth=1.2, elinewidth=1.0, zorder=2, linestyle=dashes)
    for stale, size, face in ((True, 6, style.PAPER), (False, 4.5, colour)):
        points = [(x, y) for x, y, slots in zip(place, line["p50_ns"], line["stale_slots"])
                  if (slots > 0) == stale]
        panel.plot([x for x, _ in points], [y for _, y in points], color=colour, marker=marker,
                   linestyle="", zorder=3, markersize=size, markerfacecolor=face)


def numbers(frame: pd.DataFrame) -> Table:
    several = frame["report"].nunique() > 1
    rows = []
    for case in frame.itertuples():
        compared = wording.short_ratio(case.ratio, case.ratio_low, case.ratio_high, case.pairs,
                                       case.verdict) if case.before else ""
        rows.append((
            *([case.report] if several else []), wording.walk_name(str(case.workload)),
            str(case.shootdown), str(case.revision), wording.time(case.p50_ns), compared,
            wording.time(case.flush_ns) if case.flush_ns == case.flush_ns else "-",
            wording.count(case.visited_blocks), wording.count(case.block_locks),
            wording.count(case.flushed_pages), wording.count(case.stale_slots)))
    headers = (*(["report"] if several else []), "workload", "shootdown", "revision", "round",
               "over the one before (95 %)", "its flushes", "visited", "block locks", "pages flushed",
               "stale")
    return Table(headers, tuple(rows), words=4 if several else 3)


def sentence(frame: pd.DataFrame) -> str:
    stale = frame[frame["stale_slots"] > 0]
    names = [name for name in REVISIONS if name in set(stale["revision"])]
    if not names:
        return "No revision of this run leaves a page stale in any workload."
    each = [f"{name} in {wording.listing(wording.walk_name(str(one)) for one in found)}"
            for name in names
            for found in [stale.loc[stale["revision"] == name, "workload"].unique()]]
    return (f"Left pages stale when a flush had returned: {'; '.join(each)}. Such a time is not "
            "that of a complete flush.")


def reading(frame: pd.DataFrame) -> str:
    repetitions = wording.span(frame["repetitions"])
    return (f"Medians over {repetitions} repetitions of a repetition's median; a ratio is of pairs "
            "sampled in turn. A round has calls of the allocator only; patch_series_bench "
            "--list-workloads tells what each workload does.")


FIGURE = Figure(
    name="patch-series",
    title="What each patch bought: time of a round",
    needs="--shootdown=none,mprotect_range --responders=1",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, bench="patch_series_bench")
