"""Which cases a run measures: the quick and the full set as data.

Repetitions are short, some 20 ms where that is possible, and many: one that something else
disturbed is left out, and more of the others are left. Nothing in here starts a process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from flushwalk.sweeps import Case, FlushWalk, Sweep

FULL = (0, 50, 90)  # percent of blocks fully used


def responder_counts(most: int) -> tuple[int, ...]:
    """0, the powers of two up to `most`, and `most`: few points, the largest among them."""
    powers = [1 << bit for bit in range(most.bit_length())]
    return tuple(sorted({0, most, *(power for power in powers if power <= most)}))


def quick_set(cpus: int) -> list[Sweep]:
    """About two minutes on two CPUs. `cpus` is how many may be used, the initiator's among them."""
    responders = (0, 1) if cpus > 1 else (0,)
    return [
        FlushWalk("walk alone, by blocks", blocks=(64, 256, 1024, 4096), full=FULL, samples=400),
        FlushWalk("walk alone, 16,384 blocks", blocks=(16384,), full=FULL, samples=100),
        FlushWalk("walk alone, 65,536 blocks", blocks=(65536,), full=FULL, samples=40),
        FlushWalk("walk alone, by queues", blocks=(4096,), queues=(2, 8, 32, 64, 256), samples=50),
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
    ]


def full_set(cpus: int) -> list[Sweep]:
    """Under half an hour on two CPUs; more responders where there are more CPUs."""
    responders = responder_counts(cpus - 1)
    more_full = (0, 25, 50, 75, 90, 99)
    dirty = (1, 10, 50)
    ranges = ("mprotect_range",)
    return [
        FlushWalk(
            "walk alone, by blocks",
            blocks=(64, 256, 1024, 4096),
            full=more_full,
            dirty=dirty,
            samples=200,
        ),
        FlushWalk(
            "walk alone, 16,384 blocks", blocks=(16384,), full=more_full, dirty=dirty, samples=50
        ),
        FlushWalk(
            "walk alone, 65,536 blocks", blocks=(65536,), full=more_full, dirty=dirty, samples=20
        ),
        FlushWalk("walk alone, 262,144 blocks", blocks=(262144,), samples=10),
        FlushWalk("walk alone, 1,048,576 blocks", blocks=(1048576,), samples=10, repetitions=20),
        FlushWalk(
            "walk alone, by queues", blocks=(4096,), queues=(2, 4, 8, 16, 64, 256, 1024), samples=50
        ),
        FlushWalk(
            "walk alone, 65,536 blocks, by queues",
            blocks=(65536,),
            queues=(8, 64, 1024),
            samples=20,
            repetitions=20,
        ),
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
