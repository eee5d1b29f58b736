"""Which cases a run measures: the quick and the full set as data, and how long they take.

A sweep is one call of flush_walk_bench: every combination of its axes. The walks of one sweep are
sampled in turn, so what is to be compared must stand in the same sweep. Repetitions are short, some
20 ms where that is possible, and many: one that something else disturbed is left out, and more of
the others are left. Nothing in here starts a process.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

BENCH = "flush_walk"
WALKS = ("free_list", "xarray")
FULL = (0, 50, 90)  # percent of blocks fully used
REVOKING = ("mprotect", "munmap")  # these take exactly the freed runs; all others get the hull

# What a sample costs, with the work between two of them (making blocks dirty again). Measured on
# a two-CPU guest; rough, for they make the first estimate of the time left, no more.
SECONDS_PER_SWEEP = 0.2
SECONDS_PER_CASE = 0.02
SECONDS_TO_BUILD_A_BLOCK = 1e-6
SECONDS_PER_SAMPLE = 2e-6
SECONDS_PER_BLOCK = 9e-9
BLOCKS_IN_CACHE = 16384
SECONDS_PER_BLOCK_BEYOND = 20e-9
SECONDS_PER_BLOCK_AND_QUEUE = 3e-9  # empty slots between blocks, at most 64 queues' worth
SECONDS_PER_CALL = 10e-6
SECONDS_PER_RESPONDER = 30e-6


@dataclass(frozen=True)
class Case:
    """One benchmark: a value for each axis, and how often it is sampled."""

    blocks: int
    full: int
    dirty: int
    queues: int
    shootdown: str
    responders: int
    walk: str
    samples: int
    repetitions: int

    @property
    def gather(self) -> str:
        return "runs" if self.shootdown in REVOKING else "hull"

    @property
    def name(self) -> str:
        """The name that flush_walk_bench gives the case."""
        return (
            f"{BENCH}/walk:{self.walk}/check:locked/gather:{self.gather}/shootdown:{self.shootdown}"
            f"/blocks:{self.blocks}/full:{self.full}/dirty:{self.dirty}/queues:{self.queues}"
            f"/responders:{self.responders}"
        )

    @property
    def seconds(self) -> float:
        """About how long the case takes, all repetitions and their set-up included."""
        calls = self.blocks * self.dirty / 100 if self.gather == "runs" else 1.0
        if self.shootdown == "none":
            calls = 0.0
        sample = (
            SECONDS_PER_SAMPLE
            + SECONDS_PER_BLOCK * self.blocks
            + SECONDS_PER_BLOCK_BEYOND * max(0, self.blocks - BLOCKS_IN_CACHE)
            + SECONDS_PER_BLOCK_AND_QUEUE * self.blocks * (min(self.queues, 64) - 1)
            + (SECONDS_PER_CALL + SECONDS_PER_RESPONDER * self.responders) * calls
        )
        set_up = SECONDS_PER_CASE + SECONDS_TO_BUILD_A_BLOCK * self.blocks
        return set_up + self.repetitions * self.samples * sample


@dataclass(frozen=True)
class Sweep:
    """One call of flush_walk_bench: the product of its axes."""

    title: str
    shootdown: tuple[str, ...]
    blocks: tuple[int, ...]
    full: tuple[int, ...] = (50,)
    dirty: tuple[int, ...] = (10,)
    queues: tuple[int, ...] = (1,)
    responders: tuple[int, ...] = (0,)
    samples: int = 100
    repetitions: int = 100
    only: frozenset[str] | None = None  # the names of the cases a filter left; None: all

    def all_cases(self) -> list[Case]:
        """In the bench's order: rivals, which differ in the walk alone, stand side by side."""
        loads = (self.blocks, self.full, self.dirty, self.queues)
        axes = itertools.product(*loads, self.shootdown, self.responders, WALKS)
        return [Case(*values, self.samples, self.repetitions) for values in axes]

    def cases(self) -> list[Case]:
        return [case for case in self.all_cases() if self.only is None or case.name in self.only]

    def seconds(self) -> float:
        return SECONDS_PER_SWEEP + sum(case.seconds for case in self.cases())

    def flags(self) -> list[str]:
        """The arguments of flush_walk_bench that make exactly these cases."""
        axes = {
            "walk": WALKS,
            "shootdown": self.shootdown,
            "blocks": self.blocks,
            "full": self.full,
            "dirty": self.dirty,
            "queues": self.queues,
            "responders": self.responders,
            "samples": (self.samples,),
            "repetitions": (self.repetitions,),
        }
        flags = [f"--{axis}={','.join(map(str, values))}" for axis, values in axes.items()]
        if self.only is not None:
            names = "|".join(case.name for case in self.cases())
            flags.append(f"--benchmark_filter=^({names})(/|$)")
        return flags


def responder_counts(most: int) -> tuple[int, ...]:
    """0, the powers of two up to `most`, and `most`: few points, the largest among them."""
    powers = [1 << bit for bit in range(most.bit_length())]
    return tuple(sorted({0, most, *(power for power in powers if power <= most)}))


def quick_set(cpus: int) -> list[Sweep]:
    """About two minutes on two CPUs. `cpus` is how many may be used, the initiator's among them."""
    responders = (0, 1) if cpus > 1 else (0,)
    return [
        Sweep("walk alone, by blocks", ("none",), (64, 256, 1024, 4096), FULL, samples=400),
        Sweep("walk alone, 16,384 blocks", ("none",), (16384,), FULL, samples=100),
        Sweep("walk alone, 65,536 blocks", ("none",), (65536,), FULL, samples=40),
        Sweep("walk alone, by queues", ("none",), (4096,), queues=(2, 8, 32, 64, 256), samples=50),
        Sweep("walk and range flush", ("mprotect_range",), (64, 1024), responders=responders),
        Sweep(
            "walk and range flush, many blocks",
            ("mprotect_range",),
            (4096, 16384),
            responders=responders,
            samples=50,
        ),
        Sweep(
            "ways to shoot down, and the control",
            ("noop", "mprotect", "munmap"),
            (64,),
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
        Sweep(
            "walk alone, by blocks", ("none",), (64, 256, 1024, 4096), more_full, dirty, samples=200
        ),
        Sweep("walk alone, 16,384 blocks", ("none",), (16384,), more_full, dirty, samples=50),
        Sweep("walk alone, 65,536 blocks", ("none",), (65536,), more_full, dirty, samples=20),
        Sweep("walk alone, 262,144 blocks", ("none",), (262144,), samples=10),
        Sweep("walk alone, 1,048,576 blocks", ("none",), (1048576,), samples=10, repetitions=20),
        Sweep(
            "walk alone, by queues",
            ("none",),
            (4096,),
            queues=(2, 4, 8, 16, 64, 256, 1024),
            samples=50,
        ),
        Sweep(
            "walk alone, 65,536 blocks, by queues",
            ("none",),
            (65536,),
            queues=(8, 64, 1024),
            samples=20,
            repetitions=20,
        ),
        Sweep("walk and range flush", ranges, (64, 256, 1024), FULL, responders=responders),
        Sweep(
            "walk and range flush, many blocks",
            ranges,
            (4096, 16384),
            FULL,
            responders=responders,
            samples=50,
        ),
        Sweep(
            "walk and range flush, 65,536 blocks",
            ranges,
            (65536,),
            FULL,
            responders=responders,
            samples=20,
        ),
        Sweep(
            "ways to shoot down, and the control",
            ("noop", "mprotect", "munmap"),
            (64, 256),
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
