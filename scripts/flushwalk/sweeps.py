"""What a sweep is: one call of a bench program, its cases, their names and how long they take.

The cases that are to be compared are sampled in turn within one sweep. A sweep knows the names that
its bench gives the cases, so that a plan can be listed, filtered and checked without a built
program; tests hold the names against what the programs print. Nothing in here starts a process.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

WALKS = ("free_list", "xarray")
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
    """One benchmark: its name, how many responders it needs, and about how long it takes, all
    repetitions and their set-up included."""

    name: str
    responders: int
    seconds: float


@dataclass(frozen=True)
class Sweep:
    """One call of a bench: the product of its axes. Subclasses say which axes there are."""

    title: str
    samples: int
    repetitions: int
    only: frozenset[str] | None  # the names of the cases a filter left; None: all

    @property
    def bench(self) -> str:
        """The program."""
        raise NotImplementedError

    def axes(self) -> dict[str, tuple[object, ...]]:
        """The values of each axis, by the flag without its dashes."""
        raise NotImplementedError

    def all_cases(self) -> list[Case]:
        """In the bench's order: rivals stand side by side."""
        raise NotImplementedError

    def cases(self) -> list[Case]:
        return [case for case in self.all_cases() if self.only is None or case.name in self.only]

    def seconds(self) -> float:
        return SECONDS_PER_SWEEP + sum(case.seconds for case in self.cases())

    def flags(self) -> list[str]:
        """The arguments of the bench that make exactly these cases."""
        values = {**self.axes(), "samples": (self.samples,), "repetitions": (self.repetitions,)}
        flags = [f"--{axis}={','.join(map(str, several))}" for axis, several in values.items()]
        if self.only is not None:
            names = "|".join(case.name for case in self.cases())
            flags.append(f"--benchmark_filter=^({names})(/|$)")
        return flags


@dataclass(frozen=True)
class FlushWalk(Sweep):
    """Of flush_walk_bench. The walks are rivals."""

    shootdown: tuple[str, ...] = ("none",)
    blocks: tuple[int, ...] = (4096,)
    full: tuple[int, ...] = (50,)
    dirty: tuple[int, ...] = (10,)
    queues: tuple[int, ...] = (1,)
    responders: tuple[int, ...] = (0,)
    samples: int = 100
    repetitions: int = 100
    only: frozenset[str] | None = None

    @property
    def bench(self) -> str:
        return "flush_walk_bench"

    def axes(self) -> dict[str, tuple[object, ...]]:
        return {
            "walk": WALKS,
            "shootdown": self.shootdown,
            "blocks": self.blocks,
            "full": self.full,
            "dirty": self.dirty,
            "queues": self.queues,
            "responders": self.responders,
        }

    def all_cases(self) -> list[Case]:
        loads = (self.blocks, self.full, self.dirty, self.queues)
        axes = itertools.product(*loads, self.shootdown, self.responders, WALKS)
        return [self._case(*values) for values in axes]

    def _case(
        self,
        blocks: int,
        full: int,
        dirty: int,
        queues: int,
        shootdown: str,
        responders: int,
        walk: str,
    ) -> Case:
        gather = "runs" if shootdown in REVOKING else "hull"
        name = (
            f"flush_walk/walk:{walk}/check:locked/gather:{gather}/shootdown:{shootdown}"
            f"/blocks:{blocks}/full:{full}/dirty:{dirty}/queues:{queues}/responders:{responders}"
        )
        calls = blocks * dirty / 100 if gather == "runs" else 1.0
        if shootdown == "none":
            calls = 0.0
        sample = (
            SECONDS_PER_SAMPLE
            + SECONDS_PER_BLOCK * blocks
            + SECONDS_PER_BLOCK_BEYOND * max(0, blocks - BLOCKS_IN_CACHE)
            + SECONDS_PER_BLOCK_AND_QUEUE * blocks * (min(queues, 64) - 1)
            + (SECONDS_PER_CALL + SECONDS_PER_RESPONDER * responders) * calls
        )
        set_up = SECONDS_PER_CASE + SECONDS_TO_BUILD_A_BLOCK * blocks
        return Case(name, responders, set_up + self.repetitions * self.samples * sample)


@dataclass(frozen=True)
class Plain(Sweep):
    """Of a bench whose case names are its flags' values, in the order of `values`.

    seconds_a_sample: measured, with what goes on between two samples."""

    program: str = ""
    values: tuple[tuple[str, tuple[object, ...]], ...] = ()
    seconds_a_sample: float = 0.0
    samples: int = 100
    repetitions: int = 10
    only: frozenset[str] | None = None

    @property
    def bench(self) -> str:
        return self.program

    def axes(self) -> dict[str, tuple[object, ...]]:
        return {axis.replace("_", "-"): several for axis, several in self.values}

    def all_cases(self) -> list[Case]:
        seconds = SECONDS_PER_CASE + self.repetitions * self.samples * self.seconds_a_sample
        names = [axis for axis, _ in self.values]
        cases = []
        for chosen in itertools.product(*(several for _, several in self.values)):
            parts = [f"{axis}:{value}" for axis, value in zip(names, chosen)]
            responders = dict(zip(names, chosen)).get("responders", 0)
            assert isinstance(responders, int)
            name = "/".join([self.program.removesuffix("_bench"), *parts])
            cases.append(Case(name, responders, seconds))
        return cases
