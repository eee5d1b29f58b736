"""Draws figures of report folders.

    scripts/plot [FIGURE|all] REPORT... [-o FILE.svg|.png|.pdf|.csv] [--scale log|linear]

Without -o, each figure goes to REPORT/figures as SVG, PNG and the CSV of what it draws. With -o,
one figure is written, and the sentence that says what it shows is printed. Several reports, of two
machines for instance, are drawn into one figure, told apart by their lines; that needs -o.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Sequence

from flushwalk import cli
from flushwalk.drawings import FILE_TYPES, Drawn, collect
from flushwalk.figures import FIGURES
from flushwalk.figures.base import Figure
from flushwalk.figures.style import LINEAR, LOG, MOST_MACHINES, WIDE
from flushwalk.results import ReportError, Results, load


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.Parser(
        prog="plot", usage="scripts/plot [FIGURE|all] REPORT... [-o FILE] [--scale log|linear]",
        description="Draws figures of report folders. FIGURE is one of: " + ", ".join(FIGURES))
    parser.add_argument("words", metavar="FIGURE|all|REPORT", nargs="*",
                        help="a figure's name first (default: all), then report folders")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path,
                        help="where to write the figure: .svg, .png, .pdf or .csv, its "
                             "table (default: REPORT/figures)")
    parser.add_argument("--scale", choices=(LOG, LINEAR),
                        help="scale of times, ratios and counts, with -o (default: the figure's)")
    parser.add_argument("--list", action="store_true", help="list the figures, and exit")
    options: Any = parser.parse_intermixed_args(arguments)

    def work() -> int:
        if options.list:
            for figure in FIGURES.values():
                print(f"{figure.name:22} {figure.title}")
            return 0
        return _plot(options.words, options.output, options.scale)

    return cli.run("plot", work)


def _plot(words: Sequence[str], output: Path | None, scale: str | None) -> int:
    names, folders = _split(words)
    if output is not None and len(names) != 1:
        raise ReportError(f"-o {output}: name the one figure to write: {', '.join(FIGURES)}")
    if output is None and (len(folders) > 1 or scale is not None):
        what = "several reports are drawn into one figure" if scale is None else (
            f"--scale={scale} is of one figure")
        raise ReportError(f"{what}: name it, and say where with -o FILE")
    if output is not None:
        _check(FIGURES[names[0]], output, folders, scale)
    results = load(folders)
    drawn = collect(results, names)
    if not drawn:
        raise ReportError(f"{folders[0]}: {_no_rows(names)}")
    if output is not None:
        return _plot_one(drawn[names[0]], results, output, scale)
    for name in names:
        if name not in drawn:
            print(f"{name}: no valid rows (needs {_needs(FIGURES[name])})")
            continue
        for path in drawn[name].write(folders[0] / "figures"):
            print(path)
    return 0


def _check(figure: Figure, output: Path, folders: Sequence[Path], scale: str | None) -> None:
    """What can be refused before anything is read."""
    if output.suffix.lower() not in FILE_TYPES:
        raise ReportError(f"-o {output}: a name ending in {', '.join(FILE_TYPES)} is wanted")
    if scale is not None and scale not in figure.scales:
        raise ReportError(f"--scale={scale}: {figure.name} has the {figure.scales[0]} scale only: "
                          f"{figure.one_scale}")
    if len(folders) > 1 and figure.one_report:
        others = ", ".join(name for name, other in FIGURES.items() if not other.one_report)
        raise ReportError(f"{figure.name} shows one report: {figure.one_report} "
                          f"(several: {others})")
    if len(folders) > MOST_MACHINES:
        raise ReportError(f"{len(folders)} reports: at most {MOST_MACHINES} can be told apart in "
                          "one figure")


def _plot_one(drawn: Drawn, results: Results, output: Path, scale: str | None) -> int:
    shown = set(drawn.frame["report"])
    for report in results.reports:
        if report.label not in shown:
            raise ReportError(f"{report.folder}: {_no_rows([drawn.figure.name])}")
    drawn.write_one(output, replace(WIDE, scale=scale or drawn.figure.scales[0]))
    print(output)
    for report in results.reports:
        ours = drawn.frame[drawn.frame["report"] == report.label]
        name = f"{report.label}: " if len(shown) > 1 else ""
        print(f"{name}{drawn.figure.sentence(ours)}")
    return 0


def _no_rows(names: Sequence[str]) -> str:
    return f"no valid rows for {', '.join(names)} (needs {_needs(FIGURES[names[0]])})"


def _needs(figure: Figure) -> str:
    return f"{figure.bench} {figure.needs}".rstrip()


def _split(words: Sequence[str]) -> tuple[list[str], list[Path]]:
    """The figures and the report folders that the words name."""
    names, rest = list(FIGURES), list(words)
    if rest and rest[0] in (*FIGURES, "all"):
        first = rest.pop(0)
        names = names if first == "all" else [first]
    elif rest and not Path(rest[0]).exists() and (len(rest) > 1 or "/" not in rest[0]):
        raise ReportError(f"{rest[0]}: neither a figure ({', '.join(FIGURES)}, all) nor a report "
                          "folder")
    if not rest:
        raise ReportError("no report folder was given: scripts/plot [FIGURE|all] REPORT...")
    return names, [Path(word) for word in rest]


if __name__ == "__main__":
    sys.exit(main())
