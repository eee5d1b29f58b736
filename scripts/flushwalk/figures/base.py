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

from flushwalk.figures.style import Layout
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
    `bench`."""

    name: str
    title: str
    needs: str
    collect: Callable[[Results], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Layout], Drawing]
    numbers: Callable[[pd.DataFrame], Table]
    sentence: Callable[[pd.DataFrame], str]
    reading: Callable[[pd.DataFrame], str]
    bench: str = "flush_walk_bench"


def panels(frame: pd.DataFrame, axis: str,
           name: Callable[[object], str]) -> list[tuple[str, pd.DataFrame]]:
    """One panel for each report and value of an axis, with its title.

    The report's name is part of the title only where there are several.
    """
    several = frame["report"].nunique() > 1
    result = []
    for report in frame["report"].unique():
        ours = frame[frame["report"] == report]
        for value in sorted(ours[axis].unique()):
            title = name(value)
            result.append((f"{report}\n{title}" if several else title, ours[ours[axis] == value]))
    return result


def walks_in(frame: pd.DataFrame) -> Sequence[str]:
    """The walks of a frame in the order of all figures."""
    return sorted((str(walk) for walk in frame["walk"].unique()), key=walk_rank)
