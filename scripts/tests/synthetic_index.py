"""Rows of xarray_bench made up for the tests, of the size that was measured on a two-CPU guest,
with seeded noise."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Sequence

from synthetic_report import MACHINE, Row, _times, write_rows

CONTAINERS = ("xarray", "std_map", "absl_btree_map", "judyl", "lfht")
OWN_OPERATIONS = ("iterate_cursor", "iterate_cursor_scan", "iterate_marked", "set_mark")
# ns a load with 4,096 entries; bytes an entry, dense and not.
_LOAD = {"xarray": 2.0, "std_map": 86.0, "absl_btree_map": 52.0, "judyl": 13.0, "lfht": 20.0}
_BYTES = {"xarray": (9.14, 585.0), "std_map": (48.0, 48.0), "absl_btree_map": (17.9, 17.9),
          "judyl": (10.3, 16.0), "lfht": (48.0, 48.0)}
_FACTOR = {"insert": 4.0, "load": 1.0, "erase": 5.0, "iterate": 0.5, "iterate_cursor": 0.25}


@dataclass
class IndexPlan:
    """Which cases a synthetic run has."""

    containers: Sequence[str] = CONTAINERS
    operations: Sequence[str] = ("insert", "load", "erase", "iterate", "iterate_cursor")
    entries: Sequence[int] = (16, 256, 4096, 65536)
    keys: Sequence[str] = ("dense", "every_64th", "random")
    repetitions: int = 8
    noise: float = 0.02
    change: Callable[[Row], None] | None = None


def rows_of(plan: IndexPlan) -> Iterator[Row]:
    noise = random.Random(11)
    for entries, keys, operation in itertools.product(plan.entries, plan.keys, plan.operations):
        for repetition in range(plan.repetitions):
            drift = noise.lognormvariate(0.0, plan.noise)
            for container in plan.containers:
                if operation in OWN_OPERATIONS and container != "xarray":
                    continue
                for row in _case(container, operation, entries, keys, drift):
                    row["repetition"] = repetition
                    if plan.change:
                        plan.change(row)
                    yield row


def _case(container: str, operation: str, entries: int, keys: str, drift: float) -> Iterator[Row]:
    time = _LOAD[container] * _FACTOR.get(operation, 1.0) * (entries / 4096) ** 0.25 * drift
    dense, sparse = _BYTES[container]
    common: Row = {
        "schema_version": 1, "bench": "xarray_bench",
        "case": f"xarray/container:{container}/operation:{operation}/entries:{entries}/keys:{keys}",
        "role": "initiator", "cpu": 0, "container": container, "operation": operation,
        "entries": entries, "keys": keys, "placement": "compact", "initiator_cpu": 0,
        "shootdowns_expected": 0, "shootdowns_proven": 0, "migrations": 0, "valid": "true",
        "invalid_reason": "",
    }
    yield {**common, **_times(time, 20), "metric": "operation_time", "unit": "ns",
           "operations": min(entries, 1024), "context_switches": 0, "page_faults": 0}
    value = dense if keys == "dense" else sparse
    yield {**common, **dict.fromkeys(("min", "p10", "p50", "p90", "p99", "p999", "max", "mean"),
                                     f"{value:.3f}"),
           "samples": 1, "metric": "bytes_per_entry", "unit": "bytes"}


def write_index(folder: Path, *plans: IndexPlan) -> Path:
    """Writes a report folder and gives it back."""
    return write_rows(folder, itertools.chain.from_iterable(map(rows_of, plans)), MACHINE)
