"""Which cases a run measures: the quick and the full set as data.

Repetitions are short, some 20 ms where that is possible, and many: one that something else
disturbed is left out, and more of the others are left. Nothing in here starts a process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from flushwalk import other_sweeps
from flushwalk.sweeps import (
    ALL_WALKS,
    CHECKS,
    DESCRIPTORS,
    INDEXES,
    SPREADS,
    Case,
    FlushWalk,
    Sweep,
)

FULL = (0, 50, 90)  # percent of blocks fully used


def responder_counts(most: int) -> tuple[int, ...]:
    """0, the powers of two up to `most`, and `most`: few points, the largest among them."""
    powers = [1 << bit for bit in range(most.bit_length())]
    return tuple(sorted({0, most, *(power for power in powers if power <= most)}))


def _all_ways(title: str, **axes: Any) -> FlushWalk:
    """A sweep in which every walk meets the free list, with every check."""
    return FlushWalk(f"every walk, {title}", walks=ALL_WALKS, checks=CHECKS, **axes)


def _quick_complete_walks() -> list[Sweep]:
    """About a quarter of a minute. `listed` is a load in which the free list finds what all others find;
    the cases of `even` are others than those of the walks alone."""
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
    """About three minutes on two CPUs. `cpus` is how many may be used, the initiator's among them."""
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
        *other_sweeps.quick(cpus),
    ]


def _full_walks_alone() -> list[Sweep]:
    """Every walk, by blocks, then by queues; `even` here, `listed` and the like below."""
    more_full = (0, 25, 50, 75, 90, 99)
    dirty = (1, 10, 50)
    return [
        _all_ways("by blocks", blocks=(64, 256, 1024, 4096), full=more_full, dirty=dirty,
                  samples=40, repetitions=100),
        _all_ways("16,384 blocks", blocks=(16384,), full=more_full, dirty=dirty, samples=20,
                  repetitions=40),
        _all_ways("65,536 blocks", blocks=(65536,), full=more_full, dirty=dirty, samples=5,
                  repetitions=40),
        _all_ways("262,144 blocks", blocks=(262144,), samples=5, repetitions=20),
        _all_ways("1,048,576 blocks", blocks=(1048576,), samples=4, repetitions=10),
        _all_ways("by queues", queues=(2, 4, 8, 16, 64, 256, 1024), samples=20, repetitions=40),
        _all_ways("65,536 blocks, by queues", blocks=(65536,), queues=(8, 64, 1024), samples=3,
                  repetitions=10),
        *_full_other_loads(),
    ]


def _full_other_loads() -> list[Sweep]:
    """No block dirty, and all; full blocks clean; descriptors anywhere; leaves that are full."""
    full = (0, 50, 90, 99)
    listed = {"spread": ("listed",), "dirty": (1, 10, 100), "full": full}
    shuffled = {"spread": SPREADS, "descriptors": DESCRIPTORS[1:], "dirty": (1, 10)}
    queues = {"queues": (8, 64, 1024), "repetitions": 10}
    some = {"samples": 10, "repetitions": 20}
    few = {"samples": 3, "repetitions": 10}
    return [
        _all_ways("none dirty, and all", blocks=(64, 1024, 4096), dirty=(0, 100), full=full,
                  **some),
        _all_ways("full blocks clean", blocks=(64, 1024, 4096, 16384), **listed, **some),
        _all_ways("full blocks clean, 65,536 blocks", blocks=(65536,), **listed, **few),
        _all_ways("full blocks clean, 1,048,576 blocks", blocks=(1048576,), spread=("listed",),
                  **few),
        _all_ways("shuffled descriptors", blocks=(64, 1024, 4096, 16384), full=full, **shuffled,
                  **some),
        _all_ways("shuffled descriptors, 65,536 blocks", blocks=(65536,), full=full, **shuffled,
                  **few),
        _all_ways("shuffled descriptors, 1,048,576 blocks", blocks=(1048576,), samples=2,
                  repetitions=10, descriptors=DESCRIPTORS[1:]),
        _all_ways("full blocks clean, by queues", spread=("listed",), index=INDEXES,
                  dirty=(1, 10, 100), samples=5, **queues),
        _all_ways("dense keys, by queues", index=INDEXES[1:], dirty=(1, 10, 100), samples=10,
                  **queues),
        _all_ways("full blocks clean, 65,536 blocks, by queues", blocks=(65536,),
                  spread=("listed",), index=INDEXES, samples=2, **queues),
        _all_ways("dense keys, 65,536 blocks, by queues", blocks=(65536,), index=INDEXES[1:],
                  samples=3, **queues),
    ]


def full_set(cpus: int) -> list[Sweep]:
    """Under half an hour on two CPUs; more responders where there are more CPUs."""
    responders = responder_counts(cpus - 1)
    ranges = ("mprotect_range",)
    return [
        *_full_walks_alone(),
        FlushWalk(
            "walk and range flush",
            shootdown=ranges,
            blocks=(64, 256, 1024),
            full=FULL,
            responders=responders,
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
            names = [case.name for case in sweep.cases()]
            found = frozenset(name for name in names if pattern.search(name))
            if not found:
                continue
            if len(found) < len(names):
                sweep = replace(sweep, only=found)
        result.append(sweep)
    return result


def all_cases(sweeps: Sequence[Sweep]) -> list[Case]:
    return [case for sweep in sweeps for case in sweep.cases()]


def total_seconds(sweeps: Sequence[Sweep]) -> float:
    return sum(sweep.seconds() for sweep in sweeps)
