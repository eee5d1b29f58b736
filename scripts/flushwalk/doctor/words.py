"""The doctor's findings for a person: a table, and the few lines that scripts/run begins with."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any, Sequence

from flushwalk.doctor.checks import (
    PAIRS, Finding, Findings, Resolution, Seen, Verdict, resolved)

_COLOURS = {Verdict.GOOD: "green", Verdict.SPOILS: "red", Verdict.UNKNOWN: "yellow"}
_WIDTH = 120  # where it is no terminal
_SHORT_WIDTH = 100
_SHORT_LINES = 4
_MOST_CPUS = 8  # rows of the noise table; the quietest are drawn together


def print_all(seen: Seen, findings: Findings) -> None:
    """Everything, on standard output."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else _WIDTH, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, expand=True)
    for header, ratio in (("setting", 3), ("here", 4), ("verdict", 1), ("why it matters", 7)):
        table.add_column(header, ratio=ratio, min_width=len(header))
    for verdict in (Verdict.SPOILS, Verdict.UNKNOWN, Verdict.GOOD):
        table.add_section()
        for finding in findings.of(verdict):
            table.add_row(finding.check.name, escape(finding.value),
                          f"[{_COLOURS[verdict]}]{verdict.value}[/]", finding.check.why)
    console.print(table)
    if seen.noise is not None:
        console.print(_noise_table(seen.noise))
    for line in (*resolution_lines(seen.resolutions), *mending_lines(findings),
                 summary(findings)):
        console.print(line, markup=False, soft_wrap=True)  # commands are there to be copied


def mending_lines(findings: Findings) -> list[str]:
    """How to mend what spoils, a line each."""
    lines = [f"  {finding.check.name}: {finding.check.mend}"
             for finding in findings.of(Verdict.SPOILS)]
    return ["To mend what spoils:", *lines] if lines else []


def _noise_table(noise: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(title="What each CPU loses while it does nothing but read the clock, all at once",
                  title_justify="left")
    for header in ("CPU", "gaps over 1 us", "over 10 us", "over 100 us", "longest", "time lost"):
        table.add_column(header, justify="right")
    for row in noise_rows(noise):
        table.add_row(*row)
    return table


def noise_rows(noise: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each CPU, or for the noisiest of many, and one for all others. Gaps are those of a
    second."""
    by_loss = sorted(noise, key=lambda cpu: (not cpu["error"], -float(cpu["lost_percent"])))
    shown = by_loss if len(noise) <= _MOST_CPUS else by_loss[:_MOST_CPUS - 1]
    rows: list[tuple[str, ...]] = []
    for cpu in sorted(shown, key=lambda cpu: int(cpu["cpu"])):
        if cpu["error"]:
            rows.append((str(cpu["cpu"]), f"not watched: {cpu['error']}", "", "", "", ""))
            continue
        rows.append((str(cpu["cpu"]),
                     *(f"{cpu[f'gaps_over_{limit}us'] / cpu['seconds']:,.0f}/s"
                       for limit in (1, 10, 100)),
                     f"{cpu['longest_ns'] / 1000:,.0f} us", f"{cpu['lost_percent']:.2g} %"))
    rest = by_loss[len(shown):]
    if rest:
        longest = max(cpu["longest_ns"] for cpu in rest)
        rows.append((f"{len(rest)} others", "fewer", "", "", f"at most {longest / 1000:,.0f} us",
                     f"at most {rest[0]['lost_percent']:.2g} %"))
    return rows


def resolution_lines(resolutions: Sequence[Resolution] | None) -> list[str]:
    """What is resolved here, and how that was found out."""
    if resolutions is None:
        return []
    lines = [resolved(each) for each in resolutions]
    if lines:
        lines.append(
            f"Derived from {PAIRS} pairs of repetitions of the free list's walk and the "
            "xarray's, measured in turn as scripts/run does: half the width of the 95 % bootstrap "
            "interval of their ratio. Two runs differ by more: where memory comes to lie is not in "
            "it.")
    return lines or ["how small a difference can be resolved here could not be measured"]


def summary(findings: Findings) -> str:
    counts = ", ".join(f"{len(findings.of(verdict))} {words}" for verdict, words in (
        (Verdict.GOOD, "good"), (Verdict.SPOILS, "spoil"), (Verdict.UNKNOWN, "unknown")))
    return f"{len(findings.all)} settings: {counts}"


def short_lines(findings: Findings) -> list[str]:
    """What spoils, in a few lines."""
    spoiling = findings.of(Verdict.SPOILS)
    head = f"doctor: {summary(findings)}"
    if not spoiling:
        return [head]
    words = ", ".join(map(_in_short, spoiling))
    lines = textwrap.wrap(words, _SHORT_WIDTH - 2, break_on_hyphens=False)
    if len(lines) > _SHORT_LINES:
        lines = [*lines[:_SHORT_LINES - 1], f"{lines[_SHORT_LINES - 1].rstrip(', ')}, ..."]
    return [f"{head} (scripts/doctor tells why, and how to mend it)",
            *(f"  {line}" for line in lines)]


def _in_short(finding: Finding) -> str:
    return f"{finding.check.name}: {finding.value}"
