"""The figures. To add one: write a module with a FIGURE, and name it here."""

from __future__ import annotations

from flushwalk.figures import (
    alloc_free, complete_walks, counters, deferral, machine, patch_series, range_crossover,
    stale_slots, walk_and_shootdown, walk_cost, walk_cost_per_block, xarray)
from flushwalk.figures.base import Figure

FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        walk_cost.FIGURE,
        walk_cost_per_block.FIGURE,
        complete_walks.FIGURE,
        walk_and_shootdown.FIGURE,
        range_crossover.FIGURE,
        stale_slots.FIGURE,
        deferral.FIGURE,
        patch_series.FIGURE,
        alloc_free.FIGURE,
        xarray.FIGURE,
        counters.FIGURE,
        machine.FIGURE,
    )
}
