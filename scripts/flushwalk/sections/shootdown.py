"""The shootdown itself: what it costs its initiator and its responders, what it is made of, and what was
proven."""

from __future__ import annotations

import math

from flushwalk import shootdown_measures, wording
from flushwalk.document import Block, Numbers, Paragraph, Section
from flushwalk.facts import Facts
from flushwalk.figures.base import Table
from flushwalk.machine_facts import is_emulated
from flushwalk.results import Results
from flushwalk.sections.base import Context, of_figures

ANCHOR, TITLE = "shootdown-itself", "The shootdown itself"
_FIGURES = ("shootdown-latency", "shootdown-parts", "shootdown-pages", "responder-stall", "cpu-lost",
            "tlb-refill")
_FEW = 8


def build(context: Context) -> Section:
    shown = of_figures(ANCHOR, TITLE, _FIGURES)(context)
    return Section(ANCHOR, TITLE, (*emulation(context.report.machine), *shown.blocks,
                                   *_proof(context.results)))


def emulation(machine: Facts) -> list[Block]:
    """What is to be known of all times in a section, where no CPU has run the code."""
    if not is_emulated(machine):
        return []
    return [Paragraph("These CPUs were emulated (CPUID: tcg). Take from here that each responder was "
                      "interrupted, and how often; times and their ratios are the emulator's. They are "
                      "never drawn beside those of real CPUs.")]


def _proof(results: Results) -> list[Block]:
    table = shootdown_measures.proof(results)
    if table.empty:
        return []
    rows = tuple((
        str(row.operation), wording.count(row.responders),
        f"{wording.count(row.shootdowns_proven)} of {wording.count(row.shootdowns_expected)}",
        f"{wording.count(row.all_shootdowns_proven)} of "
        f"{wording.count(row.all_shootdowns_expected)}",
        f"{wording.count(row.rows)} of {wording.count(row.all_rows)}",
        wording.count(row.all_unproven_operations), wording.count(row.all_unproven_away),
        wording.count(row.all_unproven_ran_on), wording.count(row.all_unproven_long),
        "-" if math.isnan(row.unproven_ns) else wording.time(row.unproven_ns))
        for row in table.itertuples())
    numbers = Numbers(
        "Shootdowns seen as a gap in the responder's clock, of those expected, over all loads; and the "
        "operations without such a gap, which are in no other table: the responder was away already "
        "(preempted, or its virtual CPU did not run), ran on, or was away so long that the interrupt "
        "cannot be told from it (these three summed over the responders); and the median of the call "
        "then",
        Table(("operation", "responders", "proven in valid rows", "in all", "valid rows",
               "without a gap", "away", "ran on", "long", "their median"), rows),
        folded=len(rows) > _FEW)
    return [numbers, *_stray(results)]


def _stray(results: Results) -> list[Block]:
    operations, stray = shootdown_measures.stray(results)
    if not operations:
        return []
    return [Paragraph(f"Of {wording.count(operations)} control operations that interrupt nobody, a "
                      f"responder's clock stopped during {wording.count(stray)} all the same (its timer, "
                      "the machine): so many gaps of the proven ones may be chance, too.")]
