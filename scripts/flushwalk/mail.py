"""The report as plain text that survives a mail: lines of at most 76 characters, tables of columns
that blanks align.

A table that is too wide has its cells wrapped; where that does not do, it is cut into several, each
of which begins with the words of the first columns. What the page folds stays in report.md, but for
the shorter tables of figures, since a mail has no pictures.
"""

from __future__ import annotations

import math
import re
import shlex
import textwrap
from typing import Sequence

from flushwalk.document import Answer, Block, Bullets, Command, Numbers, Picture, Section
from flushwalk.figures.base import Table

WIDTH = 76
_MOST_ROWS = 24
_GAP = "  "
_UNITS = re.compile(r"(?<=\d) (?=(?:%|[num]?s\b))")
_FEW_LINES = 3
_LEAST = 8  # characters to which the cells of a column may be wrapped


def mail(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The report for a mail; figures and tables left out are named relative to its folder."""
    parts = [_underlined(title, "="), _wrapped(subtitle)]
    for section in sections:
        parts.append("\n" + _underlined(section.title, "-"))
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Answer):
        return f"{_wrapped(f'{block.question} {block.verdict}')}\n\n{_list(block.lines)}"
    if isinstance(block, Bullets):
        return _list(block.items)
    if isinstance(block, Command):
        return "\n".join(_command(line) for line in block.text.splitlines())
    if isinstance(block, Numbers):
        return _numbers(block, block.folded)
    if isinstance(block, Picture):
        files = f"Figure: figures/{block.name}.png, data: figures/{block.name}.csv"
        return "\n\n".join((f"* {_wrapped(block.title)}", _wrapped(block.sentence),
                            _numbers(block.numbers, len(block.numbers.table.rows) > _MOST_ROWS),
                            _wrapped(f"{block.reading} {files}")))
    return _wrapped(block.text)


def _numbers(block: Numbers, left_out: bool) -> str:
    if left_out:
        return _wrapped(f"{block.caption}: in report.md")
    return f"{_wrapped(block.caption)}:\n\n{text_table(block.table)}"


def _underlined(text: str, line: str) -> str:
    lines = _wrapped(text).split("\n")
    return "\n".join([*lines, line * max(map(len, lines))])


def _wrapped(text: str, indent: str = "") -> str:
    return "\n".join(_lines(text, WIDTH, indent))


def _lines(text: str, width: int, indent: str = "") -> list[str]:
    """No word is broken, nor a number parted from its unit."""
    kept = _UNITS.sub("\N{NO-BREAK SPACE}", text)
    lines = textwrap.wrap(kept, width, subsequent_indent=indent, break_long_words=False,
                          break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines] or [""]


def _list(items: Sequence[str]) -> str:
    return "\n".join(_wrapped(f"- {item}", "  ") for item in items)


def _command(line: str) -> str:
    """Words stay whole and keep their quotes; a shell joins the lines again."""
    lines, rest = [""], shlex.split(line, posix=False)
    for word in rest:
        if lines[-1] and len(lines[-1]) + len(word) > WIDTH - 9:
            lines.append("  ")
        lines[-1] += word if not lines[-1].strip() else f" {word}"
    return " \\\n".join(f"    {part}" for part in lines)


def text_table(table: Table, width: int = WIDTH) -> str:
    """The table in lines of at most `width` characters, unless a single word is longer."""
    return "\n\n".join(_aligned(table, columns, width) for columns in _cuts(table, width))


def _cuts(table: Table, width: int) -> list[list[int]]:
    """The columns of each of the tables into which a too wide one is cut."""
    least = [_narrowest(table, column) for column in range(len(table.headers))]
    keys = list(range(max(1, table.words)))
    while len(keys) > 1 and _total([least[key] for key in keys]) > width // 2:
        keys.pop()
    cuts: list[list[int]] = [[*keys]]
    for column in range(len(keys), len(table.headers)):
        if len(cuts[-1]) > len(keys) and _total(
                [least[one] for one in (*cuts[-1], column)]) > width:
            cuts.append([*keys])
        cuts[-1].append(column)
    return cuts


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _cells(table: Table, column: int) -> list[str]:
    return [row[column] for row in table.rows]


def _narrowest(table: Table, column: int) -> int:
    """The longest word; a short cell stays in one line, and a long one takes few."""
    words = [word for text in (table.headers[column], *_cells(table, column))
             for word in _UNITS.sub("_", text).split()]
    longest = max((len(cell) for cell in _cells(table, column)), default=0)
    in_few_lines = min(math.ceil(longest * 1.2 / _FEW_LINES), WIDTH // 2)
    return max(min(longest, _LEAST), in_few_lines, *(len(word) for word in words), 1)


def _aligned(table: Table, columns: Sequence[int], width: int) -> str:
    least = [_narrowest(table, column) for column in columns]
    widths = [max([low, *(len(cell) for cell in _cells(table, column))])
              for low, column in zip(least, columns)]
    while _total(widths) > width:
        shrinkable = [at for at, low in enumerate(least) if widths[at] > low]
        if not shrinkable:
            break
        widths[max(shrinkable, key=lambda at: widths[at])] -= 1
    header = _row([table.headers[column] for column in columns], widths, columns, table.words)
    rule = _GAP.join("-" * one for one in widths)
    body = [_row([row[column] for column in columns], widths, columns, table.words)
            for row in table.rows]
    return "\n".join([header, rule, *body])


def _row(cells: Sequence[str], widths: Sequence[int], columns: Sequence[int], words: int) -> str:
    wrapped = [_lines(cell, width) for cell, width in zip(cells, widths)]
    lines = []
    for at in range(max(len(cell) for cell in wrapped)):
        parts = [cell[at] if at < len(cell) else "" for cell in wrapped]
        lines.append(_GAP.join(
            part.ljust(width) if column < words else part.rjust(width)
            for part, width, column in zip(parts, widths, columns)).rstrip())
    return "\n".join(lines)
