"""The walks of a flush: all that a plan, a figure and a report know of each, in one table.

The order is that of legends and tables: the kernel's own two first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Walk:
    """colour, dark: on light and on dark paper, told apart by readers of all kinds of colour vision
    (after Okabe and Ito); marker, line: matplotlib's. finder: it visits dirty blocks only.
    by_key: the xarray's keys make a difference to it. upkeep: why a visit of it costs more than one
    of the free list."""

    colour: str
    dark: str
    marker: str
    line: str = "--"
    finder: bool = False
    by_key: bool = True
    upkeep: str = "the way through the xarray"


WALKS: dict[str, Walk] = {
    "free_list": Walk("#d55e00", "#f0802f", "o", "-"),
    "xarray": Walk("#0072b2", "#56b4e9", "s", "-"),
    "cursor_scan": Walk("#56b4e9", "#b5e0fb", "v"),
    "cursor": Walk("#009e73", "#2fc79a", "^"),
    "marked": Walk("#cc79a7", "#dd9cc0", "D", finder=True,
                   upkeep="finding and clearing the mark"),
    "dirty_list": Walk("#e69f00", "#f0b93a", "P", finder=True, by_key=False,
                       upkeep="taking a queue's blocks off their list"),
    "list_and_full": Walk("#6a3d9a", "#b79be0", "*", by_key=False,
                          upkeep="a look at each queue's list of full ones"),
}
KERNEL_WALKS = ("free_list", "xarray")
# A walk that a newer bench knows and this table does not.
FURTHER_WALK = Walk("#8c6d31", "#c9a86a", "X", ":")


def walk_of(name: str) -> Walk:
    return WALKS.get(name, FURTHER_WALK)


def css_name(name: str) -> str:
    """--free-list"""
    return f"--{name.replace('_', '-')}"
