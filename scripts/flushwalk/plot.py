"""Draws figures of report folders.

    scripts/plot [FIGURE|all] REPORT... [-o FILE.svg|.png|.pdf]

Without -o, each figure goes to REPORT/figures as SVG, PNG and the CSV of what it draws. Several
reports are drawn into one figure, a panel each; that needs -o.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Sequence

from flushwalk import cli
from flushwalk.drawings import collect
from flushwalk.figures import FIGURES
from flushwalk.results import ReportError, load


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.Parser(
        prog="plot", usage="scripts/plot [FIGURE|all] REPORT... [-o FILE]",
        description="Draws figures of report folders. FIGURE is one of: " + ", ".join(FIGURES))
    parser.add_argument("words", metavar="FIGURE|all|REPORT", nargs="*",
                        help="a figure's name first (default: all), then report folders")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path,
                        help="where to write the figure: .svg, .png or .pdf "
                             "(default: REPORT/figures)")
    parser.add_argument("--list", action="store_true", help="list the figures, and exit")
    options: Any = parser.parse_intermixed_args(arguments)

    def work() -> int:
        if options.list:
            for figure in FIGURES.values():
                print(f"{figure.name:22} {figure.title}")
            return 0
        return _plot(options.words, options.output)

    return cli.run("plot", work)


def _plot(words: Sequence[str], output: Path | None) -> int:
    names, folders = _split(words)
    if output is not None and len(names) != 1:
        raise ReportError(f"-o {output}: name the one figure to write: {', '.join(FIGURES)}")
    if output is None and len(folders) > 1:
        raise ReportError("several reports are drawn into one figure: say where with -o FILE")
    drawn = collect(load(folders), names)
    if not drawn:
        needs = FIGURES[names[0]].needs
        raise ReportError(f"{folders[0]}: no valid rows for {', '.join(names)} (needs {needs})")
    for name in names:
        if name not in drawn:
            figure = FIGURES[name]
            print(f"{name}: no valid rows (needs {figure.bench} {figure.needs})")
        elif output is not None:
            drawn[name].write_one(output)
            print(output)
        else:
            for path in drawn[name].write(folders[0] / "figures"):
                print(path)
    return 0


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
