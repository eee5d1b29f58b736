"""The shootdown on larger machines: by distance, by the number of responders, and from all threads."""

from __future__ import annotations

from flushwalk import wording
from flushwalk.document import Block, Command, Paragraph, Section
from flushwalk.figures import FIGURES
from flushwalk.results import Results
from flushwalk.scaling_measures import MIN_COUNTS
from flushwalk.sections.base import Context, of_figures, picture
from flushwalk.sections.shootdown import emulation

ANCHOR, TITLE = "shootdown-scaling", "The shootdown by distance, responders and threads"
_PAIRS, _SCALING, _THROUGHPUT = "shootdown-pairs", "shootdown-scaling", "shootdown-throughput"


def build(context: Context) -> Section:
    threads = of_figures(ANCHOR, TITLE, (_THROUGHPUT,))(context)
    return Section(ANCHOR, TITLE, (*emulation(context.report.machine), *_pairs(context),
                                   *_scaling(context), *threads.blocks))


def _pairs(context: Context) -> list[Block]:
    if _PAIRS in context.drawn:
        return [picture(context.drawn[_PAIRS])]
    return [Paragraph(f"{FIGURES[_PAIRS].title}: this run has no two pairs with valid rows. This "
                      "command measures every pair, and makes a report of its own:"),
            Command("scripts/run --pairs=only")]


def _scaling(context: Context) -> list[Block]:
    if _SCALING in context.drawn:
        return [picture(context.drawn[_SCALING])]
    counts = responders_in(context.results)
    has = f"this run has {wording.listing(map(wording.count, counts))}" if counts else (
        "this run has none")
    few = MIN_COUNTS + 1
    folder = context.shown_folder
    flags = FIGURES[_SCALING].needs.replace("--responders=1,2,4,7", "--responders=1,2,3")
    return [Paragraph(f"{FIGURES[_SCALING].title}: no line is drawn, for any line fits two points: it "
                      f"takes {MIN_COUNTS} numbers of responders, and so {few} usable cores; {has}. "
                      "Where there are so many, these commands measure it and make the report anew:"),
            Command(f"build/release/bin/shootdown_bench {flags} --out={folder}\n"
                    f"scripts/report {folder}")]


def responders_in(results: Results) -> list[float]:
    """The numbers of responders in valid rows of shootdown_bench."""
    rows = results.shootdowns("operation_time")
    return sorted(rows.loc[rows["responders"] > 0, "responders"].unique())
