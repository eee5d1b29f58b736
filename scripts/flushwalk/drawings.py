"""Figures made: each drawn once, its files written beside each other.

A figure of a report is NAME.svg, NAME.png (twice a screen's pixels) and NAME.csv, the very table
that is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

import pandas as pd

from flushwalk.figures import FIGURES
from flushwalk.figures.base import Figure
from flushwalk.figures.style import NARROW_PAGE, WIDE, WIDE_PAGE, inline_svg, save
from flushwalk.files import write_whole
from flushwalk.results import ReportError, Results

PICTURE_TYPES = (".svg", ".png", ".pdf")


@dataclass(frozen=True)
class Drawn:
    """A figure and the rows that it draws; there is at least one."""

    figure: Figure
    frame: pd.DataFrame

    def write(self, folder: Path) -> list[Path]:
        """Writes SVG, PNG and CSV into a folder, which is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.figure.name}{kind}" for kind in (".svg", ".png", ".csv")]
        drawing = self.figure.draw(self.frame, WIDE)
        save(drawing, paths[0])
        save(drawing, paths[1])
        write_whole(paths[2], self.frame.to_csv(index=False).encode())
        return paths

    def write_one(self, path: Path) -> None:
        """Writes one picture; the ending of its name says of which kind."""
        if path.suffix.lower() not in PICTURE_TYPES:
            raise ReportError(f"-o {path}: a name ending in {', '.join(PICTURE_TYPES)} is wanted")
        save(self.figure.draw(self.frame, WIDE), path)

    def inline(self) -> tuple[str, str]:
        """The figure as <svg> elements for a page: for a wide window, and for a phone."""
        name, text = self.figure.name, self.figure.sentence(self.frame)
        return (inline_svg(self.figure.draw(self.frame, WIDE_PAGE), f"{name}-wide", text),
                inline_svg(self.figure.draw(self.frame, NARROW_PAGE), f"{name}-narrow", text))


def collect(results: Results, names: Iterable[str]) -> dict[str, Drawn]:
    """The figures of these names for which the results have rows."""
    found = {}
    for name in names:
        frame = FIGURES[name].collect(results)
        if not frame.empty:
            found[name] = Drawn(FIGURES[name], frame)
    return found
