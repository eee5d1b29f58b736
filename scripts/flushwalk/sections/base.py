"""What a section is built from, and the section that shows figures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Sequence

from flushwalk.document import Block, Command, Numbers, Paragraph, Picture, Section
from flushwalk.drawings import Drawn
from flushwalk.figures import FIGURES
from flushwalk.results import Report, Results

_REPOSITORY = Path(__file__).resolve().parents[3]
_FOLD_ABOVE_ROWS = 8


@dataclass(frozen=True)
class Context:
    """One report: its rows, and the figures that it has rows for."""

    results: Results
    drawn: Mapping[str, Drawn]

    @property
    def report(self) -> Report:
        return self.results.reports[0]

    @property
    def shown_folder(self) -> str:
        """The report's folder as it is to be typed: relative to the repository if inside."""
        folder = self.report.folder.resolve()
        inside = folder.is_relative_to(_REPOSITORY)
        return os.path.relpath(folder, _REPOSITORY) if inside else self.report.label


Builder = Callable[[Context], Section]


def of_figures(anchor: str, title: str, names: Sequence[str]) -> Builder:
    """A section that shows figures; for one without data it says which command makes it."""

    def build(context: Context) -> Section:
        blocks: list[Block] = []
        for name in names:
            if name in context.drawn:
                blocks.append(picture(context.drawn[name]))
            else:
                blocks += _missing(name, context)
        return Section(anchor, title, tuple(blocks))

    return build


def picture(drawn: Drawn) -> Picture:
    figure, frame = drawn.figure, drawn.frame
    table = figure.numbers(frame)
    return Picture(
        name=figure.name, title=figure.title, sentence=figure.sentence(frame),
        reading=f"{figure.reading(frame)}{figure.about_scales}",
        numbers=Numbers(f"The numbers of this figure ({len(table.rows)} rows)", table,
                        folded=len(table.rows) > _FOLD_ABOVE_ROWS))


def _missing(name: str, context: Context) -> list[Block]:
    folder = context.shown_folder
    return [
        Paragraph(f"{FIGURES[name].title}: this run has no valid rows for it. These commands "
                  "measure it and make the report anew:"),
        Command(f"build/release/bin/{FIGURES[name].bench} {FIGURES[name].needs} --out={folder}\n"
                f"scripts/report {folder}"),
    ]
