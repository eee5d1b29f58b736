"""What the hardware and the kernel counted beside the times, and what could not be counted."""

from __future__ import annotations

import pandas as pd

from flushwalk import counter_measures, wording
from flushwalk.document import Block, Numbers, Paragraph, Section
from flushwalk.facts import Facts
from flushwalk.figures.base import Table
from flushwalk.sections.base import Context, of_figures

_FIGURE = of_figures("counters", "Counters", ("counters-by-walk",))
_FEW = 8


def build(context: Context) -> Section:
    counted = counter_measures.counts(context.results)
    missing = counter_measures.missing(context.results)
    blocks: list[Block] = [Paragraph(_hardware(context.report.machine, counted, missing))]
    blocks += _FIGURE(context).blocks
    if len(counted):
        blocks.append(_sums(counted))
        blocks += _cost(context.report.machine)
    if missing:
        blocks.append(Numbers("Not counted", Table(("counter", "status", "why"), tuple(missing),
                                                   words=3), folded=len(missing) > _FEW))
    return Section("counters", "Counters", tuple(blocks))


def _hardware(machine: Facts, counted: pd.DataFrame, missing: list[tuple[str, str, str]]) -> str:
    """One line: whether there was hardware to count with, and what is shown instead."""
    if counted.empty and not missing:
        return "Nothing was counted in this run (no counters.csv)."
    if (counted["kind"] == "hardware").any():
        groups = machine.value("counters.hardware_groups")
        several = (f", in {groups} groups that change {machine.text('counters.groups_change')}"
                   if isinstance(groups, int) and groups > 1 else "")
        return f"The CPU's PMU was counted{several}; shown is what moved."
    events = machine.value("counters.events")
    why = next((str(event.get("reason")) for event in events if isinstance(event, dict)
                and event.get("kind") == "hardware" and event.get("reason")),
               "none was asked for") if isinstance(events, list) else "unknown why"
    return (f"No hardware events were counted ({why}); shown is what the kernel counted: software "
            "events, tracepoints and its tables.")


def _sums(counted: pd.DataFrame) -> Numbers:
    """Over all valid rows with a shootdown, per side: what stands beside the proof."""
    events = counted[(counted["kind"] != "metric") & (counted["bench"] == "flush_walk_bench")]
    groups = events.astype({"counter": str, "role": str, "shootdown": str}).groupby(
        ["shootdown", "responders", "role", "counter"])
    table = groups.agg(value=("per_operation", "mean"), raw=("raw", "sum")).reset_index()
    rows = tuple((row.shootdown, wording.count(row.responders), row.role, row.counter,
                  wording.count(row.raw), wording.three_digits(row.value))
                 for row in table.itertuples())
    return Numbers("Counted in the timed parts of all valid rows of flush_walk_bench",
                   Table(("shootdown", "responders", "side", "counter", "count", "a flush"), rows,
                         words=4), folded=len(rows) > _FEW)


def _cost(machine: Facts) -> list[Block]:
    begin, end, read, plain, with_all = (
        machine.value(f"counters.cost.{name}_ns")
        for name in ("begin", "end", "read", "flush", "counted_flush"))
    if not all(isinstance(value, (int, float)) for value in (begin, end, read)):
        return []
    said = (f"Counting costs, outside of the timed parts, {wording.time(begin)} to switch on, "
            f"{wording.time(end)} to switch off and {wording.time(read)} to read, for each thread "
            "and sample or batch.")
    if isinstance(plain, (int, float)) and isinstance(with_all, (int, float)):
        said += (f" Within them, a call that flushes one page took {wording.time(with_all)} "
                 f"counted and {wording.time(plain)} not counted, in turn.")
    return [Paragraph(said)]
