"""Rows of shootdown_bench made up for the tests: a model in which a shootdown is the sum of its parts,
with seeded noise; and machines of any size, as topology.xml tells them.

    python3 synthetic_shootdown.py FOLDER [PACKAGES CORES THREADS]    writes a report folder, to look at
"""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from flushwalk.results import COLUMNS
from synthetic_machines import bitmap
from synthetic_report import MACHINE, Row, _times

ARMS = ("operation", "untouched", "single_threaded", "membarrier", "noop", "none")
OPERATIONS = ("mprotect", "munmap", "dontneed")
# us: the clock; a call; a call with its work on mappings; the interrupt and each further responder;
# what other CPUs' invalidation takes beyond all that.
CLOCK, CALL, UNTOUCHED, BASE, EACH, REST = 0.02, 0.2, 0.6, 16.0, 1.25, 3.0
CEILING = 33
IDLE_PERCENT, STALL = 0.4, 9.0  # of a responder: lost without a shootdown; us of each
READ_A_PAGE, REFILL_A_PAGE = 20.0, 15.0  # ns
LOCK_SHARE = 0.7  # of what a thread more would bring, under the lock alone


def single_us(operation: str, pages: int) -> float:
    """In a process of one thread: page by page up to the ceiling, then all at once."""
    own = 0.2 * pages if pages <= CEILING else 0.9
    return UNTOUCHED + 0.5 + 0.02 * pages + own + 0.1 * OPERATIONS.index(operation)


def time_us(operation: str, arm: str, responders: int, pages: int = 1) -> float:
    interrupt = BASE + EACH * responders if responders else 0.15
    others = REST if responders else 0.0
    return {"none": CLOCK, "noop": CALL, "untouched": UNTOUCHED, "membarrier": interrupt,
            "single_threaded": single_us(operation, pages),
            "operation": interrupt + single_us(operation, pages) - CALL + others}[arm]


class Writer:
    """Rows of one run, case by case. cpus: the initiator's, then the responders'."""

    def __init__(self, seed: int = 7) -> None:
        self._noise = random.Random(seed)

    def _common(self, arm: str, operation: str, pages: int, responders: int, cpus: Sequence[int],
                rate: int = 0, does: str = "spin", working_set: int = 0) -> Row:
        does = does if responders else "none"
        return {
            "schema_version": 1, "bench": "shootdown_bench",
            "case": f"shootdown/operation:{operation}/arm:{arm}/pages:{pages}/page_size:4k"
                    f"/responder_does:{does}/working_set:{working_set}/rate:{rate}"
                    f"/responders:{responders}",
            "operation": operation, "arm": arm, "pages": pages, "page_size": "4k",
            "responder_does": does, "working_set_pages": working_set, "rate": rate, "initiators": 1,
            "responders": responders, "placement": "compact", "initiator_cpu": cpus[0],
            "responder_cpus": " ".join(map(str, cpus[1:responders + 1])), "operations": 1,
            "shootdown_calls": 1, "context_switches": 0, "migrations": 0, "page_faults": 0,
            "unproven_operations": 0, "unproven_away": 0, "unproven_ran_on": 0,
            "unproven_long": 0, "valid": "true", "invalid_reason": "", "unit": "ns"}

    def case(self, operation: str = "mprotect", arms: Sequence[str] = ARMS[:1], pages: int = 1,
             responders: int = 1, samples: int = 100, repetitions: int = 8,
             cpus: Sequence[int] | None = None, rate: int = 0, does: str = "spin",
             working_set: int = 0, us: float | None = None) -> Iterator[Row]:
        """One group of rivals. us: the operation's time, instead of the model's."""
        chosen = list(range(responders + 1)) if cpus is None else list(cpus)
        for repetition in range(repetitions):
            drift = self._noise.lognormvariate(0.0, 0.03)
            for arm in arms:
                middle = time_us(operation, arm, responders, pages)
                if us is not None and arm == "operation":
                    middle = us
                noise = drift * self._noise.lognormvariate(0.0, 0.01)
                common = {**self._common(arm, operation, pages, responders, chosen, rate, does,
                                         working_set), "repetition": repetition}
                yield from _rows(common, middle * 1000 * noise, samples)

    def throughput(self, initiators: int, operation: str = "dontneed", samples: int = 5,
                   repetitions: int = 6) -> Iterator[Row]:
        """Threads that all initiate, in the three arms of such a case."""
        for repetition in range(repetitions):
            for arm in ("operation", "untouched", "noop"):
                noise = self._noise.lognormvariate(0.0, 0.02)
                one = time_us(operation, arm, min(initiators - 1, 1)) * noise
                call_us = one * (1 + (1 - LOCK_SHARE) * (initiators - 1))
                common = {**self._common(arm, operation, 1, 0, (0,)), "repetition": repetition,
                          "initiators": initiators, "shootdowns_expected": 0,
                          "shootdowns_proven": 0,
                          "responder_cpus": " ".join(map(str, range(1, initiators))),
                          "case": f"shootdown_throughput/operation:{operation}/arm:{arm}/pages:1"
                                  f"/page_size:4k/initiators:{initiators}"}
                yield {**common, **_times(initiators / call_us * 1e6, samples), "role": "all",
                       "cpu": 0, "metric": "throughput", "unit": "operations/s"}
                for thread in range(initiators):
                    yield {**common, **_times(call_us * 1000, samples * 50), "role": "initiator",
                           "cpu": thread, "metric": "contended_operation_time"}


def _rows(common: Row, time: float, samples: int) -> Iterator[Row]:
    """Of one case and repetition: the initiator's, and each responder's. One operation in the second
    repetition, of 100 or more, is not proven."""
    responders, arm = common["responders"], common["arm"]
    interrupts = responders > 0 and arm in ("operation", "membarrier")
    expected = samples * responders if interrupts else 0
    lost = 1 if interrupts and common["repetition"] == 1 and samples >= 100 else 0
    rate = common["rate"] or 1e9 / (2 * time + 2000)
    proof = {"shootdowns_expected": expected, "shootdowns_proven": expected - lost,
             "unproven_operations": lost, "unproven_away": lost}
    if responders and not interrupts:
        proof["stray_gaps"] = int(common["repetition"] == 0)
    initiator = {**common, **proof, "role": "initiator", "cpu": common["initiator_cpu"]}
    yield {**initiator, **_times(time, samples - lost), "metric": "operation_time"}
    if lost:
        yield {**initiator, **_times(time / 9, lost), "metric": "unproven_operation_time"}
    yield {**initiator, **_times(rate, max(1, samples // 10)), "metric": "operation_rate",
           "unit": "operations/s"}
    for cpu in common["responder_cpus"].split():
        theirs = {**common, "role": "responder", "cpu": int(cpu), "unproven_operations": lost,
                  "shootdowns_expected": samples if interrupts else 0,
                  "shootdowns_proven": samples - lost if interrupts else 0}
        if interrupts:
            yield {**theirs, **_times(STALL * 1000, samples - lost), "metric": "stall"}
        share = IDLE_PERCENT + (rate * STALL * 1e-4 if interrupts else 0.0)
        yield {**theirs, **_times(share, max(1, samples // 10)), "metric": "cpu_lost",
               "unit": "percent"}
        if common["working_set_pages"] and interrupts:
            read = common["working_set_pages"] * READ_A_PAGE
            refill = common["working_set_pages"] * REFILL_A_PAGE if arm == "operation" else 0.0
            yield {**theirs, **_times(read + refill, samples), "metric": "read_time"}
            yield {**theirs, **_times(read, samples), "metric": "reread_time"}


def quick() -> Iterator[Row]:
    """What scripts/run measures on two CPUs, in small."""
    make = Writer()
    for operation in OPERATIONS:
        for responders in (0, 1):
            yield from make.case(operation, ARMS, responders=responders, samples=1050)
            for pages in (2, 8, 32, 33, 34, 64, 512):
                yield from make.case(operation, pages=pages, responders=responders)
    for rate in (1000, 4000, 16000):
        yield from make.case(arms=("operation", "none"), rate=rate)
    for working_set in (64, 512, 1536):
        yield from make.case(arms=("operation", "membarrier"), does="read", working_set=working_set)
    for initiators in (1, 2):
        yield from make.throughput(initiators)
    yield from make.case(cpus=(1, 0))


def scaling(counts: Sequence[int], repetitions: int = 12) -> Iterator[Row]:
    make = Writer(3)
    for count in counts:
        for operation in OPERATIONS:
            yield from make.case(operation, ("operation", "membarrier"), responders=count,
                                 repetitions=repetitions)


class Machine:
    """Packages of cores of threads. As many do, it numbers the first threads of all cores first, and
    these by turns of the packages: neighbours by number are no neighbours."""

    def __init__(self, packages: int, cores: int, threads: int = 1) -> None:
        self.packages, self.cores, self.threads = packages, cores, threads

    def cpu(self, package: int, core: int, thread: int) -> int:
        return (thread * self.cores + core) * self.packages + package

    def place(self, cpu: int) -> tuple[int, int]:
        """Its package and core."""
        return cpu % self.packages, cpu // self.packages % self.cores

    @property
    def cpus(self) -> range:
        return range(self.packages * self.cores * self.threads)

    def xml(self) -> str:
        """As hwloc writes it."""
        packages = "".join(
            f'<object type="Package" os_index="{package}"><object type="L3Cache">' + "".join(
                f'<object type="Core" os_index="{core}">' + "".join(
                    f'<object type="PU" os_index="{self.cpu(package, core, thread)}"/>'
                    for thread in range(self.threads)) + "</object>"
                for core in range(self.cores)) + "</object></object>"
            for package in range(self.packages))
        return ('<?xml version="1.0"?><topology version="2.0"><object type="Machine" '
                f'cpuset="{bitmap(self.cpus)}">{packages}</object></topology>')

    def pair_us(self, first: int, second: int) -> float:
        """The farther, the dearer; and a little by the initiator's core."""
        (package, core), (other, other_core) = self.place(first), self.place(second)
        distance = 24.0 if package != other else 8.0 if core == other_core else 14.0
        return distance + 0.02 * core

    def pairs(self, repetitions: int = 5) -> Iterator[Row]:
        make = Writer(5)
        for first in self.cpus:
            for second in self.cpus:
                if first != second:
                    yield from make.case(cpus=(first, second), samples=10,
                                         repetitions=repetitions, us=self.pair_us(first, second))


def write_report(folder: Path, rows: Iterator[Row], machine: dict[str, Any] | None = None,
                 topology: str | None = None, change: Callable[[Row], None] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "measurements.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows:
            if change:
                change(row)
            writer.writerow(row)
    (folder / "machine.json").write_text(json.dumps(machine or MACHINE), encoding="utf-8")
    if topology is not None:
        (folder / "topology.xml").write_text(topology, encoding="utf-8")
    return folder


if __name__ == "__main__":
    if len(sys.argv) > 2:
        big = Machine(*map(int, sys.argv[2:5]))
        print(write_report(Path(sys.argv[1]), big.pairs(), topology=big.xml()))
    else:
        print(write_report(Path(sys.argv[1]), quick()))
