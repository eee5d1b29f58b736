"""Where a machine's CPUs are: their order and packages, from the topology.xml of a report folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator
from xml.etree import ElementTree

TOPOLOGY = "topology.xml"


@dataclass(frozen=True)
class Place:
    """at: its place in hwloc's order, in which neighbours are near; package and core: numbered from 0
    in that order."""

    at: int
    package: int
    core: int


def places(folder: Path) -> dict[int, Place]:
    """By the kernel's number of a CPU; empty where the file is missing or cannot be read."""
    try:
        root = ElementTree.parse(folder / TOPOLOGY).getroot()
    except (OSError, ElementTree.ParseError):
        return {}
    found: dict[int, Place] = {}
    cores: dict[int, int] = {}
    packages: dict[int, int] = {}
    for cpu, package, core in _units(root, -1, -1, iter(range(1 << 30))):
        found[cpu] = Place(len(found), packages.setdefault(package, len(packages)),
                           cores.setdefault(core, len(cores)))
    return found


def _units(element: ElementTree.Element, package: int, core: int,
           ids: Iterator[int]) -> Iterator[tuple[int, int, int]]:
    """Each PU with ids of what it is in. A PU outside of any core is one by itself."""
    for child in element.findall("object"):
        kind, number = child.get("type"), child.get("os_index", "")
        if kind == "PU" and number.isdigit():
            yield int(number), package, core if core >= 0 else next(ids)
        inside = next(ids)
        yield from _units(child, inside if kind == "Package" else package,
                          inside if kind == "Core" else core, ids)
