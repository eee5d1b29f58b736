"""Walk and shootdown: the figure, and whether the two add up to the flush."""

from __future__ import annotations

import math
from typing import Any, Mapping

import pandas as pd

from flushwalk import part_measures, wording
from flushwalk.document import Block, Command, Numbers, Paragraph, Section
from flushwalk.figures.base import Table
from flushwalk.sections.base import Context, of_figures

ANCHOR, TITLE, FIGURES = "shootdown", "Walk and shootdown", ("walk-and-shootdown",)
_NEEDS = ("--shootdown=mprotect_range --blocks=64,4096 --full=50 --responders=0,1 --parts-alone "
          "--samples=50 --repetitions=40")


def build(context: Context) -> Section:
    shown = of_figures(ANCHOR, TITLE, FIGURES)(context)
    return Section(ANCHOR, TITLE, (*shown.blocks, *_do_they_add_up(context)))


def _do_they_add_up(context: Context) -> list[Block]:
    table = part_measures.sums(context.results)
    if table.empty:
        folder = context.shown_folder
        return [
            Paragraph("Whether the two add up: in this run the parts of a flush were not timed "
                      "alone. These commands do it and make the report anew:"),
            Command(f"build/release/bin/flush_walk_bench {_NEEDS} --out={folder}\n"
                    f"scripts/report {folder}"),
        ]
    return [Paragraph(sentence(table)),
            Numbers("Walk alone, shootdown alone, and both", _numbers(table))]


def sentence(table: pd.DataFrame) -> str:
    resolved = table[table["verdict"] != "not resolved"]
    head = ("Do walk and shootdown add up? The walk alone, the shootdown alone and the whole flush "
            f"were timed in turn in {wording.count(len(table), 'case')}.")
    within = len(table) - len(resolved)
    text = (f" In {within:,} the sum of the parts is the whole within the 95 % interval of their "
            "ratio (or too few repetitions were valid for one).") if within else ""
    if resolved.empty:
        return head + text
    off = (resolved["ratio"] - 1.0).abs()
    worst = resolved.loc[off.idxmax()]
    more = int((resolved["ratio"] > 1.0).sum())
    less = len(resolved) - more
    said = [f"in {count:,} the parts take {word} together than the flush"
            for count, word in ((less, "less time"), (more, "more time")) if count]
    what = "more" if worst["ratio"] > 1.0 else "less"
    return (f"{head}{text} {' and '.join(said).capitalize()}: at most {off.max() * 100:.1f} % {what}"
            f" (ratio {_ratio(worst)}, "
            f"{wording.walk_name(worst['walk'])}, {worst['shootdown']}, "
            f"{wording.count(worst['blocks'], 'block')}, "
            f"{wording.count(worst['responders'], 'responder')}).")


def _ratio(case: Mapping[str, Any]) -> str:
    """0.983 (0.979-0.987)"""
    if math.isnan(case["ratio_low"]):
        return f"{case['ratio']:.3f} (too few repetitions)"
    return f"{case['ratio']:.3f} ({case['ratio_low']:.3f}-{case['ratio_high']:.3f})"


def _numbers(table: pd.DataFrame) -> Table:
    rows = []
    for case in table.itertuples():
        rows.append((case.shootdown, wording.walk_name(case.walk), wording.count(case.blocks),
                     wording.percent(case.full_percent), wording.count(case.responders),
                     wording.time(case.walk_alone_ns), wording.time(case.shootdown_alone_ns),
                     wording.time(case.flush_ns),
                     _ratio(case._asdict()), wording.count(case.pairs)))
    return Table(("shootdown", "walk", "blocks", "full", "responders", "walk alone",
                  "shootdown alone", "both", "sum / both", "repetitions"), tuple(rows), words=2)
