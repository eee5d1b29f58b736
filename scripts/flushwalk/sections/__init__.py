"""The sections of the report, in its order. To add one: write a function that gives a Section, and
name it in SECTIONS. A section that only shows figures is one line (`of_figures`)."""

from __future__ import annotations

from flushwalk.sections import (
    alloc_free, answer, complete_walks, counters, flush_ranges, free_upkeep, index, machine, method,
    patch_series, shootdown, shootdown_scaling, stale, thread, validity, walk_and_shootdown)
from flushwalk.sections.base import Builder, Context, of_figures

SECTIONS: tuple[Builder, ...] = (
    answer.build,
    of_figures("walk", "Walk cost", ("walk-cost", "walk-cost-per-block")),
    walk_and_shootdown.build,
    stale.build,
    patch_series.build,
    complete_walks.build,
    free_upkeep.build,
    flush_ranges.build,
    shootdown.build,
    shootdown_scaling.build,
    alloc_free.build,
    index.build,
    counters.build,
    thread.build,
    validity.build,
    machine.build,
    method.build,
    method.repeat,
)

__all__ = ["SECTIONS", "Context"]
