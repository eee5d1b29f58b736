"""Report folders, read: the files of one or several runs.

Contract: `load` gives every readable row, valid or not, as one table with a `report` column; the
selections below (`flushes`, `stalls`) give valid rows only, so whatever draws or answers from them
never meets an invalid one. What had to be left out is in `Report.notes`. A folder that cannot be
used at all raises ReportError, whose text is one line for a person. reports/SCHEMA.md tells what
the files hold.
"""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flushwalk.facts import UNKNOWN, Facts
from flushwalk.machine_facts import is_emulated

SCHEMA_VERSION = 1
MEASUREMENTS = "measurements.csv"
MACHINE = "machine.json"
RUN = "run.json"  # written by scripts/run
STALE_ALIAS = "stale_alias.json"  # what the tool of that name found
THREAD = "thread.json"  # what thread_answers found

# What a case is made of, besides its walk. Two rows which agree in all of these and in the
# repetition, and differ in the walk, were sampled in turn: they are a pair.
AXES = (
    "bench", "check", "gather", "shootdown", "blocks", "full_percent", "dirty_percent",
    "dirty_slots", "spread", "descriptors", "index", "queues", "responders", "placement",
)
STATISTICS = ("min", "p10", "p50", "p90", "p99", "p999", "max", "mean")
OUTCOMES = (
    "operations", "visited_blocks", "listed_blocks", "block_locks", "dirty_blocks",
    "dirty_blocks_total", "purged_blocks", "created_blocks", "failed_allocs", "stale_slots",
    "probed_pages", "stale_aliases", "window_aliases",
    "flushes", "flushed_pages", "flush_ranges", "hull_pages", "shootdown_calls", "exact_flushes",
    "lock_waits", "unproven_operations", "unproven_away", "unproven_ran_on", "unproven_long",
    "stray_gaps",
)
PROOF = ("shootdowns_expected", "shootdowns_proven", "tlb_interrupts", "context_switches",
         "migrations", "page_faults")
UNITS = ("ns", "operations/s", "bytes", "percent")

COLUMNS = (
    "schema_version", "bench", "case", "repetition", "role", "cpu", "metric", "unit",
    *STATISTICS, "samples", "revision", "workload", "walk", "check", "gather", "shootdown",
    "blocks", "full_percent", "dirty_percent", "dirty_slots", "spread", "descriptors", "index",
    "queues", "threads", "pages", "freeing", "flusher", "last_free", "flush_every", "container",
    "operation", "arm", "keys", "entries", "ranges", "gap_pages", "working_set_pages", "code",
    "page_size", "responder_does", "rate", "initiators", "injected_delay_ns", "responders",
    "placement", "initiator_cpu", "responder_cpus", "memory_node", "block_slots", "order_seed", *OUTCOMES,
    *PROOF, "valid", "invalid_reason",
)
_WORDS = frozenset({
    "bench", "case", "role", "metric", "unit", "revision", "workload", "walk", "check", "gather",
    "shootdown", "spread", "descriptors", "index", "freeing", "flusher", "last_free", "container",
    "operation", "arm", "keys", "code", "page_size", "responder_does", "placement",
    "responder_cpus", "valid", "invalid_reason",
})
# Columns that came later: a file without them reads as if their cells were empty.
_ADDED = frozenset({
    "spread", "descriptors", "index", "revision", "workload", "threads", "pages", "freeing",
    "flusher", "flush_every", "container", "operation", "keys", "entries", "operations",
    "purged_blocks", "created_blocks", "failed_allocs", "flushes", "flushed_pages", "lock_waits",
    "ranges", "gap_pages", "working_set_pages", "code", "exact_flushes",
    "last_free", "probed_pages", "stale_aliases", "window_aliases", "arm", "page_size",
    "responder_does", "rate", "initiators", "unproven_operations", "unproven_away",
    "unproven_ran_on", "unproven_long", "stray_gaps", "injected_delay_ns", "order_seed",
    "memory_node",
})
# What flush_walk_bench did before these columns came: its empty cells read so.
_BEFORE = {"spread": "even", "descriptors": "in_order", "index": "kernel"}
_NEVER_EMPTY = frozenset({"schema_version", "repetition", "samples", "shootdowns_expected",
                          "shootdowns_proven"})
NUMBERS = tuple(name for name in COLUMNS if name not in _WORDS)
# The axes that each row of a bench has.
_AXES_OF = {
    "flush_walk_bench": frozenset({"blocks", "full_percent", "dirty_percent", "dirty_slots",
                                   "queues", "responders", "block_slots"}),
}


class ReportError(Exception):
    """A report folder that cannot be used; the text is one line that says why."""


@dataclass(frozen=True)
class Report:
    """One folder: where it is, what to call it, what its JSON files tell (nothing, where one is
    missing), and what was odd when reading it."""

    folder: Path
    label: str
    machine: Facts
    run: Facts
    stale_alias: Facts
    thread: Facts
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """The rows of one or several reports."""

    reports: tuple[Report, ...]
    rows: pd.DataFrame

    @cached_property
    def valid(self) -> pd.DataFrame:
        return self.rows[self.rows["valid"]]

    @property
    def invalid(self) -> pd.DataFrame:
        return self.rows[~self.rows["valid"]]

    def only(self, report: Report) -> Results:
        """The rows of one of the reports."""
        if len(self.reports) == 1:
            return self
        return Results((report,), self.rows[self.rows["report"] == report.label])

    def flushes(self) -> pd.DataFrame:
        """Valid times of a flush (ns), one row for each case and repetition. Arms with an injected
        delay are left out, here and in all that follow."""
        return self._select("flush_walk_bench", "initiator", "flush_time")

    def parts(self, metric: str) -> pd.DataFrame:
        """Valid times (ns) of a flush's parts, walk_time or shootdown_time, of flushes that have a
        shootdown; rows as in flushes()."""
        return self._select("flush_walk_bench", "initiator", metric)

    def stalls(self) -> pd.DataFrame:
        """Valid stalls (ns) of the responders, one row for each case, repetition and responder."""
        return self._select("flush_walk_bench", "responder", "stall")

    def alloc_free(self, role: str, metric: str) -> pd.DataFrame:
        """Valid rows of alloc_free_bench, in the metric's unit; a row for each case, repetition
        and, of role worker, thread."""
        return self._select("alloc_free_bench", role, metric)

    def indexes(self, metric: str) -> pd.DataFrame:
        """Valid rows of xarray_bench, one for each case and repetition: operation_time (ns an
        operation) or bytes_per_entry."""
        return self._select("xarray_bench", "initiator", metric)

    def rounds(self, metric: str) -> pd.DataFrame:
        """Valid times (ns) of patch_series_bench: round_time, or flush_time, the part of the same
        rounds that is unmap_aliases; one row for each case and repetition."""
        return self._select("patch_series_bench", "initiator", metric)

    def range_flushes(self, metric: str, role: str = "initiator") -> pd.DataFrame:
        """Valid times (ns) of flush_range_bench: shootdown_time, read_time or reread_time, also of
        role responder but the first; one row for each case, repetition and thread."""
        return self._select("flush_range_bench", role, metric)

    def shootdowns(self, metric: str, role: str = "initiator") -> pd.DataFrame:
        """Valid rows of shootdown_bench, in the metric's unit; one for each case, repetition and
        thread."""
        return self._select("shootdown_bench", role, metric)

    def _select(self, bench: str, role: str, metric: str) -> pd.DataFrame:
        places = self._places.get((bench, role, metric), [])
        return self.valid.iloc[places]

    @cached_property
    def _places(self) -> Mapping[Any, Any]:
        """Where in the valid rows those of a bench, role and metric lie that have samples."""
        rows = self.valid
        has_samples = ((rows["samples"] > 0) & rows["p50"].notna()
                       & rows["injected_delay_ns"].isna())
        key = rows[["bench", "role", "metric"]].reset_index(drop=True)
        return key[has_samples.to_numpy()].groupby(["bench", "role", "metric"]).groups


def load(folders: Iterable[Path | str]) -> Results:
    """Reads the folders in the order given. Raises ReportError where one cannot be used, or one of
    several is of an emulated machine."""
    paths = [Path(folder) for folder in folders]
    if not paths:
        raise ReportError("no report folder was given")
    reports = []
    tables = []
    odd: list[list[str]] = [[] for _ in paths]
    runs = [_read_facts(path / RUN, notes, optional=True) for path, notes in zip(paths, odd)]
    machines = [_read_facts(path / MACHINE, notes) for path, notes in zip(paths, odd)]
    labels = _labels(paths, runs, machines)
    for path, run, machine, label, notes in zip(paths, runs, machines, labels, odd):
        table, unread = _read_measurements(path)
        notes[:0] = unread
        if len(paths) > 1 and is_emulated(machine):
            raise ReportError(f"{path}: its CPUs were emulated, so its times are no machine's: not "
                              "beside another report")
        stale_alias = _read_facts(path / STALE_ALIAS, notes, optional=True)
        thread = _read_facts(path / THREAD, notes, optional=True)
        table.insert(0, "report", label)
        reports.append(Report(path, label, machine, run, stale_alias, thread, tuple(notes)))
        tables.append(table)
    return Results(tuple(reports), pd.concat(tables, ignore_index=True))


def _labels(paths: Sequence[Path], runs: Sequence[Facts], machines: Sequence[Facts]) -> list[str]:
    """What the run was named; else, of several reports of machines that differ, the machine; else
    the folder's name. Where two are alike, the paths."""
    known = [", ".join(text for text in map(machine.text, ("host", "cpu.model", "kernel.release"))
                       if text != UNKNOWN) for machine in machines]
    differ = len(paths) > 1 and all(known) and len(set(known)) == len(known)
    names = [str(run.value("name") or (words if differ else path.resolve().name) or path)
             for path, run, words in zip(paths, runs, known)]
    return [name if names.count(name) == 1 else str(path) for name, path in zip(names, paths)]


def _read_measurements(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "no such folder"
        raise ReportError(f"{folder}: {what}; a report folder (made by scripts/run) is wanted")
    path = folder / MEASUREMENTS
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise ReportError(f"{path}: no such file; is {folder} a report folder?") from None
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror or error}") from None
    notes = []
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        notes.append(f"{MEASUREMENTS}: the last line is torn (the run was killed); left out")
    table, bad = _records(path, text)
    if bad:
        lines = ", ".join(f"line {number} ({why})" for number, why in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        notes.append(f"{MEASUREMENTS}: unreadable and left out: {lines}{more}")
    if table.empty:
        raise ReportError(f"{path}: no rows" + (f" that can be read: {notes[-1]}" if bad else ""))
    flushes = table["bench"] == "flush_walk_bench"
    for name, value in _BEFORE.items():
        table.loc[flushes & (table[name] == ""), name] = value
    table["valid"] = table["valid"] == "true"
    # A folder to which a second run was appended has the same repetition twice: number them.
    key = ["case", "repetition", "role", "cpu", "metric"]
    table["attempt"] = table.groupby(key, dropna=False).cumcount()
    return table, notes


def _records(path: Path, text: str) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """The readable records, their numbers converted, and line and fault of each that is not."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, None)
    if not header:
        raise ReportError(f"{path}: no rows, not even a header")
    missing = [name for name in COLUMNS if name not in header and name not in _ADDED]
    if missing:
        shown = ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")
        raise ReportError(f"{path}: columns are missing: {shown}")
    version_at = header.index("schema_version")
    records: list[list[str]] = []
    lines: list[int] = []
    bad: list[tuple[int, str]] = []
    try:
        for record in reader:
            if len(record) != len(header):
                bad.append((reader.line_num, f"{len(record)} fields instead of {len(header)}"))
                continue
            if record[version_at] != str(SCHEMA_VERSION):
                raise ReportError(
                    f"{path}: line {reader.line_num}: schema_version is "
                    f"{record[version_at] or 'empty'}; this program reads {SCHEMA_VERSION}")
            records.append(record)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ReportError(f"{path}: line {reader.line_num}: {error}") from None
    columns = zip(*records) if records else ([] for _ in header)
    table, faults = _converted(dict(zip(header, columns)))
    bad += [(lines[row], fault) for row, fault in faults.items()]
    return table, sorted(bad)


def _converted(cells: Mapping[str, Sequence[str]]) -> tuple[pd.DataFrame, dict[int, str]]:
    """The table of the rows that can be read, and the first fault of each of the others by row."""
    words = {name: np.array(column, dtype=object) for name, column in cells.items()}
    count = len(words["bench"])
    words.update({name: np.full(count, "", dtype=object)
                  for name in sorted(_ADDED.difference(words))})
    faults: dict[int, str] = {}

    def mark(name: str, wrong: NDArray[np.bool_], wanted: str) -> None:
        for row in np.flatnonzero(wrong):
            faults.setdefault(int(row), f"{name} is {words[name][row] or 'empty'}, {wanted}")

    mark("valid", ~np.isin(words["valid"], ("true", "false")), "not true or false")
    mark("unit", ~np.isin(words["unit"], UNITS), f"not one of {', '.join(UNITS)}")
    numbers = {}
    for name in NUMBERS:
        empty = words[name] == ""
        numbers[name] = _numbers(words[name])
        wanted = np.full(count, name in _NEVER_EMPTY)
        for bench, axes in _AXES_OF.items():
            if name in axes:
                wanted |= words["bench"] == bench
        mark(name, np.isnan(numbers[name]) & (wanted | ~empty), "not a number")
    kept = np.ones(count, dtype=bool)
    kept[list(faults)] = False
    return pd.DataFrame({name: _narrowed(numbers[name][kept]) if name in numbers else column[kept]
                         for name, column in words.items()}), faults


def _numbers(texts: NDArray[Any]) -> NDArray[np.float64]:
    """What the texts say; NaN for those that say no finite number. A text is read once."""
    codes, different = pd.factorize(texts)
    values = np.array([_number(text) for text in different], dtype=np.float64)
    return values[codes] if len(values) else np.empty(0)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and "_" not in text else math.nan


def _narrowed(values: NDArray[np.float64]) -> NDArray[Any]:
    """Integers where all are whole."""
    whole = bool(np.all(np.isfinite(values)) and np.all(values == np.floor(values)))
    return values.astype(np.int64) if whole else values


def _read_facts(path: Path, notes: list[str], optional: bool = False) -> Facts:
    """The JSON object in a file; none, and a note, where there is none that can be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return Facts(values)
        notes.append(f"{path.name} is not an object; left out")
    except FileNotFoundError:
        if not optional:
            notes.append(f"{path.name} is missing: what it tells is unknown")
    except (OSError, ValueError):
        notes.append(f"{path.name} cannot be read; left out")
    return Facts()
