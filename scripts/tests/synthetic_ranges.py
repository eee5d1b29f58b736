"""Rows of flush_range_bench made up for the tests: an array costs a shootdown a range, a hull one and
a page walk for each GiB, and seeded noise."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from synthetic_report import MACHINE, Row, _times, write_rows

CALL_US = 20.0  # a shootdown of few pages
PAGE_US = 3.0  # of each page more, up to the ceiling
FULL_US = 50.0  # of everything
SUITE = 1.01  # over the loop by hand
GAPS = {"0": 0, "block": 1024, "255g": 255 << 18}


def time_us(gather: str, ranges: int, pages: int, gap: int) -> float:
    """A model that has a crossover: two ranges of a page are cheaper than a full flush, more are
    not."""
    span = ranges * pages + (ranges - 1) * gap
    if gather == "runs" and gap:
        return ranges * (CALL_US + PAGE_US * (pages - 1) if pages <= 33 else FULL_US)
    if gather == "full":
        return FULL_US * 1.02  # resolved from the hull
    return FULL_US if span > 33 else CALL_US + PAGE_US * (span - 1)


def rows_of(ranges: Sequence[int] = (1, 2, 4, 16), pages: Sequence[int] = (1, 8, 33, 34),
            gaps: Sequence[str] = tuple(GAPS), responders: Sequence[int] = (1,),
            repetitions: int = 8, with_controls: bool = True,
            change: Callable[[Row], None] | None = None) -> Iterator[Row]:
    noise = random.Random(4)
    cases = [(gather, "mprotect_range", count, each, gap, 0, "suite", present)
             for gap in gaps for count in ranges for each in pages for present in responders
             for gather in ("hull", "runs", "full")]
    if with_controls:
        cases += [(gather, kind, 4, 8, "block", 1536, "suite", responders[-1])
                  for kind in ("noop", "mprotect_range") for gather in ("hull", "runs")]
        cases += [("runs", "mprotect_range", 64, 8, "block", 0, code, 0)
                  for code in ("suite", "by_hand")]
        cases += [("runs", "dontneed", count, 8, "255g", 0, "suite", responders[-1])
                  for count in (2, 16)]
        cases.append(("hull", "cold_range", 2, 8, "255g", 0, "suite", 1))
    for repetition in range(repetitions):
        drift = noise.lognormvariate(0.0, 0.05)
        for case in cases:
            for row in _case(*case, repetition, drift * noise.lognormvariate(0.0, 0.004)):
                if change:
                    change(row)
                yield row


def _case(gather: str, shootdown: str, ranges: int, pages: int, gap: str, working_set: int,
          code: str, responders: int, repetition: int, noise: float) -> Iterator[Row]:
    middle = time_us(gather, ranges, pages, GAPS[gap])
    calls = ranges if gather == "runs" and GAPS[gap] else 1
    if shootdown == "noop":
        middle = 0.2 * calls
    if shootdown == "dontneed":
        middle, calls = FULL_US + ranges, 1
    shoots = shootdown != "noop" and responders > 0
    expected = 10 * calls * responders if shoots else 0
    common: Row = {
        "schema_version": 1, "bench": "flush_range_bench",
        "case": f"flush_range/gather:{gather}/shootdown:{shootdown}/ranges:{ranges}/pages:{pages}"
                f"/gap:{gap}/working_set:{working_set}/code:{code}/responders:{responders}",
        "repetition": repetition, "unit": "ns", "gather": gather, "shootdown": shootdown,
        "ranges": ranges, "pages": pages, "gap_pages": GAPS[gap], "working_set_pages": working_set,
        "code": code, "responders": responders, "placement": "compact", "initiator_cpu": 0,
        "responder_cpus": "1" if responders else "", "block_slots": 1024, "flushes": 1,
        "flushed_pages": ranges * pages, "flush_ranges": calls, "shootdown_calls": calls,
        "hull_pages": ranges * pages + (ranges - 1) * GAPS[gap],
        "shootdowns_expected": expected, "shootdowns_proven": expected, "context_switches": 0,
        "migrations": 0, "page_faults": 0, "valid": "true", "invalid_reason": "",
    }
    if expected:
        common["exact_flushes"] = 10 * responders - (repetition == 0)
    time = middle * 1000 * noise * (SUITE if code == "suite" else 1.0)
    initiator = {**common, "role": "initiator", "cpu": 0}
    yield {**initiator, **_times(time, 10), "metric": "shootdown_time"}
    read = {"noop": 5000.0}.get(shootdown, 6000.0)
    if working_set:
        yield {**initiator, **_times(read * noise, 10), "metric": "read_time"}
        yield {**initiator, **_times(800.0 * noise, 10), "metric": "reread_time"}
    if expected:
        responder = {**common, "role": "responder", "cpu": 1}
        yield {**responder, **_times(12000.0 * noise, 10), "metric": "stall"}
        if working_set:
            yield {**responder, **_times(17000.0 * noise, 9), "metric": "read_time"}
            yield {**responder, **_times(16000.0 * noise, 9), "metric": "reread_time"}


def write_report(folder: Path, machine: dict[str, Any] | None = None, **plan: Any) -> Path:
    return write_rows(folder, rows_of(**plan), machine or MACHINE)
