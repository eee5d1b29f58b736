"""The figures. To add one: write a module with a FIGURE, and name it here."""

from __future__ import annotations

from flushwalk.figures import (
    alloc_free, complete_walks, counters, cpu_lost, deferral, machine, patch_series,
    range_crossover, responder_stall, shootdown_latency, shootdown_pages, shootdown_pairs,
    shootdown_parts, shootdown_scaling, shootdown_throughput, stale_slots, tlb_refill,
    walk_and_shootdown, walk_cost, walk_cost_per_block, xarray)
from flushwalk.figures.base import Figure

FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        walk_cost.FIGURE,
        walk_cost_per_block.FIGURE,
        complete_walks.FIGURE,
        walk_and_shootdown.FIGURE,
        range_crossover.FIGURE,
        shootdown_latency.FIGURE,
        shootdown_parts.FIGURE,
        shootdown_pages.FIGURE,
        responder_stall.FIGURE,
        cpu_lost.FIGURE,
        tlb_refill.FIGURE,
        shootdown_pairs.FIGURE,
        shootdown_scaling.FIGURE,
        shootdown_throughput.FIGURE,
        stale_slots.FIGURE,
        deferral.FIGURE,
        patch_series.FIGURE,
        alloc_free.FIGURE,
        xarray.FIGURE,
        counters.FIGURE,
        machine.FIGURE,
    )
}
