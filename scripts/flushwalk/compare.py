"""Compares two report folders, or what was sampled in turn within one.

    scripts/compare A B     two kernels, machines or settings: B against A, case by case
    scripts/compare A       the pairs of one run: each walk against the one named first, and so on
    scripts/compare --self-test

Contract: prints to standard output; --csv, --markdown and --html write files, each whole or not at
all. Exit 0; 2 for bad input; 3 where --gate found a slowdown; 1 where the self-test failed.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from pathlib import Path
from typing import Any, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from flushwalk import cli, self_test
from flushwalk.comparisons import Comparison, exceeding, pairs_of, runs
from flushwalk.compare_document import CSV_COLUMNS, Compared, csv_rows, headings, sections
from flushwalk.document import Bullets, Numbers, Paragraph, Section, markdown
from flushwalk.files import write_whole
from flushwalk.machine_differences import differences
from flushwalk.machine_facts import is_emulated
from flushwalk.report import html
from flushwalk.results import ReportError, Results, load

EXIT_GATE = 3
_GATE = re.compile(r"slower=([0-9]{1,4}(?:\.[0-9]{1,6})?)%")
_NO_TERMINAL = 1000  # columns: what goes into a file or a pipe is not folded


def _gate(text: str) -> float:
    """0.05 of "slower=5%"."""
    found = _GATE.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not slower=PERCENT%, as slower=5% or slower=0.5%")
    return float(found[1]) / 100


def _metrics(text: str) -> list[str]:
    names = text.split(",")
    if not all(re.fullmatch(r"[a-z_]+", name) for name in names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of metrics, as flush_time,stall")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        prog="compare", usage="scripts/compare A [B] [options] | scripts/compare --self-test",
        description="Compares two report folders case by case (B against A), or the pairs within "
                    "one. Exit 0; 2: bad input; 3: the gate found a slowdown.")
    add = parser.add_argument
    add("reports", metavar="REPORT", nargs="*", type=Path, help="one report folder or two")
    add("--metric", metavar="LIST", type=_metrics, default=[],
        help="what to compare, as flush_time,stall (default: of each bench what it is about)")
    add("--gate", metavar="slower=N%", type=_gate,
        help="exit 3 where B is slower than A by more than N %%: the 95 %% interval's lower end is, "
             "and a test at 2.5 %%, corrected for the number of comparisons (Holm)")
    add("--all", action="store_true", help="print what is not resolved as well")
    add("--csv", metavar="FILE", type=Path, help="write every comparison there")
    add("--markdown", metavar="FILE", type=Path, help="write it for a mail or a pull request")
    add("--html", metavar="FILE", type=Path, help="write it as a page that opens offline")
    add("--self-test", action="store_true",
        help="measure identical work and planted delays here, and say what was found of them")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options: Any = parser.parse_args(arguments)
    if options.self_test:
        if options.reports or options.gate is not None:
            parser.error("--self-test measures by itself: no report folder and no --gate with it")
        return cli.run("compare", self_test.run)
    if len(options.reports) not in (1, 2):
        parser.error(f"one report folder or two are wanted, not {len(options.reports)}")
    if options.gate is not None and len(options.reports) == 1:
        parser.error("--gate needs two report folders: A and B")
    return cli.run("compare", lambda: _compare(options))


def _compare(options: Any) -> int:
    if len(options.reports) == 2 and len({path.resolve() for path in options.reports}) == 1:
        raise ReportError(f"{options.reports[1]}: the same folder as A")
    read = [load([path]) for path in options.reports]
    compared = _compared(read, options.metric)
    for path, data in _files(options, compared):
        write_whole(path, data)
    _print(compared, options.all)
    for path, _ in _files(options, compared):
        print(path)
    if options.gate is None:
        return 0
    return _tell_gate(exceeding(*read, compared.table, options.gate), options.gate)


def _compared(read: Sequence[Results], metrics: Sequence[str]) -> Compared:
    reports = [each.reports[0] for each in read]
    if len(read) == 1:
        return Compared(reports[0], None, (), pairs_of(read[0], metrics))
    for report in reports:
        if is_emulated(report.machine):
            raise ReportError(f"{report.folder}: its CPUs were emulated, so its times are no "
                              "machine's: not beside another report")
    return Compared(*reports, differences(*(report.machine for report in reports)),
                    runs(*read, metrics))


def _files(options: Any, compared: Compared) -> list[tuple[Path, bytes]]:
    """What is to be written where."""
    makers = ((options.csv, _csv), (options.markdown, _markdown), (options.html, _html))
    return [(path, make(compared).encode()) for path, make in makers if path is not None]


def _csv(compared: Compared) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CSV_COLUMNS)
    writer.writeheader()
    writer.writerows(csv_rows(compared.table))
    return text.getvalue()


def _markdown(compared: Compared) -> str:
    return markdown(*headings(compared), sections(compared))


def _html(compared: Compared) -> str:
    return html(*headings(compared), sections(compared), {})


def _tell_gate(found: Sequence[Comparison], bound: float) -> int:
    if not found:
        print(f"gate: nothing is slower by more than {100 * bound:g} %")
        return 0
    for each in found:
        print(f"gate: {each.case} {each.metric}: {each.ratio.ratio:.3g}x (95 % interval "
              f"{each.ratio.low:.3g}-{each.ratio.high:.3g}), slower by more than "
              f"{100 * bound:g} %")
    return EXIT_GATE


def _print(compared: Compared, everything: bool) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _NO_TERMINAL
    for line in headings(compared):
        console.print(Text(line, style="bold"))
    for section in sections(compared):
        _print_section(console, section, everything)


def _print_section(console: Console, section: Section, everything: bool) -> None:
    console.print()
    console.print(Text(section.title, style="bold"))
    for block in section.blocks:
        if isinstance(block, Paragraph):
            console.print(Text(block.text))
        elif isinstance(block, Bullets):
            for item in block.items:
                console.print(Text(f"- {item}"))
        elif isinstance(block, Numbers) and (everything or not block.folded):
            console.print(Text(block.caption, style="italic"))
            console.print(_grid(block))
        elif isinstance(block, Numbers):
            console.print(Text(f"{block.caption}: --all prints them"))


def _grid(block: Numbers) -> Grid:
    """Without columns that say nothing."""
    table = block.table
    shown = [i for i in range(len(table.headers))
             if any(row[i] not in ("-", "") for row in table.rows)]
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for i in shown:
        words = i < table.words
        grid.add_column(Text(table.headers[i]), justify="left" if words else "right",
                        overflow="fold", no_wrap=not words)
    for row in table.rows:
        grid.add_row(*(Text(row[i]) for i in shown))
    return grid


if __name__ == "__main__":
    sys.exit(main())
