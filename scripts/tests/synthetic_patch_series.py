"""Rows of patch_series_bench made up for the tests, with the counts that the patches have in small
workloads, and seeded noise."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from flushwalk.patch_measures import REVISIONS
from synthetic_report import MACHINE, Row, _times, write_rows

# For each workload: us of a round, visited, locks, pages flushed and stale, by revision. A revision
# without an entry is as the one before it.
WORK: dict[str, dict[str, tuple[float, int, int, int, int]]] = {
    "full_blocks": {"v6.4": (0.2, 0, 0, 0, 16384), "p1": (5.0, 256, 256, 32704, 0)},
    "purgeable_blocks": {"v6.4": (11.0, 512, 288, 32752, 0), "p2": (9.0, 256, 256, 32752, 0)},
    "second_flush": {"v6.4": (6.0, 512, 256, 32672, 0), "p2": (5.0, 256, 256, 32672, 0),
                     "p3": (4.0, 256, 256, 0, 0)},
    "crowded_list": {"v6.4": (21.0, 2048, 2048, 0, 0), "p4": (5.0, 2048, 32, 0, 0)},
    "drained_block": {"v6.4": (5.5, 24, 24, 1536, 0), "p2": (5.2, 12, 12, 1536, 0),
                      "p6": (3.1, 23, 23, 96, 0)},
}


def rows_of(workloads: Sequence[str] = tuple(WORK), shootdowns: Sequence[str] = (
        "none", "mprotect_range"), revisions: Sequence[str] = REVISIONS, repetitions: int = 8,
            change: Callable[[Row], None] | None = None) -> Iterator[Row]:
    noise = random.Random(3)
    for workload in workloads:
        for shootdown in shootdowns:
            for repetition in range(repetitions):
                drift = noise.lognormvariate(0.0, 0.05)
                work = WORK[workload]["v6.4"]
                for revision in REVISIONS:
                    work = WORK[workload].get(revision, work)
                    own = drift * noise.lognormvariate(0.0, 0.004)
                    for row in _case(workload, revision, shootdown, repetition, work, own):
                        if change:
                            change(row)
                        if revision in revisions:
                            yield row


def _case(workload: str, revision: str, shootdown: str, repetition: int,
          work: tuple[float, int, int, int, int], noise: float) -> Iterator[Row]:
    time, visited, locks, pages, stale = work
    calls = int(shootdown != "none" and pages > 0)
    responders = int(shootdown != "none")
    common: Row = {
        "schema_version": 1, "bench": "patch_series_bench",
        "case": f"patch_series/workload:{workload}/revision:{revision}/shootdown:{shootdown}"
                f"/responders:{responders}",
        "repetition": repetition, "unit": "ns", "role": "initiator", "cpu": 0,
        "revision": revision, "workload": workload, "gather": "hull", "shootdown": shootdown,
        "queues": 1, "responders": responders, "placement": "compact", "initiator_cpu": 0,
        "responder_cpus": "1" if responders else "", "block_slots": 128, "operations": 1,
        "visited_blocks": visited, "block_locks": locks, "dirty_blocks": 0, "purged_blocks": 0,
        "created_blocks": 0, "failed_allocs": 0, "stale_slots": stale, "flushes": int(pages > 0),
        "flushed_pages": pages, "shootdown_calls": calls, "shootdowns_expected": 20 * calls,
        "shootdowns_proven": 20 * calls, "context_switches": 0, "migrations": 0, "page_faults": 0,
        "valid": "true", "invalid_reason": "",
    }
    round_time = (time * 1000 + calls * 20000) * noise
    yield {**common, **_times(round_time, 20), "metric": "round_time"}
    if workload != "crowded_list":
        yield {**common, **_times(round_time * 0.9, 20), "metric": "flush_time"}


def write_report(folder: Path, **plan: Any) -> Path:
    return write_rows(folder, rows_of(**plan), MACHINE)
