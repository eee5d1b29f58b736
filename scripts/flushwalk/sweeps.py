"""What a sweep is: one call of a bench program, its cases, their names and how long they take.

The cases that are to be compared are sampled in turn within one sweep. A sweep knows the names that
its bench gives the cases, so that a plan can be listed, filtered and checked without a built
program; tests hold the names against what the programs print. Nothing in here starts a process.
"""

from __future__ import annotations

import itertools
from collections.abc import Set
from dataclasses import dataclass, field, replace

from flushwalk.walks import KERNEL_WALKS, walk_of

CHECKS = ("locked", "lockless")
SPREADS = ("even", "listed")
DESCRIPTORS = ("in_order", "shuffled")
INDEXES = ("kernel", "dense")
COMPACT = "compact"  # the placement whose cases do not have it in their names
# These take exactly the freed runs; all others get the hull.
REVOKING = ("mprotect", "munmap", "guard", "dontneed")
VECTORED = ("guard", "dontneed")  # many runs a call

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
SECONDS_PER_DIRTY_BLOCK = 80e-9  # collected and made dirty again, beyond the usual 10 %
SECONDS_PER_CALL = 10e-6
SECONDS_PER_RESPONDER = 30e-6


@dataclass(frozen=True)
class Case:
    """One benchmark: its name, how many responders it needs, and about how long it takes, all
    repetitions and their set-up included."""

    name: str
    responders: int
    seconds: float


def _name_part(placement: str) -> str:
    return "" if placement == COMPACT else f"/placement:{placement}"


@dataclass(frozen=True)
class Sweep:
    """One call of a bench: the product of its axes. Subclasses say which axes there are."""

    title: str
    samples: int
    repetitions: int
    only: frozenset[str] | None  # the names of the cases a filter left; None: all
    placements: tuple[str, ...] = field(default=(COMPACT,), kw_only=True)

    @property
    def bench(self) -> str:
        """The program."""
        raise NotImplementedError

    @property
    def counted(self) -> bool:
        """Whether counters go with it unasked. They are many rows, and say little of a walk alone
        where there is no PMU."""
        return True

    def axes(self) -> dict[str, tuple[object, ...]]:
        """The values of each axis, by the flag without its dashes."""
        raise NotImplementedError

    def all_cases(self) -> list[Case]:
        """On any one placement, in the bench's order: rivals stand side by side."""
        raise NotImplementedError

    def cases(self) -> list[Case]:
        placed = [replace(case, name=case.name + _name_part(placement))
                  for placement in self.placements for case in self.all_cases()]
        return [case for case in placed if self.only is None or case.name in self.only]

    def fallback(self) -> Sweep | None:
        """What to measure instead where the bench refuses this here; None: nothing."""
        return None

    def seconds(self) -> float:
        return SECONDS_PER_SWEEP + sum(case.seconds for case in self.cases())

    def flags(self) -> list[str]:
        """The arguments of the bench; of its cases it is to make those of `cases()`, which it reads
        from its standard input where `only` leaves some out."""
        values = {**self.axes(), "samples": (self.samples,), "repetitions": (self.repetitions,)}
        flags = [f"--{axis}={','.join(map(str, several))}" for axis, several in values.items()]
        if self.placements != (COMPACT,):
            flags.append(f"--placement={','.join(self.placements)}")
        return flags if self.only is None else [*flags, "--cases=/dev/stdin"]

    def spoken_cases(self) -> str:
        """What the bench reads from its standard input."""
        return "".join(f"{case.name}\n" for case in self.cases()) if self.only is not None else ""

    def among(self, names: Set[str]) -> Sweep | None:
        """With only the cases that `names` has; None where it has none."""
        all_names = [case.name for case in self.cases()]
        found = frozenset(name for name in all_names if name in names)
        if len(found) == len(all_names):
            return self
        return replace(self, only=found) if found else None


@dataclass(frozen=True)
class FlushWalk(Sweep):
    """Of flush_walk_bench. The walks with their checks are rivals."""

    shootdown: tuple[str, ...] = ("none",)
    blocks: tuple[int, ...] = (4096,)
    full: tuple[int, ...] = (50,)
    dirty: tuple[int, ...] = (10,)
    queues: tuple[int, ...] = (1,)
    responders: tuple[int, ...] = (0,)
    walks: tuple[str, ...] = KERNEL_WALKS
    checks: tuple[str, ...] = CHECKS[:1]
    spread: tuple[str, ...] = SPREADS[:1]
    descriptors: tuple[str, ...] = DESCRIPTORS[:1]
    index: tuple[str, ...] = INDEXES[:1]
    parts_alone: bool = False  # in turn with each flush its walk and its shootdown by themselves
    samples: int = 100
    repetitions: int = 100
    only: frozenset[str] | None = None

    @property
    def bench(self) -> str:
        return "flush_walk_bench"

    @property
    def counted(self) -> bool:
        return any(kind != "none" for kind in self.shootdown)

    def axes(self) -> dict[str, tuple[object, ...]]:
        return {
            "walk": self.walks,
            "check": self.checks,
            "shootdown": self.shootdown,
            "blocks": self.blocks,
            "full": self.full,
            "dirty": self.dirty,
            "spread": self.spread,
            "descriptors": self.descriptors,
            "index": self.index,
            "queues": self.queues,
            "responders": self.responders,
        }

    def flags(self) -> list[str]:
        return [*super().flags(), *(["--parts-alone"] if self.parts_alone else [])]

    def all_cases(self) -> list[Case]:
        loads = itertools.product(
            self.blocks,
            self.full,
            self.dirty,
            self.spread,
            self.descriptors,
            self.index,
            self.queues,
        )
        ways = list(itertools.product(self.walks, self.checks))
        return [
            _case(_Load(*load), shootdown, responders, walk, check, self)
            for load in loads
            for shootdown in self.shootdown
            for responders in self.responders
            for walk, check in ways
        ]


@dataclass(frozen=True)
class _Load:
    blocks: int
    full: int
    dirty: int
    spread: str
    descriptors: str
    index: str
    queues: int

    @property
    def dirty_blocks(self) -> float:
        candidates = self.blocks * (1 - self.full / 100 * (self.spread == "listed"))
        return candidates * self.dirty / 100

    @property
    def name(self) -> str:
        """As in a case's name: of the axes that came later only what is not their default."""
        later = (
            ("spread", self.spread, SPREADS),
            ("descriptors", self.descriptors, DESCRIPTORS),
            ("index", self.index, INDEXES),
        )
        parts = [f"{axis}:{value}" for axis, value, known in later if value != known[0]]
        first = f"blocks:{self.blocks}/full:{self.full}/dirty:{self.dirty}"
        return "/".join((first, *parts, f"queues:{self.queues}"))

    def seconds_of_walk(self, walk: str) -> float:
        """Of a sample: the walk twice, and its dirty blocks made dirty again."""
        finder = walk_of(walk).finder
        visited = self.dirty_blocks if finder else float(self.blocks)
        empty = 0 if self.index == "dense" or finder else min(self.queues, 64) - 1
        return (
            SECONDS_PER_BLOCK * visited
            + SECONDS_PER_BLOCK_BEYOND * max(0.0, visited - BLOCKS_IN_CACHE)
            + SECONDS_PER_BLOCK_AND_QUEUE * visited * empty
            + SECONDS_PER_DIRTY_BLOCK * max(0.0, self.dirty_blocks - visited / 10)
        )


def _case(
    load: _Load, shootdown: str, responders: int, walk: str, check: str, sweep: FlushWalk
) -> Case:
    gather = "runs" if shootdown in REVOKING else "hull"
    name = (
        f"flush_walk/walk:{walk}/check:{check}/gather:{gather}/shootdown:{shootdown}"
        f"/{load.name}/responders:{responders}"
    )
    calls = load.dirty_blocks if gather == "runs" and shootdown not in VECTORED else 1.0
    if shootdown == "none":
        calls = 0.0
    sample = (
        SECONDS_PER_SAMPLE
        + load.seconds_of_walk(walk)
        + (SECONDS_PER_CALL + SECONDS_PER_RESPONDER * responders) * calls
    )
    # A load is built once for all that are compared over it; the constants are of two.
    rivals = len(sweep.walks) * len(sweep.checks)
    set_up = (SECONDS_PER_CASE + SECONDS_TO_BUILD_A_BLOCK * load.blocks) * 2 / rivals
    # Walk and shootdown, each alone, take a whole flush's time and another walk's.
    times = 2.5 if sweep.parts_alone else 1.0
    return Case(name, responders, set_up + sweep.repetitions * sweep.samples * sample * times)


@dataclass(frozen=True)
class Plain(Sweep):
    """Of a bench whose case names are its flags' values, in the order of `values`.

    seconds_a_sample: measured, with what goes on between two samples. unnamed: parts that the bench
    leaves out of a name, because they are what there was before their axis."""

    program: str = ""
    values: tuple[tuple[str, tuple[object, ...]], ...] = ()
    seconds_a_sample: float = 0.0
    unnamed: tuple[str, ...] = ()
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
            named = (part for part in parts if part not in self.unnamed)
            name = "/".join([self.program.removesuffix("_bench"), *named])
            cases.append(Case(name, responders, seconds))
        return cases


@dataclass(frozen=True)
class Peers(Plain):
    """Of xarray_bench: its containers are optional but for the first two, and only the xarray has
    all operations."""

    def all_cases(self) -> list[Case]:
        ours = ("container:xarray/", "operation:insert/", "operation:load/", "operation:erase/",
                "operation:iterate/")
        return [case for case in super().all_cases() if any(part in case.name for part in ours)]

    def fallback(self) -> Sweep | None:
        values = tuple((axis, several[:2] if axis == "container" else several)
                       for axis, several in self.values)
        return replace(self, values=values) if values != self.values else None
