"""Report folders made up for the tests: measurements.csv and machine.json as the benches write
them, with times of the size that was measured on a two-CPU guest, and seeded noise.

    python3 synthetic_report.py FOLDER    writes one, to look at
"""

from __future__ import annotations

import csv
import itertools
import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Sequence

from flushwalk.results import COLUMNS

Row = dict[str, Any]

MACHINE: dict[str, Any] = {
    "schema_version": 1,
    "created": "2025-11-22T16:54:00Z",
    "flushwalk": {"git_revision": "0123abc", "git_dirty": False, "build_type": "Release",
                  "compiler": "g++ 12.2.0", "compiler_flags": "-O3"},
    "command_line": ["flush_walk_bench", "--walk=free_list,xarray", "--out=reports/made up"],
    "host": "guest",
    "cpu": {"model": "Intel(R) Xeon(R) Processor @ 2.10GHz", "vendor": "GenuineIntel", "family": 6,
            "model_number": 207, "stepping": 2, "microcode": "0x1",
            "flags_of_interest": ["constant_tsc", "nonstop_tsc", "pcid"]},
    "topology": {"packages": 1, "numa_nodes": 1, "cores": 2, "pus": 2, "usable_cpus": "0-1",
                 "this_system": True, "hwloc_version": "2.9.0",
                 "summary": "1 package, 2 cores, 2 PUs"},
    "caches": {"L1d": "48 KiB", "L2": "2 MiB", "L3": "260 MiB"},
    "kernel": {"release": "6.18.5", "version": "#1 SMP", "command_line": "console=ttyS0"},
    "mitigations": {"meltdown": "Not affected", "spectre_v2": "Mitigation: Enhanced IBRS"},
    "hypervisor": {"vendor": "KVM", "pv_tlb_flush": True, "pv_ipi": False},
    "memory": {"total": "16 GiB"},
    "vm": {"max_map_count": 65530, "overcommit_memory": 0, "thp": "madvise"},
    "perf": {"event_paranoid": 2, "hardware_pmu": False},
    "tlb": {"single_page_flush_ceiling": 33, "how": "kernel default"},
    "clock": {"source": "tsc", "frequency_hz": 2100000000, "calibration_error_ppm": 1.4,
              "overhead_ns": 11.9, "overhead_p99_ns": 14.3, "invariant": True},
    "libraries": {"benchmark": "1.7.1", "hwloc": "2.9.0", "liburcu": "0.13.2"},
}

# us of one call with 0 responders and with 1; every further responder adds a tenth.
_CALL_US = {"none": (0.0, 0.0), "noop": (0.19, 0.28), "mprotect_range": (4.5, 26.6),
            "cold_range": (3.8, 26.1), "mprotect": (1.4, 22.6), "munmap": (1.3, 19.6),
            "membarrier": (0.15, 17.1)}
_REVOKES = ("mprotect", "munmap")


@dataclass
class Plan:
    """Which cases a synthetic run has. `truth` is the cost of the xarray walk over what it is;
    `parts_alone`: walk alone and shootdown alone, added up, over the whole flush."""

    walks: Sequence[str] = ("free_list", "xarray")
    blocks: Sequence[int] = (64, 512, 4096, 32768)
    full: Sequence[int] = (0, 50)
    dirty: Sequence[int] = (10,)
    queues: Sequence[int] = (1,)
    shootdowns: Sequence[str] = ("none", "noop", "mprotect_range")
    responders: Sequence[int] = (0, 1)
    repetitions: int = 12
    samples: int = 500
    noise: float = 0.05
    truth: float = 1.0
    parts_alone: float | None = None
    seed: int = 1
    change: Callable[[Row], None] | None = None
    machine: dict[str, Any] | None = field(default_factory=lambda: MACHINE)


def rows_of(plan: Plan) -> Iterator[Row]:
    """Every row of a run, in the order in which a bench writes them."""
    random_source = random.Random(plan.seed)
    cases = itertools.product(plan.blocks, plan.full, plan.dirty, plan.queues, plan.shootdowns,
                              plan.responders)
    for blocks, full, dirty, queues, shootdown, responders in cases:
        if shootdown == "none" and responders != min(plan.responders):
            continue
        for repetition in range(plan.repetitions):
            drift = random_source.lognormvariate(0.0, plan.noise)
            for walk in plan.walks:
                own = drift * random_source.lognormvariate(0.0, plan.noise / 4)
                for row in _case(plan, walk, blocks, full, dirty, queues, shootdown, responders,
                                 repetition, own):
                    if plan.change:
                        plan.change(row)
                    yield row


def _case(plan: Plan, walk: str, blocks: int, full: int, dirty: int, queues: int, shootdown: str,
          responders: int, repetition: int, noise: float) -> Iterator[Row]:
    gather = "runs" if shootdown in _REVOKES else "hull"
    listed = blocks - blocks * full // 100
    visited = listed if walk == "free_list" else blocks
    dirty_total = round(blocks * dirty / 100)
    found = round(dirty_total * listed / blocks) if walk == "free_list" else dirty_total
    calls = 0 if shootdown == "none" else (found if gather == "runs" else min(found, 1))
    queue_factor = 1.0 if walk == "free_list" else 1.0 + 0.13 * (queues - 1) ** 0.9
    a_block = 10.4 if walk == "free_list" else 24.1 * queue_factor * plan.truth
    alone, with_one = _CALL_US[shootdown]
    call = alone if responders == 0 else with_one * (1 + 0.1 * (responders - 1))
    flush = (40.0 + visited * a_block + calls * call * 1000.0) * noise
    shoots = shootdown not in ("none", "noop") and responders > 0
    expected = plan.samples * responders * calls if shoots else 0
    lost = 1 if expected and repetition % 6 == 0 else 0
    common: Row = {
        "schema_version": 1, "bench": "flush_walk_bench",
        "case": f"flush_walk/walk:{walk}/check:locked/gather:{gather}/shootdown:{shootdown}"
                f"/blocks:{blocks}/full:{full}/dirty:{dirty}/queues:{queues}"
                f"/responders:{responders}",
        "repetition": repetition, "unit": "ns", "walk": walk, "check": "locked", "gather": gather,
        "shootdown": shootdown, "blocks": blocks, "full_percent": full, "dirty_percent": dirty,
        "dirty_slots": 1, "queues": queues, "responders": responders, "placement": "compact",
        "initiator_cpu": 0,
        "responder_cpus": " ".join(str(cpu + 1) for cpu in range(responders)),
        "block_slots": 1024, "visited_blocks": visited, "listed_blocks": listed,
        "block_locks": visited, "dirty_blocks": found, "dirty_blocks_total": dirty_total,
        "stale_slots": dirty_total - found, "flush_ranges": calls, "hull_pages": blocks * 1024,
        "shootdown_calls": calls, "migrations": 0, "page_faults": 0, "valid": "true",
        "invalid_reason": "",
    }
    parts = {"flush_time": flush}
    if shootdown != "none":
        if plan.parts_alone is not None:
            parts["shootdown_alone_time"] = calls * call * 1000.0 * noise
            parts["walk_alone_time"] = flush * plan.parts_alone - parts["shootdown_alone_time"]
        parts["shootdown_time"] = calls * call * 1000.0 * noise
        parts["walk_time"] = flush - parts["shootdown_time"]
    for metric, time in parts.items():
        yield {**common, **_times(time, plan.samples), "role": "initiator", "cpu": 0,
               "metric": metric, "shootdowns_expected": expected,
               "shootdowns_proven": expected - lost, "tlb_interrupts": expected - lost,
               "context_switches": 1}
    for responder in range(responders if shoots else 0):
        proven = (expected - lost) // responders
        yield {**common, **_times(7200.0 * noise, proven), "role": "responder",
               "cpu": responder + 1, "metric": "stall",
               "shootdowns_expected": expected // responders, "shootdowns_proven": proven,
               "tlb_interrupts": proven, "context_switches": 0}


def _times(middle: float, samples: int) -> Row:
    if samples == 0:
        return {**dict.fromkeys(("min", "p10", "p50", "p90", "p99", "p999", "max", "mean"), ""),
                "samples": 0}
    shape = {"min": 0.9, "p10": 0.95, "p50": 1.0, "p90": 1.25, "p99": 2.2, "p999": 6.0,
             "max": 20.0, "mean": 1.1}
    return {**{name: f"{middle * factor:.2f}" for name, factor in shape.items()},
            "samples": samples}


def write_rows(folder: Path, rows: Iterable[Row], machine: dict[str, Any] | None) -> Path:
    """Writes a report folder, without a machine.json where there is no machine, and gives it back."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "measurements.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    if machine is not None:
        (folder / "machine.json").write_text(json.dumps(machine), encoding="utf-8")
    return folder


def write_report(folder: Path, *plans: Plan) -> Path:
    """A report folder with the rows of one plan after those of the other."""
    rows = itertools.chain.from_iterable(map(rows_of, plans))
    return write_rows(folder, rows, plans[0].machine)


def quick_set() -> tuple[Plan, ...]:
    """What scripts/run measures by default, in small."""
    alone: dict[str, Any] = {"shootdowns": ("none",), "responders": (0,), "repetitions": 10}
    with_responder: dict[str, Any] = {"full": (50,), "repetitions": 10, "responders": (0, 1)}
    return (
        Plan(blocks=(64, 256, 1024, 4096, 16384, 65536), full=(0, 50, 90), **alone),
        Plan(blocks=(4096,), full=(50,), queues=(8, 64), seed=2, **alone),
        Plan(blocks=(64, 1024, 4096, 16384), shootdowns=("mprotect_range",), seed=3,
             **with_responder),
        Plan(blocks=(64,), shootdowns=("noop", "mprotect", "munmap"), seed=4, **with_responder),
    )


if __name__ == "__main__":
    print(write_report(Path(sys.argv[1]), *quick_set()))
