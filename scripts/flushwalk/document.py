"""What a report is made of: sections of paragraphs, tables and pictures, and their Markdown.

A section is written once, as blocks; `markdown` below, mail.py and templates/report.html.j2 each
know how to show every kind of block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Sequence, Union

from flushwalk.figures.base import Table


@dataclass(frozen=True)
class Paragraph:
    text: str
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Answer:
    """What a reader who reads nothing else should read: a question, its answer, and lines."""

    question: str
    verdict: str
    lines: tuple[str, ...]
    kind: ClassVar[str] = "answer"


@dataclass(frozen=True)
class Bullets:
    items: tuple[str, ...]
    kind: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Command:
    """What to type."""

    text: str
    kind: ClassVar[str] = "command"


@dataclass(frozen=True)
class Numbers:
    """A table. A folded one is opened by the reader."""

    caption: str
    table: Table
    folded: bool = False
    kind: ClassVar[str] = "numbers"


@dataclass(frozen=True)
class Picture:
    """A figure with what it shows (sentence), and how it was made (reading)."""

    name: str
    title: str
    sentence: str
    reading: str
    numbers: Numbers
    kind: ClassVar[str] = "picture"


Block = Union[Paragraph, Answer, Bullets, Command, Numbers, Picture]


@dataclass(frozen=True)
class Section:
    """anchor is the section's id on the page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def markdown(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The report for a pull request; pictures are named relative to the report folder."""
    parts = [f"# {title}", subtitle]
    for section in sections:
        parts.append(f"## {section.title}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Answer):
        return f"**{block.question}** {block.verdict}\n\n{_list(block.lines)}"
    if isinstance(block, Bullets):
        return _list(block.items)
    if isinstance(block, Command):
        return f"```\n{block.text}\n```"
    if isinstance(block, Numbers):
        return f"{block.caption}\n\n{_table(block.table)}"
    if isinstance(block, Picture):
        picture = f"![{block.title}](figures/{block.name}.png)"
        data = f"Data: [figures/{block.name}.csv](figures/{block.name}.csv)"
        return "\n\n".join((f"### {block.title}", block.sentence, picture,
                            f"{block.reading} {data}", _block(block.numbers)))
    return block.text


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(table: Table) -> str:
    """Columns are padded, so that the table can be read in a plain-text mail as well."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (table.headers, *table.rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(table.headers))]
    lines = ["| " + " | ".join(
        cell.ljust(width) if column < table.words else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths))) + " |" for row in cells]
    rule = "|" + "|".join(
        "-" * (width + 2) if column < table.words else "-" * (width + 1) + ":"
        for column, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
