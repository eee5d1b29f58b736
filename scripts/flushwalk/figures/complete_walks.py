"""Complete walks over the free list: the ratio of a whole flush, and of a dirty block found,
against blocks; a line for each walk, looking at blocks in the way that is cheaper for it."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from flushwalk import complete_measures, measures, wording
from flushwalk.complete_measures import DIRTY_BLOCK, FLUSH, MEASURES
from flushwalk.figures import style
from flushwalk.figures.axes import count_axis, ratio_axis, y_label
from flushwalk.figures.base import Figure, Table, walks_in
from flushwalk.results import Results
from flushwalk.statistics import BASELINE_WALK, geometric_mean
from flushwalk.walks import WALKS

THINGS = {FLUSH: "a flush", DIRTY_BLOCK: "a dirty block found"}
_OWN = {FLUSH: "listed", DIRTY_BLOCK: "even"}
_FULL = (0, 50, 90)  # the panels, or what a run has nearest to them
_SLICE = ("index", "descriptors", "queues", "gather", "dirty_slots", "placement", "responders")
_HELD = ("queues", "descriptors", "gather", "dirty_slots")


def collect(results: Results) -> pd.DataFrame:
    """All points; none where there is none to draw, because all are set aside."""
    found = complete_measures.points(results)
    return found if len(complete_measures.kept(found)) else found.head(0)


def drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """Of all points those that are drawn: one slice for each thing compared and report, at most
    three shares of full blocks, and of each walk its cheaper check."""
    points = complete_measures.kept(frame)
    parts = [_slice(part, str(measure))
             for (_, measure), part in points.groupby(["report", "measure"], sort=False)]
    shown = pd.concat(parts, ignore_index=True)
    shown = shown[shown["check"] == shown.groupby(["report", "walk"])["walk"].transform(
        lambda walk: _cheaper_check(shown.loc[walk.index]))]
    rank = shown["walk"].map(measures.walk_rank)
    order = ["_report", "_measure", "full_percent", "blocks", "_rank"]
    reports = list(frame["report"].unique())
    return shown.assign(_report=shown["report"].map(reports.index), _rank=rank,
                        _measure=shown["measure"].map(MEASURES.index)).sort_values(
        order, ignore_index=True).drop(columns=["_report", "_measure", "_rank"])


def _slice(points: pd.DataFrame, measure: str) -> pd.DataFrame:
    points = measures.narrow(points, _SLICE)
    own = points[points["spread"] == _OWN[measure]]
    axes = points if own.empty else own
    dirty = measures.pick(axes, "dirty_percent", measures.USUAL["dirty_percent"])
    points = points[points["dirty_percent"] == dirty]
    there = sorted(points["full_percent"].unique())
    full = {min(there, key=lambda value: abs(value - wanted)) for wanted in _FULL}
    points = points[points["full_percent"].isin(full)]
    # Where no block is full both spreads are one load, and may both have been measured.
    return points.sort_values("spread", key=lambda spread: spread != _OWN[measure], kind="stable"
                              ).drop_duplicates(["walk", "check", "blocks", "full_percent"])


def _cheaper_check(points: pd.DataFrame) -> str:
    means = points.groupby("check")["ratio"].agg(lambda ratios: geometric_mean(list(ratios)))
    return str(means.idxmin())


def _panels(shown: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    result = []
    for (measure, full), part in shown.groupby(["measure", "full_percent"], sort=False):
        dirty = wording.percent(part["dirty_percent"].iloc[0])
        result.append((f"{THINGS[str(measure)].capitalize()}\n"
                       f"{wording.percent(float(full))} full, {dirty} dirty", part))
    return result


def _key(shown: pd.DataFrame, walk: str) -> style.Line2D:
    checks = sorted(shown.loc[shown["walk"] == walk, "check"].unique())
    key = style.walk_key(walk)
    key.set_label(f"{wording.walk_name(walk)}, {wording.listing(checks, 'or')}")
    return key


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    shown = drawn(frame)
    walks, machines = walks_in(shown), style.machines_in(shown)
    line_of_1 = style.Line2D([], [], color=style.walk_colour(BASELINE_WALK), linewidth=1.6,
                             label="free list, locked: 1")
    drawing, axes = style.new_figure(
        [title for title, _ in _panels(shown)], layout, "Complete walks over the free list",
        f"Ratio with its 95 % interval; {wording.held_axes(shown, _HELD)}",
        [line_of_1, *(_key(shown, walk) for walk in walks), *style.machine_keys(machines)])
    for panel, (_, part) in zip(axes, _panels(shown)):
        panel.axhline(1.0, color=style.walk_colour(BASELINE_WALK), linewidth=1.6)
        for walk in walks:
            style.draw_line(panel, part[part["walk"] == walk], machines, "blocks",
                            ("ratio_low", "ratio", "ratio_high"), style.walk_line(walk))
        count_axis(panel, list(part["blocks"]), "live blocks", layout.scale)
    ratio_axis(axes[0], layout.scale)
    y_label(axes, "ratio to the free list", layout.scale)
    return drawing


def numbers(frame: pd.DataFrame) -> Table:
    several = frame["report"].nunique() > 1
    rows = []
    for case in drawn(frame).itertuples():
        rows.append((
            *([case.report] if several else []), THINGS[case.measure],
            wording.walk_name(case.walk), case.check, wording.count(case.blocks),
            wording.percent(case.full_percent), wording.percent(case.dirty_percent),
            wording.count(case.visited_blocks), wording.time(case.way_ns),
            wording.time(case.list_ns),
            wording.short_ratio(case.ratio, case.ratio_low, case.ratio_high, case.pairs,
                                case.verdict)))
    headers = (*(["report"] if several else []), "compared", "walk", "check", "blocks", "full",
               "dirty", "visited", "its flush", "the list's flush", "ratio (95 %)")
    return Table(headers, tuple(rows), words=4 if several else 3)


def sentence(frame: pd.DataFrame) -> str:
    """Of each thing compared the panel nearest to the usual size, at the most blocks."""
    shown = drawn(frame)
    said = []
    several = frame["report"].nunique() > 1
    for (report, measure), part in shown.groupby(["report", "measure"], sort=False):
        full = measures.usual(list(part["full_percent"].unique()), "full_percent")
        part = part[part["full_percent"] == full]
        part = part[part["blocks"] == part["blocks"].max()]
        size = wording.held_axes(part, ("blocks", "full_percent", "dirty_percent"))
        each = wording.listing(
            f"{wording.walk_name(case.walk)} ({case.check}) {wording.three_digits(case.ratio)}x"
            for case in part.sort_values("ratio").itertuples())
        said.append(f"{f'{report}: at' if several else 'At'} {size}, where the free list's flush "
                    f"takes {wording.time(part['list_ns'].iloc[0])}, {THINGS[str(measure)]} costs "
                    f"over the list: {each}.")
    return " ".join(said)


def reading(frame: pd.DataFrame) -> str:
    del frame
    return ("Below 1 the complete walk is cheaper. A flush is compared where both find the same: "
            "no full block is dirty. Where full blocks are dirty too, a complete walk finds more, "
            "so the time for each dirty block found is compared. Ratios are of pairs sampled in "
            "turn over one load; of each walk the check is shown which is cheaper over these "
            "panels. What a free pays to keep marks or lists is not in a flush: the section on "
            "what a walk costs a free has it.")


FIGURE = Figure(
    name="complete-walks",
    title="Complete walks over the free list",
    needs=f"--walk={','.join(WALKS)} --check=locked,lockless "
          "--spread=even,listed --blocks=64,4096,65536 --full=0,50,90 --samples=5",
    collect=collect, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading)
