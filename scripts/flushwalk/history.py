"""An index page over report folders: each run's machine and headline figures, the newest first.

    scripts/report --index [FOLDER]

Contract: writes FOLDER/index.html (one file, needs no network and no scripts) and FOLDER/index.md.
What is read off a run's rows is kept beside them in headline.json, and made anew when they are other
rows: reading those of a full set takes seconds. A folder that has rows which cannot be read is in
the index, with the reason.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional
from urllib.parse import quote

import jinja2
import pandas as pd

from flushwalk import answer, measures, wording
from flushwalk.document import Numbers, Paragraph, Section, markdown
from flushwalk.facts import UNKNOWN, Facts
from flushwalk.figures.base import Table
from flushwalk.files import write_whole
from flushwalk.machine_facts import is_emulated
from flushwalk.results import MACHINE, MEASUREMENTS, RUN, ReportError, Results, load
from flushwalk.statistics import BASELINE_WALK, with_ratios

HEADLINE = "headline.json"
_VERSION = 1
_TITLE = "flushwalk: all runs"
_PATCHED = "xarray"
_NONE = "-"
_HEADERS = ("run", "measured", "machine", "kernel", "shootdowns", "at", "xarray / free list",
            "a visited block", "one shootdown", "valid rows")
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Entry:
    """One run: its cells in the order of _HEADERS; link: its report, relative to the index."""

    created: str
    cells: tuple[str, ...]
    link: Optional[str]
    emulated: bool


def write_index(folder: Path) -> list[Path]:
    """Writes both pages and gives their paths. Raises ReportError where there is no run, OSError."""
    if not folder.is_dir():
        raise ReportError(f"{folder}: no such folder; one that holds report folders is wanted")
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    found = [_entry(path) for path in inner
             if (path / MEASUREMENTS).exists() or (path / MACHINE).exists()]
    if not found:
        raise ReportError(f"{folder}: no report folder in it (scripts/run makes one)")
    # The newest first; two of one second, and those of an unknown date, by name.
    entries = sorted(found, key=lambda entry: entry.created, reverse=True)
    pages = {"index.html": _html(entries), "index.md": _markdown(entries)}
    for name, text in pages.items():
        write_whole(folder / name, text.encode())
    return [folder / name for name in pages]


def headline(results: Results) -> dict[str, Any]:
    """The headline figures of one run's rows, as JSON values; null for what was not measured."""
    rows = measures.walk_rows(results)
    cases = measures.at_usual_size(with_ratios(measures.costs(rows), rows))
    by_walk = {str(case["walk"]): case for _, case in cases.iterrows()}
    shootdowns = answer.told_shootdown(results, cases)
    return {
        "rows": len(results.rows),
        "valid_rows": len(results.valid),
        "at": wording.held_axes(cases, ("blocks", "full_percent", "queues")) if by_walk else None,
        "ratio": _ratio(by_walk.get(_PATCHED)),
        "visited_block_ns": {walk: _block(by_walk.get(walk)) for walk in (BASELINE_WALK, _PATCHED)},
        "shootdown": _shootdown(shootdowns),
    }


def _ratio(case: Optional[pd.Series]) -> Optional[dict[str, Any]]:
    if case is None or not case["pairs"] or math.isnan(case["ratio_low"]):
        return None
    return {"value": float(case["ratio"]), "low": float(case["ratio_low"]),
            "high": float(case["ratio_high"]), "verdict": str(case["verdict"])}


def _block(case: Optional[pd.Series]) -> Optional[float]:
    if case is None or not case["visited_blocks"] > 0:
        return None
    return float(case["p50_ns"] / case["visited_blocks"])


def _shootdown(table: pd.DataFrame) -> Optional[dict[str, Any]]:
    if table.empty:
        return None
    case = table.sort_values("walk_ns").iloc[0]
    return {"backend": str(case["shootdown"]), "responders": int(case["responders"]),
            "ns": float(case["shootdown_ns"] / case["shootdown_calls"])}


def _kept_or_made(folder: Path) -> dict[str, Any]:
    """The headline of the folder's rows. Raises ReportError and OSError."""
    size = (folder / MEASUREMENTS).stat().st_size
    kept = _json(folder / HEADLINE)
    if (kept.value("schema_version"), kept.value("measurements_bytes")) == (_VERSION, size):
        return dict(kept.values)
    made = {"schema_version": _VERSION, "measurements_bytes": size, **headline(load([folder]))}
    write_whole(folder / HEADLINE, (json.dumps(made, indent=2) + "\n").encode())
    return made


def _json(path: Path) -> Facts:
    """The object in a file; an empty one where there is none that can be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Facts()
    return Facts(values) if isinstance(values, Mapping) else Facts()


def _entry(folder: Path) -> Entry:
    machine, run = _json(folder / MACHINE), _json(folder / RUN)
    created = machine.text("created")
    emulated = is_emulated(machine)
    model = machine.text("cpu.model")
    usable = machine.text("topology.usable_cpus")
    where = ", ".join([model, *([f"CPUs {usable}"] if usable != UNKNOWN else []),
                       *(["EMULATED: its times mean nothing"] if emulated else [])])
    report = next((name for name in ("report.html", "report.md") if (folder / name).exists()), None)
    name = run.value("name")
    return Entry(
        created if created != UNKNOWN else "",
        (f"{name} ({folder.name})" if name else folder.name, created.replace("T", " "), where,
         machine.text("kernel.release"), _shootdowns_of(machine), *_figures(folder)),
        f"{quote(folder.name)}/{report}" if report is not None else None, emulated)


def _shootdowns_of(machine: Facts) -> str:
    """paravirtual, guest (kvm); ipi, no guest."""
    vendor = machine.text("hypervisor.vendor")
    guest = {UNKNOWN: "guest or not: unknown", "none": "no guest"}.get(vendor, f"guest ({vendor})")
    return f"{machine.text('shootdowns.mechanism')}, {guest}"


def _figures(folder: Path) -> tuple[str, ...]:
    """The last five cells: what the rows say, or why they say nothing."""
    if not (folder / MEASUREMENTS).exists():
        return (_NONE,) * 4 + ("its rows are not here",)
    try:
        said = Facts(_kept_or_made(folder))
    except (ReportError, OSError) as error:
        return (_NONE,) * 4 + (f"cannot be read: {str(error).replace(f'{folder}/', '')}",)
    ratio, blocks = said.value("ratio"), said.value("visited_block_ns") or {}
    shootdown = said.value("shootdown")
    rows, valid = said.value("rows"), said.value("valid_rows")
    return (
        said.value("at") or _NONE,
        _NONE if ratio is None else (
            f"{wording.three_digits(ratio['value'])}x ({wording.three_digits(ratio['low'])}-"
            f"{wording.three_digits(ratio['high'])}: {ratio['verdict']})"),
        " / ".join(wording.time(value) if value is not None else _NONE for value in (
            blocks.get(BASELINE_WALK), blocks.get(_PATCHED))),
        _NONE if shootdown is None else (
            f"{wording.time(shootdown['ns'])} ({shootdown['backend']}, "
            f"{wording.count(shootdown['responders'], 'responder')})"),
        f"{wording.share(valid, rows)} of {wording.count(rows)}",
    )


_EXPLAINED = (
    "xarray / free list: a flush without its shootdown, medians of pairs with their 95 % interval, "
    "at the size beside it. A visited block: free list / xarray. Invalid rows are in no figure. "
    "Times of different machines do not compare; those of emulated ones mean nothing.")


def _markdown(entries: list[Entry]) -> str:
    rows = tuple((f"[{entry.cells[0]}]({entry.link})" if entry.link else entry.cells[0],
                  *entry.cells[1:]) for entry in entries)
    table = Numbers(_EXPLAINED, Table(_HEADERS, rows, words=len(_HEADERS)))
    return markdown(_TITLE, _count(entries), [Section("runs", "Runs", (Paragraph(
        "The newest first."), table))])


def _count(entries: list[Entry]) -> str:
    emulated = sum(entry.emulated for entry in entries)
    more = f", {emulated} of them of emulated machines" if emulated else ""
    return f"{wording.count(len(entries), 'run')}{more}."


def _html(entries: list[Entry]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    page: str = environment.get_template("index.html.j2").render(
        title=_TITLE, count=_count(entries), explained=_EXPLAINED, headers=_HEADERS,
        entries=entries)
    return page
