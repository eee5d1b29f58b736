"""Figures made: each collected and drawn in a process of its own, its files beside each other.

A figure of a report is NAME.svg, NAME.png (twice a screen's pixels) and NAME.csv, the very table
that is drawn.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Iterable, Mapping, NamedTuple, Optional

import pandas as pd

from flushwalk.figures import FIGURES
from flushwalk.figures.base import Figure
from flushwalk.figures.output import inline_svg, save
from flushwalk.figures.style import NARROW, WIDE, Layout
from flushwalk.files import write_whole
from flushwalk.results import ReportError, Results

FILE_TYPES = (".svg", ".png", ".pdf", ".csv")


class Inline(NamedTuple):
    """A figure as <svg> elements for a page: for a wide window, and for a phone."""

    wide: str
    narrow: str


@dataclass(frozen=True)
class Drawn:
    """A figure and the rows that it draws; there is at least one."""

    figure: Figure
    frame: pd.DataFrame

    def write(self, folder: Path) -> list[Path]:
        """Writes SVG, PNG and CSV into a folder, which is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.figure.name}{kind}" for kind in (".svg", ".png", ".csv")]
        drawing = self.figure.draw(self.frame, replace(WIDE, scale=self.figure.scales[0]))
        save(drawing, paths[0])
        save(drawing, paths[1])
        self._write_table(paths[2])
        return paths

    def write_one(self, path: Path, layout: Layout) -> None:
        """Writes one file; the ending of its name says of which kind."""
        if path.suffix.lower() == ".csv":
            self._write_table(path)
        else:
            save(self.figure.draw(self.frame, layout), path)

    def inline(self) -> dict[str, Inline]:
        """The figure for a page, by scale."""
        name, text = self.figure.name, self.figure.sentence(self.frame)
        pictures = {}
        for scale in self.figure.scales:
            pictures[scale] = Inline(*(
                inline_svg(self.figure.draw(self.frame, replace(layout, scale=scale)),
                           f"{name}-{scale}-{width}", text)
                for width, layout in (("wide", WIDE), ("narrow", NARROW))))
        return pictures

    def _write_table(self, path: Path) -> None:
        write_whole(path, self.frame.to_csv(index=False).encode())


def collect(results: Results, names: Iterable[str]) -> dict[str, Drawn]:
    """The figures of these names for which the results have rows."""
    found = ((name, _collected(results, name)) for name in names)
    return {name: drawn for name, drawn in found if drawn is not None}


def _collected(results: Results, name: str) -> Optional[Drawn]:
    frame = FIGURES[name].collect(results)
    return None if frame.empty else Drawn(FIGURES[name], frame)


class _Made(NamedTuple):
    """What a process gives back of a figure."""

    name: str
    frame: pd.DataFrame
    pictures: dict[str, Inline]


def _make(results: Results, folder: Path, name: str) -> Optional[_Made]:
    drawn = _collected(results, name)
    if drawn is None:
        return None
    drawn.write(folder)
    return _Made(name, drawn.frame, drawn.inline())


_inherited: partial[Optional[_Made]]  # of the processes: the results are not sent, but inherited


def _make_inherited(name: str) -> Optional[_Made]:
    return _inherited(name)


def make_all(results: Results, names: Iterable[str],
             folder: Path) -> tuple[dict[str, Drawn], dict[str, Mapping[str, Inline]]]:
    """Draws the figures for which there are rows, on all usable CPUs: their files into the folder;
    gives each with its pictures for a page. Raises OSError and ReportError."""
    global _inherited
    _inherited = partial(_make, results, folder)
    wanted = list(names)
    processes = min(len(wanted), len(os.sched_getaffinity(0)))
    if processes < 2:
        found = [_inherited(name) for name in wanted]
    else:
        found = _in_processes(wanted, processes)
    made = [figure for figure in found if figure is not None]
    return ({figure.name: Drawn(FIGURES[figure.name], figure.frame) for figure in made},
            {figure.name: figure.pictures for figure in made})


def _in_processes(names: list[str], processes: int) -> list[Optional[_Made]]:
    # A Ctrl-C is for this process: the others end when it gives them nothing more to do.
    pool = ProcessPoolExecutor(processes, get_context("fork"), signal.signal,
                               (signal.SIGINT, signal.SIG_IGN))
    try:
        return list(pool.map(_make_inherited, names))
    except BrokenProcessPool:
        raise ReportError("a process that drew figures was killed: is there enough memory?"
                          ) from None
    finally:
        pool.shutdown(cancel_futures=True)
