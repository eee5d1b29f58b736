"""The machine as boxes in boxes: packages, NUMA nodes, L3 caches, kinds of cores, cores, CPUs; and
where each comes to lie: sizes and places in inches.

A box that is the only one in its parent is drawn as one with it, with both names. Of a machine with
more CPUs than can be told apart, the smallest boxes that are few enough are filled with the CPUs that
had a role, and the number of the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Iterator, Sequence

import pandas as pd

from flushwalk.figures import style

MOST_CPUS = 256  # drawn each
MOST_BOXES = 32  # of CPUs that are not
LEVELS = ("package", "numa_node", "l3", "kind")

PU_WIDTH, PU_HEIGHT = 0.46, 0.2
_WIDE_PU = 1.1  # of the words "+ 1,022 more"
_PAD = 0.05
_GAP = 0.07
_LABEL = 0.2
_CHARACTER = 0.078


@dataclass
class Cell:
    """A CPU, or with cpu None a number of CPUs that are not drawn each."""

    cpu: int | None
    words: str
    role: str
    usable: bool
    width: float = PU_WIDTH


@dataclass
class Box:
    """Something with a name and boxes or cells in it. A core's name is empty."""

    label: str
    boxes: list[Box] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)


@dataclass(frozen=True)
class Placed:
    """Where a box or a cell lies: left, top, width, height, from the upper left corner."""

    what: Box | Cell
    left: float
    top: float
    width: float
    height: float


# ---- The tree

def tree_of(rows: pd.DataFrame) -> list[Box]:
    """The boxes of a machine, given a row for each CPU in the machine's order."""
    # A NUMA node may hold several packages, or a package several nodes; so may an L3.
    outer = sorted(LEVELS[:-1], key=lambda level: rows[level].nunique())
    levels = [level for level in (*outer, LEVELS[-1]) if rows[level].notna().any()]
    finest = _finest(rows, levels)
    return _boxes(rows, levels[:finest] if finest is not None else levels, finest is not None)


def is_condensed(rows: pd.DataFrame) -> bool:
    return len(rows) > MOST_CPUS


def _finest(rows: pd.DataFrame, levels: Sequence[str]) -> int | None:
    """How many of the levels are drawn where CPUs are not; None where CPUs are."""
    if not is_condensed(rows):
        return None
    for count in range(len(levels), 0, -1):
        if len(rows[list(levels[:count])].drop_duplicates()) <= MOST_BOXES:
            return count
    return min(1, len(levels))


def _boxes(rows: pd.DataFrame, levels: Sequence[str], condensed: bool) -> list[Box]:
    if not levels:
        return _condensed_cells(rows) if condensed else _cores(rows)
    level = levels[0]
    found = []
    for _, part in rows.groupby(level, sort=False, dropna=False):
        inner = _boxes(part, levels[1:], condensed)
        box = Box(_label(level, part), inner)
        if len(inner) == 1 and (inner[0].label or condensed):
            names = filter(None, (box.label, inner[0].label))
            box = Box(", ".join(names), inner[0].boxes, inner[0].cells)
        found.append(box)
    return found


def _label(level: str, rows: pd.DataFrame) -> str:
    value = rows[level].iloc[0]
    if pd.isna(value):
        return ""
    if level == "package":
        return f"package {value:.0f}"
    if level == "numa_node":
        return f"NUMA node {value:.0f}"
    if level == "kind":
        cores = rows["core"].nunique()
        return f"{cores} {value} core{'s' if cores != 1 else ''}"
    size = rows["l3_bytes"].iloc[0]
    return "L3" if pd.isna(size) else f"L3 {_in_bytes(float(size))}"


def _in_bytes(size: float) -> str:
    return f"{size / 2**20:,.4g} MiB" if size >= 2**20 else f"{size / 2**10:,.4g} KiB"


_LETTERS = {"initiator": "I", "responder": "R", "worker": "W"}


def letters_of(role: str) -> str:
    """ "initiator, responder" is "IR"; a CPU without a role has none."""
    return "".join(_LETTERS[each] for each in role.split(", ")) if role else ""


def _cell(row: pd.Series) -> Cell:
    words = " ".join(filter(None, (letters_of(row["role"]), f"{row['cpu']:d}")))
    return Cell(int(row["cpu"]), words, str(row["role"]), bool(row["usable"]),
                max(PU_WIDTH, (len(words) + 1.5) * _CHARACTER))


def _cores(rows: pd.DataFrame) -> list[Box]:
    return [Box("", cells=[_cell(row) for _, row in core.iterrows()])
            for _, core in rows.groupby("core", sort=False)]


def _condensed_cells(rows: pd.DataFrame) -> list[Box]:
    """One box with the CPUs that had a role, and the number of the others."""
    cells = [_cell(row) for _, row in rows[rows["role"] != ""].iterrows()]
    rest = rows[rows["role"] == ""]
    for usable, part in rest.groupby("usable", sort=False):
        more = " more" if cells else ""
        words = f"{len(part):,}{more} CPU{'s' if len(part) != 1 else ''}"
        cells.append(Cell(None, words, "", bool(usable),
                          max(_WIDE_PU, (len(words) + 1.5) * _CHARACTER)))
    return [Box("", cells=cells)]


# ---- The places

def place(boxes: Sequence[Box], width: float) -> tuple[list[Placed], float]:
    """Everything in a strip of that width, outer things before inner ones, and the strip's height."""
    placed = list(_row_of_boxes(boxes, 0.0, 0.0, width))
    return placed, max((one.top + one.height for one in placed), default=0.0)


def label_lines(box: Box, width: float) -> list[str]:
    """A box's name as it is written into a box of that width."""
    return style.wrapped(box.label, width - 2 * _PAD)


def _least_width(box: Box) -> float:
    """Below this a box cannot be drawn: its widest cell, or some of its name."""
    inner = max((_least_width(each) for each in box.boxes), default=0.0)
    cells = max((cell.width for cell in box.cells), default=0.0)
    words = max((len(word) for word in box.label.split()), default=0) * _CHARACTER
    return max(inner, cells, words) + 2 * _PAD


def _height(box: Box, width: float) -> float:
    inside = width - 2 * _PAD
    height = _PAD + len(label_lines(box, width)) * _LABEL
    if box.cells:
        height += len(_cell_rows(box, inside)) * PU_HEIGHT + _PAD
    if box.boxes:
        columns = _columns(box.boxes, inside)
        height += _rows_height(box.boxes, columns, inside) + _PAD
    return height


def _cell_rows(box: Box, inside: float) -> list[list[Cell]]:
    """A core's threads stand below each other; CPUs that stand for others fill rows."""
    if not any(cell.cpu is None for cell in box.cells):
        return [[cell] for cell in box.cells]
    rows: list[list[Cell]] = [[]]
    for cell in box.cells:
        if rows[-1] and sum(each.width for each in rows[-1]) + cell.width > inside:
            rows.append([])
        rows[-1].append(cell)
    return rows


def _column_width(columns: int, width: float) -> float:
    return (width - (columns - 1) * _GAP) / columns


def _rows_height(boxes: Sequence[Box], columns: int, width: float) -> float:
    column = _column_width(columns, width)
    rows = [boxes[start:start + columns] for start in range(0, len(boxes), columns)]
    return sum(max(_height(box, column) for box in row) for row in rows) + _GAP * (len(rows) - 1)


def _columns(boxes: Sequence[Box], width: float) -> int:
    """Side by side as many as fit and make the lowest picture; of equals the fewest columns that
    leave no hole in the last row."""
    least = max(map(_least_width, boxes))
    most = max(1, min(len(boxes), int((width + _GAP) / (least + _GAP))))
    if all(not box.label for box in boxes):  # cores: their height does not depend on the width
        rows = math.ceil(len(boxes) / most)
        return math.ceil(len(boxes) / rows)
    return min(range(1, most + 1),
               key=lambda columns: (round(_rows_height(boxes, columns, width), 3),
                                    -len(boxes) % columns, columns))


def _row_of_boxes(boxes: Sequence[Box], left: float, top: float, width: float) -> Iterator[Placed]:
    columns = _columns(boxes, width)
    column = _column_width(columns, width)
    if all(not box.label for box in boxes):
        column = min(column, 1.6 * max(map(_least_width, boxes)))  # few cores need not be bars
    for start in range(0, len(boxes), columns):
        row = boxes[start:start + columns]
        height = max(_height(box, column) for box in row)
        for at, box in enumerate(row):
            yield from _one_box(box, left + at * (column + _GAP), top, column, height)
        top += height + _GAP


def _one_box(box: Box, left: float, top: float, width: float, height: float) -> Iterator[Placed]:
    yield Placed(box, left, top, width, height)
    inner_top = top + _PAD + len(label_lines(box, width)) * _LABEL
    inside = width - 2 * _PAD
    for row in _cell_rows(box, inside) if box.cells else ():
        at = left + _PAD
        fill = inside if len(row) == 1 and row[0].cpu is not None else None
        for cell in row:
            yield Placed(cell, at, inner_top, fill or cell.width, PU_HEIGHT)
            at += cell.width
        inner_top += PU_HEIGHT
    if box.boxes:
        yield from _row_of_boxes(box.boxes, left + _PAD, inner_top, inside)
