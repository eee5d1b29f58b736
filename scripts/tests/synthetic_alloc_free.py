"""Rows of alloc_free_bench made up for the tests, of the size that was measured on a two-CPU guest,
with seeded noise."""

from __future__ import annotations

import csv
import itertools
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from flushwalk.results import COLUMNS
from synthetic_report import MACHINE, Row, _times

KINDS = ("block", "queue", "xarray", "memory", "address_space")


@dataclass
class AllocPlan:
    """Which cases a synthetic run has. Threads that share a queue take 800 ns a pair, 40 % of it
    waiting for block locks; others 70 ns."""

    threads: Sequence[int] = (1, 2)
    queues: Sequence[int] = (1, 2, 16, 1024)
    pages: Sequence[int] = (1,)
    revisions: Sequence[str] = ("v6.12",)
    freeing: Sequence[str] = ("same_cpu",)
    flusher: str = "none"
    blocks: Sequence[int] = (0,)
    repetitions: int = 8
    noise: float = 0.02
    change: Callable[[Row], None] | None = None


def rows_of(plan: AllocPlan) -> Iterator[Row]:
    noise = random.Random(7)
    for threads, pages, freeing, blocks in itertools.product(plan.threads, plan.pages, plan.freeing,
                                                             plan.blocks):
        if freeing == "other_cpu" and threads < 2:
            continue
        for repetition in range(plan.repetitions):
            drift = noise.lognormvariate(0.0, plan.noise)
            for queues, revision in itertools.product(plan.queues, plan.revisions):
                for row in _case(plan, threads, queues, pages, revision, freeing, blocks, drift):
                    row["repetition"] = repetition
                    if plan.change:
                        plan.change(row)
                    yield row


def _case(plan: AllocPlan, threads: int, queues: int, pages: int, revision: str, freeing: str,
          blocks: int, drift: float) -> Iterator[Row]:
    shared = threads > queues
    pair = (800.0 if shared else 70.0 + pages / 8) * drift * (1.05 if revision == "v6.4" else 1.0)
    pair *= 8 if freeing == "other_cpu" else 1
    common: Row = {
        "schema_version": 1, "bench": "alloc_free_bench",
        "case": f"alloc_free/threads:{threads}/queues:{queues}/pages:{pages}/revision:{revision}"
                f"/freeing:{freeing}/flusher:{plan.flusher}/other_blocks:{blocks}",
        "unit": "ns", "revision": revision, "blocks": blocks, "queues": queues, "threads": threads,
        "pages": pages, "freeing": freeing, "flusher": plan.flusher, "placement": "compact",
        "initiator_cpu": 0, "responder_cpus": " ".join(str(cpu) for cpu in range(1, threads)),
        "block_slots": 1024, "shootdowns_expected": 0, "shootdowns_proven": 0,
        "context_switches": 0, "migrations": 0, "page_faults": 0, "valid": "true",
        "invalid_reason": "",
    }
    for cpu in range(threads):
        for metric, time in (("pair_time", pair), ("alloc_time", pair + 3), ("free_time", pair)):
            yield {**common, **_times(time, 16), "role": "worker", "cpu": cpu, "metric": metric,
                   "operations": 1024, "created_blocks": 1, "failed_allocs": 0}
    everyone: Row = {**common, "role": "all", "cpu": 0, "operations": 8192 * threads,
                     "created_blocks": 8 * threads, "failed_allocs": 0}
    yield {**everyone, **_times(threads * 1e9 / pair, 2), "metric": "throughput",
           "unit": "operations/s"}
    for kind in KINDS:
        # _times makes the mean a tenth larger than its middle; a pair's mean is so too.
        waits = 0.4 * pair if kind == "block" and shared else 0.0
        yield {**everyone, **_times(waits, 2), "metric": f"lock_wait_{kind}",
               "lock_waits": 5000 if waits else 0}
    if freeing == "other_cpu":
        yield {**everyone, **_times(0.02 * pair, 2), "metric": "exchange_wait"}
    if blocks:
        nodes = 9.0 * queues
        for metric, size in (("memory_per_block", 320 + nodes), ("node_memory_per_block", nodes)):
            yield {**everyone, **dict.fromkeys(
                ("min", "p10", "p50", "p90", "p99", "p999", "max", "mean"), f"{size:.3f}"),
                "samples": 1, "unit": "bytes", "metric": metric}


def write_alloc_free(folder: Path, *plans: AllocPlan, append: bool = False) -> Path:
    """Writes a report folder, or adds the rows to one, and gives it back."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "measurements.csv").open("a" if append else "w", newline="",
                                            encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not append:
            writer.writeheader()
        for plan in plans:
            writer.writerows(rows_of(plan))
    (folder / "machine.json").write_text(json.dumps(MACHINE), encoding="utf-8")
    return folder


def whole_set(**plan: Any) -> tuple[AllocPlan, ...]:
    """All that the section speaks of."""
    return (
        AllocPlan(freeing=("same_cpu", "other_cpu"), **plan),
        AllocPlan(threads=(1,), queues=(1,), pages=(1, 4, 16, 64), revisions=("v6.4", "v6.12"),
                  **plan),
        AllocPlan(threads=(1,), queues=(2, 64), blocks=(0, 16, 65536), **plan),
        AllocPlan(threads=(1,), queues=(1, 16), revisions=("v6.4", "v6.12"),
                  flusher="unmap_aliases", **plan),
    )
