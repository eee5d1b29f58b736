"""Which cases a run measures: the quick and the full set as data.

Repetitions are short, some 20 ms where that is possible, and many: one that something else
disturbed is left out, and more of the others are left. Nothing in here starts a process.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from flushwalk import other_sweeps, range_sweeps, shootdown_sweeps
from flushwalk.sweeps import (
    CHECKS,
    DESCRIPTORS,
    INDEXES,
    SPREADS,
    Case,
    FlushWalk,
    Sweep,
)
from flushwalk.walks import WALKS

FULL = (0, 50, 90)  # percent of blocks fully used


def responder_counts(most: int) -> tuple[int, ...]:
    """0, the powers of two up to `most`, and `most`: few points, the largest among them."""
    powers = [1 << bit for bit in range(most.bit_length())]
    return tuple(sorted({0, most, *(power for power in powers if power <= most)}))


def _all_ways(title: str, **axes: Any) -> FlushWalk:
    """A sweep in which every walk meets the free list, with every check."""
    return FlushWalk(f"every walk, {title}", walks=tuple(WALKS), checks=CHECKS, **axes)


def _quick_complete_walks() -> list[Sweep]:
    """About a quarter of a minute. `listed` is a load in which the free list finds what all others
    find; the cases of `even` are others than those of the walks alone."""
    listed = {"spread": ("listed",), "repetitions": 15}
    even = {"full": (50, 90), "repetitions": 15}
    queues = {"queues": (64,), "index": INDEXES}
    few = {"samples": 2, "repetitions": 16}
    return [
        _all_ways("64 blocks", blocks=(64,), full=FULL, dirty=(1, 10, 100), samples=40, **listed),
        _all_ways("4,096 blocks", full=FULL, dirty=(1, 10, 100), samples=10, **listed),
        _all_ways("65,536 blocks", blocks=(65536,), full=FULL, **{**listed, **few}),
        _all_ways("all full blocks dirty too", blocks=(64, 4096), dirty=(1, 100), samples=10,
                  **even),
        _all_ways("1 % of 65,536 blocks dirty", blocks=(65536,), dirty=(1,), **{**even, **few}),
        _all_ways("64 queues", full=FULL, samples=5, **listed, **queues),
        _all_ways("64 queues, full blocks dirty too", dirty=(1,), samples=5, **even, **queues),
        _all_ways("64 queues, 65,536 blocks", blocks=(65536,), **queues,
                  **{**listed, "samples": 1, "repetitions": 16}),
    ]


def quick_set(cpus: int) -> list[Sweep]:
    """Under two and a half minutes on two CPUs. `cpus` is how many may be used, the initiator's among them."""
    responders = (0, 1) if cpus > 1 else (0,)
    return [
        FlushWalk("walk alone, by blocks", blocks=(64, 256, 1024, 4096), full=FULL, samples=150),
        FlushWalk("walk alone, 16,384 blocks", blocks=(16384,), full=FULL, samples=25),
        FlushWalk("walk alone, 65,536 blocks", blocks=(65536,), full=FULL, samples=10),
        FlushWalk("walk alone, by queues", blocks=(4096,), queues=(2, 8, 32, 64, 256), samples=15),
        FlushWalk(
            "walk and range flush",
            shootdown=("mprotect_range",),
            blocks=(64, 1024),
            responders=responders,
            parts_alone=True,
        ),
        FlushWalk(
            "walk and range flush, many blocks",
            shootdown=("mprotect_range",),
            blocks=(4096, 16384),
            responders=responders,
            samples=50,
        ),
        FlushWalk(
            "ways to shoot down, and the control",
            shootdown=("noop", "mprotect", "munmap"),
            blocks=(64,),
            responders=responders,
            samples=50,
        ),
        *_quick_complete_walks(),
        *range_sweeps.quick(cpus),
        *shootdown_sweeps.quick(cpus, responder_counts(cpus - 1)),
        *other_sweeps.quick(cpus),
    ]


# The grid over which complete walks are held against the list. `listed` differs from `even` where
# some blocks are full and some are dirty.
GRID_BLOCKS = (64, 256, 1024, 4096, 16384, 65536, 1048576)
GRID_QUEUES = (8, 64, 1024)
_GRID_LOADS = (
    {"spread": SPREADS[:1], "full": (0, 50, 90, 99), "dirty": (0, 1, 10, 100)},
    {"spread": SPREADS[1:], "full": (50, 90, 99), "dirty": (1, 10, 100)},
)
# The kernel's old walk, and the complete ones that are worth asking for at every load.
_CANDIDATES = ("free_list", "cursor", "marked", "dirty_list", "list_and_full")
# Those where a flush takes milliseconds.
_LAST_CANDIDATES = ("free_list", "marked", "dirty_list", "list_and_full")


def _effort(blocks: int) -> dict[str, int]:
    """Samples and repetitions: fewer where one takes longer."""
    if blocks <= 4096:
        return {"samples": 10, "repetitions": 10}
    if blocks <= 16384:
        return {"samples": 4, "repetitions": 8}
    return {"samples": 2, "repetitions": 8} if blocks <= 65536 else {
        "samples": 1, "repetitions": 5}


def _grid(title: str, blocks: Sequence[int], **axes: Any) -> list[Sweep]:
    return [FlushWalk(f"{title}, {count:,} blocks, {loads['spread'][0]}", blocks=(count,),
                      **{**loads, **_effort(count), **axes})
            for count in blocks for loads in _GRID_LOADS]


def _full_grid() -> list[Sweep]:
    """Every way at one queue and, of two sizes, at all; the candidates at the rest of the grid."""
    every = {"walks": tuple(WALKS), "checks": CHECKS}
    candidates = {"walks": _CANDIDATES, "checks": CHECKS, "index": INDEXES[1:]}
    shuffled = {"walks": _CANDIDATES, "checks": CHECKS, "descriptors": DESCRIPTORS[1:]}
    million = {"checks": CHECKS, "walks": _LAST_CANDIDATES}
    return [
        *_grid("every walk", GRID_BLOCKS[:-1], **every),
        *_grid("every walk, by queues", (64, 4096), queues=GRID_QUEUES, index=INDEXES, **every),
        *_grid("dense keys", (1024, 16384, 65536), queues=GRID_QUEUES, **candidates),
        *_grid("shuffled descriptors", GRID_BLOCKS[:-1], **shuffled),
        *_grid("shuffled descriptors, dense keys", (64, 1024, 4096, 16384, 65536),
               queues=GRID_QUEUES, **{**shuffled, **candidates}),
        *_grid("few walks", GRID_BLOCKS[-1:], descriptors=DESCRIPTORS, **million),
        *_grid("few walks, dense keys", GRID_BLOCKS[-1:], queues=GRID_QUEUES[-1:],
               index=INDEXES[1:], descriptors=DESCRIPTORS, **million),
        FlushWalk("every walk, 1,048,576 blocks", blocks=GRID_BLOCKS[-1:], full=(25,), samples=1,
                  repetitions=5, **every),
        # What the kernel's keys cost where there are many blocks and queues.
        FlushWalk("kernel keys, 65,536 blocks", blocks=(65536,), queues=GRID_QUEUES, samples=2,
                  repetitions=10, **every),
        FlushWalk("kernel keys, 1,048,576 blocks", blocks=(1048576,), queues=GRID_QUEUES[-1:],
                  samples=1, repetitions=5, walks=tuple(WALKS)),
        FlushWalk("by queues", queues=(2, 4, 16, 256), samples=20, repetitions=40),
    ]


def full_set(cpus: int) -> list[Sweep]:
    """Under half an hour on two CPUs; more responders where there are more CPUs."""
    responders = responder_counts(cpus - 1)
    ranges = ("mprotect_range",)
    return [
        *_full_grid(),
        FlushWalk(
            "walk and range flush",
            shootdown=ranges,
            blocks=(64, 256, 1024),
            full=FULL,
            responders=responders,
            parts_alone=True,
        ),
        FlushWalk(
            "walk and range flush, many blocks",
            shootdown=ranges,
            blocks=(4096, 16384),
            full=FULL,
            responders=responders,
            samples=50,
        ),
        FlushWalk(
            "walk and range flush, 65,536 blocks",
            shootdown=ranges,
            blocks=(65536,),
            full=FULL,
            responders=responders,
            samples=20,
        ),
        FlushWalk(
            "ways to shoot down, and the control",
            shootdown=("noop", "mprotect", "munmap"),
            blocks=(64, 256),
            responders=responders,
            samples=50,
        ),
        *range_sweeps.full(cpus),
        *shootdown_sweeps.full(cpus, responders),
        *other_sweeps.full(cpus),
    ]


def narrowed(
    sweeps: Iterable[Sweep],
    pattern: re.Pattern[str] | None = None,
    samples: int | None = None,
    repetitions: int | None = None,
) -> list[Sweep]:
    """The sweeps with the user's numbers, and with only the cases whose name the pattern finds."""
    result = []
    for sweep in sweeps:
        sweep = replace(
            sweep, samples=samples or sweep.samples, repetitions=repetitions or sweep.repetitions
        )
        if pattern is not None:
            found = {case.name for case in sweep.cases() if pattern.search(case.name)}
            less = sweep.among(found)
            if less is None:
                continue
            sweep = less
        result.append(sweep)
    return result


def fingerprint(sweeps: Sequence[Sweep]) -> str:
    """Of all the calls of a plan: two plans with the same one measure the same cases alike."""
    calls = [(sweep.bench, sweep.flags(), sweep.spoken_cases()) for sweep in sweeps]
    return hashlib.sha256(json.dumps(calls).encode()).hexdigest()


def placed(sweeps: Iterable[Sweep], placements: Sequence[str]) -> list[Sweep]:
    """On each placement; a sweep that needs one CPU alone, on the first."""
    return [
        replace(sweep, placements=tuple(
            placements if any(case.responders for case in sweep.cases()) else placements[:1]))
        for sweep in sweeps
    ]


def all_cases(sweeps: Sequence[Sweep]) -> list[Case]:
    return [case for sweep in sweeps for case in sweep.cases()]


def total_seconds(sweeps: Sequence[Sweep]) -> float:
    return sum(sweep.seconds() for sweep in sweeps)
