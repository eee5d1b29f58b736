"""The index: the figure, ns an operation and bytes an entry of every container by keys."""

from __future__ import annotations

import math
from typing import Callable

import pandas as pd

from flushwalk import index_measures, wording
from flushwalk.document import Block, Numbers, Paragraph, Section
from flushwalk.figures.base import Table
from flushwalk.figures.xarray import container_name, keys_words, operation_words
from flushwalk.index_measures import SUITES_OWN
from flushwalk.sections.base import Context, of_figures

_FIGURE = of_figures("index", "The index", ("xarray",))
_FEW = 8


def build(context: Context) -> Section:
    figure = _FIGURE(context)
    return Section(figure.anchor, figure.title,
                   (*figure.blocks, *_times(context), *_memory(context)))


def _grid(table: pd.DataFrame, by: list[str], value: str) -> list[list[float]]:
    """The values of each combination of `by`, in the table's order, at each of the shown sizes."""
    sizes = index_measures.shown_sizes(list(table["entries"]))
    return [[float(group.loc[group["entries"] == size, value].median()) for size in sizes]
            for _, group in table.groupby(by, sort=False)]


def _entries_headers(table: pd.DataFrame) -> tuple[str, ...]:
    return tuple(f"{wording.count(size)} entries"
                 for size in index_measures.shown_sizes(list(table["entries"])))


def _times(context: Context) -> list[Block]:
    table = index_measures.times(context.results)
    if table.empty:
        return []
    by = ["operation", "keys", "container"]
    table = table.sort_values(by, key=index_measures.rank, kind="stable", ignore_index=True)
    rows = [(operation_words(operation), keys_words(keys), container_name(container),
             *(_cell(value, wording.time) for value in values))
            for (operation, keys, container), values in zip(
                table[by].drop_duplicates().itertuples(index=False), _grid(table, by, "p50_ns"))]
    blocks: list[Block] = [
        Numbers("Time of an operation (median)",
                Table(("operation", "keys", "container", *_entries_headers(table)), tuple(rows),
                      words=3), folded=len(rows) > _FEW)]
    if (table["operation"] == "iterate_marked").any():
        blocks.append(Paragraph("iterate marked visits the tenth of the entries that is marked; "
                                "its time is of a visited one."))
    return blocks


def _memory(context: Context) -> list[Block]:
    table = index_measures.memory(context.results)
    if table.empty:
        return []
    by = ["keys", "container"]
    rows = [(keys_words(keys), container_name(container),
             *(_cell(value, wording.three_digits) for value in values))
            for (keys, container), values in zip(
                table[by].drop_duplicates().itertuples(index=False), _grid(table, by, "bytes"))]
    return [Paragraph(_memory_said(table)),
            Numbers("Bytes an entry of the container's own memory, without the entries: the "
                    "xarray's nodes, JudyLMemUsed, what the maps ask their allocator for, lfht's "
                    "nodes and buckets; what malloc adds is not in it",
                    Table(("keys", "container", *_entries_headers(table)), tuple(rows), words=2),
                    folded=len(rows) > _FEW)]


def _memory_said(table: pd.DataFrame) -> str:
    """What sparse keys cost the xarray, beside the leanest of the others."""
    size = index_measures.usual_entries(list(table["entries"].unique()))
    said = []
    for keys in table["keys"].unique():
        part = table[(table["keys"] == keys) & (table["entries"] == size)]
        own = part[part["container"] == SUITES_OWN]
        others = part[part["container"] != SUITES_OWN]
        words = []
        if len(own):
            words.append(f"the xarray {wording.three_digits(own['bytes'].iloc[0])}")
        if len(others):
            least = others.loc[others["bytes"].idxmin()]
            words.append(f"{'the leanest other, ' if len(others) > 1 else ''}"
                         f"{container_name(str(least['container']))}, "
                         f"{wording.three_digits(least['bytes'])}")
        if words:
            said.append(f"{keys_words(str(keys))}: {wording.listing(words)}")
    return f"Bytes an entry at {wording.count(size)} entries: {'; '.join(said)}."


def _cell(value: float, words: Callable[[float], str]) -> str:
    return "-" if math.isnan(value) else words(value)
