"""Makes a report folder's figures, report.md and report.html; or an index over several.

    scripts/report [--mail] REPORT
    scripts/report --index [FOLDER]

Contract: reads measurements.csv and machine.json; writes figures/NAME.{svg,png,csv}, report.md and
report.html, each whole or not at all, and prints their paths and the answer. report.html is one
file that needs no network and no scripts. With --mail it prints the report as plain text instead.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Mapping, Sequence

import jinja2

from flushwalk import cli
from flushwalk.answer import answer_lines
from flushwalk.document import Section, markdown
from flushwalk.drawings import Inline, collect, make_all
from flushwalk.facts import UNKNOWN
from flushwalk.figures import FIGURES
from flushwalk.figures.style import PAINTS
from flushwalk.files import write_whole
from flushwalk.history import write_index
from flushwalk.mail import mail
from flushwalk.results import Results, load
from flushwalk.sections import SECTIONS, Context

_REPORTS = Path(__file__).resolve().parents[2] / "reports"
_TEMPLATES = Path(__file__).with_name("templates")


def write_report(folder: Path) -> Results:
    """Writes the figures and both reports into the folder. Raises ReportError and OSError."""
    results = load([folder])
    drawn, pictures = make_all(results, FIGURES, folder / "figures")
    parts = parts_of(Context(results, drawn))
    write_whole(folder / "report.md", markdown(*parts).encode())
    write_whole(folder / "report.html", html(*parts, pictures).encode())
    return results


def mail_of(folder: Path) -> str:
    """The report as plain text; writes nothing. Raises ReportError."""
    results = load([folder])
    return mail(*parts_of(Context(results, collect(results, FIGURES))))


def parts_of(context: Context) -> tuple[str, str, list[Section]]:
    """The report's title, the line below it, and its sections."""
    return *_headings(context), [build(context) for build in SECTIONS]


def html(title: str, subtitle: str, sections: Sequence[Section],
         pictures: Mapping[str, Mapping[str, Inline]]) -> str:
    """The page: one file, in which everything is inline; pictures by figure and scale."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    page: str = environment.get_template("report.html.j2").render(
        title=title, subtitle=subtitle, sections=sections, pictures=pictures, paints=PAINTS)
    return page


def _headings(context: Context) -> tuple[str, str]:
    machine = context.report.machine
    created, host = machine.text("created"), machine.text("host")
    when = f"measured {created}" if created != UNKNOWN else "measured at an unknown time"
    where = f" on {host}" if host != UNKNOWN else ""
    return (f"flushwalk: {context.report.label}",
            f"What it costs to flush every lazily freed alias, and what the cheap walk misses; "
            f"{when}{where}.")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.Parser(
        prog="report", usage="scripts/report [--mail] REPORT | --index [FOLDER]",
        description="Makes a report folder's figures, report.md and report.html.")
    parser.add_argument("report", metavar="REPORT", type=Path, nargs="?",
                        help="a report folder, made by scripts/run or flush_walk_bench --out")
    parser.add_argument("--index", metavar="FOLDER", type=Path, nargs="?", const=_REPORTS,
                        help="instead, make index.html and index.md over the report folders in "
                             "FOLDER (default: reports)")
    parser.add_argument("--mail", action="store_true",
                        help="print the report as plain text for a mail, and write nothing")
    options: Any = parser.parse_args(arguments)
    if (options.report is None) == (options.index is None):
        parser.error("one REPORT is wanted, or --index [FOLDER]")
    if options.mail and options.report is None:
        parser.error("--mail: a REPORT is wanted; an index is no mail")

    def work() -> int:
        if options.index is not None:
            for path in write_index(options.index):
                print(path)
            return 0
        if options.mail:
            print(mail_of(options.report), end="")
            return 0
        results = write_report(options.report)
        print("\n".join(answer_lines(results)))
        for name in ("report.html", "report.md", "figures"):
            print(options.report / name)
        return 0

    return cli.run("report", work)


if __name__ == "__main__":
    sys.exit(main())
