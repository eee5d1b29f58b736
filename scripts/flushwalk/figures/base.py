"""What a figure is: a name, the data it draws, the drawing, its numbers and its sentence.

Contract: `draw`, `numbers`, `sentence` (what it shows) and `reading` (how it was made, what to
mind) get nothing but the table that `collect` made, and that table is the CSV beside the picture:
what is drawn and said is what is in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

import pandas as pd
from matplotlib.figure import Figure as Drawing

from flushwalk.figures.style import LINEAR, LOG, Layout
from flushwalk.measures import walk_rank
from flushwalk.results import Results


@dataclass(frozen=True)
class Table:
    """Cells are text, ready to print. The first `words` columns are words, the others numbers."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True)
class Figure:
    """One figure of the suite. `needs` names what a run must measure for it, as flags of
    `bench`. `scales`: those it can be drawn in, the first unless told otherwise; of one that has
    no other, `one_scale` says why. `one_report`: why it cannot show several reports; else empty."""

    name: str
    title: str
    needs: str
    collect: Callable[[Results], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Layout], Drawing]
    numbers: Callable[[pd.DataFrame], Table]
    sentence: Callable[[pd.DataFrame], str]
    reading: Callable[[pd.DataFrame], str]
    bench: str = "flush_walk_bench"
    scales: tuple[str, ...] = (LOG, LINEAR)
    one_scale: str = ""
    one_report: str = ""

    @property
    def about_scales(self) -> str:
        """Why there is no other scale, as a sentence with a blank before it; or nothing."""
        return f" {self.one_scale}" if self.one_scale else ""


def panels(frame: pd.DataFrame, axis: str,
           name: Callable[[object], str]) -> list[tuple[str, pd.DataFrame]]:
    """One panel for each value of an axis, with its title."""
    return [(name(value), frame[frame[axis] == value]) for value in sorted(frame[axis].unique())]


def walks_in(frame: pd.DataFrame) -> Sequence[str]:
    """The walks of a frame in the order of all figures."""
    return sorted((str(walk) for walk in frame["walk"].unique()), key=walk_rank)
