"""Which shootdowns a run measures by themselves: operations beside their arms, by pages, responders
and rate, what responders lose, threads that all initiate, and the two CPUs of each pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flushwalk.sweeps import SECONDS_PER_CASE, Case, Sweep

BENCH = "shootdown_bench"
ARMS = ("operation", "untouched", "single_threaded", "membarrier", "noop", "none")
SHARED_LOCK_ARMS = ("operation", "untouched", "noop")  # of threads that all initiate
# What every kernel has, and what some lack.
OPERATIONS = ("mprotect", "munmap", "munmap_whole", "mremap", "dontneed", "mprotect_range")
OPTIONAL = ("cold_range", "guard", "dontneed_vectored")
CEILING = (33, 34)  # pages of the last range flushed one by one, and of the first that is not
REFILLS = (64, 512, 1536)  # pages of a responder's working set
WITH_PAGES = ("read", "write")  # what responders do that has a working set

# With what goes on between two samples: undoing and touching the pages again. Rough, see sweeps.py.
_SECONDS_A_SAMPLE = 15e-6
_SECONDS_A_PAGE = 0.3e-6
_SECONDS_A_CALL = 1e-6
_SECONDS_FOR_RESPONDERS = 60e-6
_SECONDS_A_RESPONDER = 3e-6
_SECONDS_A_WORKING_SET_PAGE = 0.1e-6
# A percentile of less than 1,000 samples is no p99.9, and one in a hundred may be unproven.
_TAIL_SAMPLES = 1050


@dataclass(frozen=True)
class Shootdowns(Sweep):
    """Of shootdown_bench with responders, or none. Arms are rivals."""

    operation: tuple[str, ...] = ("mprotect",)
    arms: tuple[str, ...] = ARMS[:1]
    pages: tuple[int, ...] = (1,)
    page_size: tuple[str, ...] = ("4k",)
    responders: tuple[int, ...] = (0,)
    responder_does: tuple[str, ...] = ("spin",)
    working_set: tuple[int, ...] = (16,)
    rate: tuple[int, ...] = (0,)
    samples: int = 20
    repetitions: int = 15
    only: frozenset[str] | None = None

    @property
    def bench(self) -> str:
        return BENCH

    def axes(self) -> dict[str, tuple[object, ...]]:
        return {
            "operation": self.operation, "arms": self.arms, "pages": self.pages,
            "page-size": self.page_size, "responders": self.responders,
            "responder-does": self.responder_does, "working-set": self.working_set,
            "rate": self.rate,
        }

    def fallback(self) -> Sweep | None:
        """Without the operations that some kernels lack."""
        known = tuple(name for name in self.operation if name not in OPTIONAL)
        return replace(self, operation=known) if 0 < len(known) < len(self.operation) else None

    def all_cases(self) -> list[Case]:
        return [self._case(operation, arm, pages, size, company)
                for operation in self.operation for size in self.page_size
                for pages in self.pages for company in self._company() for arm in self.arms]

    def _company(self) -> Iterator[tuple[int, str, int, int]]:
        """Responders, what they do, their working set, and the pace."""
        for count in self.responders:
            for does in self.responder_does if count else ("none",):
                for pages in self.working_set if does in WITH_PAGES else (0,):
                    for rate in self.rate:
                        yield count, does, pages, rate

    def _case(self, operation: str, arm: str, pages: int, size: str,
              company: tuple[int, str, int, int]) -> Case:
        responders, does, working_set, rate = company
        name = (f"shootdown/operation:{operation}/arm:{arm}/pages:{pages}/page_size:{size}"
                f"/responder_does:{does}/working_set:{working_set}/rate:{rate}"
                f"/responders:{responders}")
        sample = _SECONDS_A_SAMPLE + _SECONDS_A_PAGE * pages
        if responders and arm in ("operation", "membarrier"):
            calls = pages if operation == "dontneed_loop" else 1
            sample += calls * (_SECONDS_FOR_RESPONDERS + _SECONDS_A_RESPONDER * responders)
        sample += _SECONDS_A_WORKING_SET_PAGE * working_set
        sample = max(sample, 1 / rate if rate else 0.0)
        return Case(name, responders, SECONDS_PER_CASE + self.repetitions * self.samples * sample)


@dataclass(frozen=True)
class Initiators(Sweep):
    """Of shootdown_bench where all threads initiate. Arms are rivals."""

    operation: tuple[str, ...] = ("dontneed",)
    arms: tuple[str, ...] = SHARED_LOCK_ARMS
    pages: tuple[int, ...] = (1,)
    initiators: tuple[int, ...] = (1,)
    samples: int = 4000  # operations of each thread: four windows
    repetitions: int = 12
    only: frozenset[str] | None = None

    @property
    def bench(self) -> str:
        return BENCH

    def axes(self) -> dict[str, tuple[object, ...]]:
        return {"operation": self.operation, "arms": self.arms, "pages": self.pages,
                "initiators": self.initiators}

    def all_cases(self) -> list[Case]:
        return [self._case(operation, arm, pages, count)
                for operation in self.operation for pages in self.pages
                for count in self.initiators for arm in self.arms]

    def _case(self, operation: str, arm: str, pages: int, count: int) -> Case:
        name = (f"shootdown_throughput/operation:{operation}/arm:{arm}/pages:{pages}/page_size:4k"
                f"/initiators:{count}")
        one = _SECONDS_A_CALL + (_SECONDS_A_SAMPLE * (count > 1) if arm != "noop" else 0)
        # The lock is one for all. Each thread but the first is interrupted as a responder is, and
        # needs a CPU like one.
        return Case(name, count - 1,
                    SECONDS_PER_CASE + self.repetitions * self.samples * one * count)


def pair(initiator: int, responder: int, samples: int | None = None,
         repetitions: int | None = None) -> Shootdowns:
    """The two CPUs of one cell of the map. Its case has the same name for every pair, but
    for the placement at its end."""
    return Shootdowns(f"pair of CPUs {initiator} and {responder}", samples=samples or 100,
                      repetitions=repetitions or 8, responders=(1,))


def all_pairs(cpus: Sequence[int]) -> list[tuple[int, int]]:
    """Every two of the CPUs, in both directions."""
    return [(first, second) for first in cpus for second in cpus if first != second]


def _beside_arms(operations: tuple[str, ...], responders: tuple[int, ...], samples: int,
                 repetitions: int) -> Shootdowns:
    """Every operation beside all its arms."""
    return Shootdowns(f"shootdowns and their arms, {', '.join(operations)}", operation=operations,
                      arms=ARMS, responders=responders, samples=samples, repetitions=repetitions)


def _at_rates(operations: tuple[str, ...], responders: int, rates: Sequence[int],
              seconds: float, repetitions: int) -> list[Sweep]:
    """Each rate for so many seconds a repetition. Arm none tells what is lost without any."""
    return [Shootdowns(f"shootdowns, {rate:,} a second", operation=operations,
                       arms=("operation", "none"), responders=(responders,), rate=(rate,),
                       samples=max(10, round(rate * seconds)), repetitions=repetitions)
            for rate in rates]


def _by_responders(counts: Sequence[int], samples: int, repetitions: int) -> list[Sweep]:
    """Those of the counts that are in no other sweep."""
    more = tuple(count for count in counts if count > 1)
    return [Shootdowns("shootdowns by responders", operation=("mprotect", "munmap", "dontneed"),
                       arms=("operation", "membarrier"), responders=more, samples=samples,
                       repetitions=repetitions)] if more else []


def quick(cpus: int, counts: tuple[int, ...]) -> list[Sweep]:
    """Some twenty seconds on two CPUs. counts: numbers of responders, 0 among them."""
    most = min(cpus - 1, 1)
    responders = tuple(sorted({0, most}))
    sizes = (2, 8, 32, *CEILING, 64, 512)  # and 1, which is among the first
    sweeps: list[Sweep] = [
        # The longer a repetition, the more likely something disturbs it: one operation's p99.9.
        _beside_arms(OPERATIONS[:1], responders, _TAIL_SAMPLES, 10),
        _beside_arms((*OPERATIONS[1:], "guard"), responders, 150, 14),
        Shootdowns("shootdowns by pages", operation=("mprotect", "dontneed"), pages=sizes,
                   responders=responders, samples=20, repetitions=15),
        *_by_responders(counts, 50, 8),
    ]
    if most:
        sweeps += [
            *_at_rates(("mprotect",), most, (1000, 4000, 16000), 0.02, 12),
            Shootdowns("shootdowns and the responder's TLB", arms=("operation", "membarrier"),
                       responders=(most,), responder_does=("read",), working_set=REFILLS,
                       samples=20, repetitions=15),
            Initiators("shootdowns from all threads", initiators=(1, 2)),
        ]
    return sweeps


def full(cpus: int, counts: tuple[int, ...]) -> list[Sweep]:
    """A minute and a half on two CPUs. counts: numbers of responders, 0 among them."""
    few = tuple(sorted({0, min(cpus - 1, 1)}))
    sizes = (2, 4, 8, 16, 32, *CEILING, 64, 128, 256, 512, 1024)
    sweeps: list[Sweep] = [
        *(_beside_arms(some, few, _TAIL_SAMPLES, 15)
          for some in (OPERATIONS, *((name,) for name in OPTIONAL))),
        Shootdowns("shootdowns by pages", operation=OPERATIONS, pages=sizes, responders=few,
                   samples=20, repetitions=20),
        Shootdowns("controls", operation=("none_to_rw",), responders=few, samples=200),
        Shootdowns("shootdowns of huge pages", operation=("mprotect", "dontneed"),
                   page_size=("2m",), responders=few, samples=20, repetitions=15),
        *_by_responders(counts, 100, 20),
    ]
    if cpus > 1:
        sweeps += [
            *_at_rates(("mprotect",), 1, (100, 1000, 2000, 4000, 8000, 16000), 0.1, 15),
            Shootdowns("shootdowns and the responder's TLB", operation=("mprotect", "dontneed"),
                       arms=("operation", "membarrier"), responders=(1,),
                       responder_does=WITH_PAGES, working_set=REFILLS, samples=50,
                       repetitions=20),
            Shootdowns("shootdowns by what the responder does", responders=(1,),
                       responder_does=("system_call", "sleep", "another_process"), samples=50,
                       repetitions=15),
            Initiators("shootdowns from all threads", operation=("dontneed", "munmap"),
                       initiators=tuple(count + 1 for count in counts), repetitions=20),
        ]
    return sweeps
