"""Reads topology.xml, a machine as hwloc exports it (version 2 of its format): a CPU a row.

Of the tree of objects only what a picture needs is kept: for each PU its core, L3 cache, NUMA node,
package and kind of core, and whether the run could use it. What the machine does not tell is None.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

FILE = "topology.xml"  # in a report folder

# hwloc's CoreType of a CPU kind.
_KINDS = {"IntelCore": "performance", "IntelAtom": "efficiency"}


class TopologyError(Exception):
    """A file that is not a topology; the text is one line that says why."""


@dataclass(frozen=True)
class Pu:
    """A hardware thread. cpu and numa_node are the kernel's numbers; core, l3 and package count
    from 0 in the machine's order, in which neighbours stand side by side."""

    cpu: int
    core: int
    l3: Optional[int]
    l3_bytes: Optional[int]
    numa_node: Optional[int]
    package: Optional[int]
    kind: Optional[str]  # "performance", "efficiency"; None where all cores are alike
    usable: bool


def cpus_of(text: str) -> set[int]:
    """The numbers in a bitmap as hwloc writes it: 32-bit words, the highest first, "0x1,0x3"; an
    empty word is 0."""
    cpus = set()
    for position, word in enumerate(reversed(text.split(","))):
        bits = int(word, 16) if word else 0
        cpus |= {position * 32 + bit for bit in range(32) if bits >> bit & 1}
    return cpus


def read(path: Path) -> list[Pu]:
    """In the machine's order. Raises TopologyError and OSError."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
        machine = root.find("object")
        if root.tag != "topology" or machine is None:
            raise TopologyError(f"{path}: not a topology of hwloc's")
        allowed = cpus_of(machine.attrib.get("allowed_cpuset", machine.attrib["cpuset"]))
        return list(_Reader(allowed, _kinds(root)).pus(machine, _Above()))
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise TopologyError(f"{path}: not a topology of hwloc's: {error}") from None


def _kinds(root: ElementTree.Element) -> dict[int, str]:
    """The kind of each CPU, where there are several."""
    kinds = root.findall("cpukind")
    if len(kinds) < 2:
        return {}
    found = {}
    for rank, kind in enumerate(kinds):
        infos = {info.attrib.get("name"): info.attrib.get("value", "") for info in kind}
        name = _KINDS.get(infos.get("CoreType", ""), f"kind {rank}")
        found.update(dict.fromkeys(cpus_of(kind.attrib["cpuset"]), name))
    return found


@dataclass(frozen=True)
class _Above:
    """What stands above an object."""

    package: Optional[int] = None
    l3: Optional[int] = None
    l3_bytes: Optional[int] = None
    core: Optional[int] = None


class _Reader:
    def __init__(self, allowed: set[int], kinds: dict[int, str]):
        self._allowed = allowed
        self._kinds = kinds
        self._counts = {"Package": 0, "L3Cache": 0, "Core": 0}

    def _next(self, kind: str) -> int:
        self._counts[kind] += 1
        return self._counts[kind] - 1

    def pus(self, node: ElementTree.Element, above: _Above) -> Iterator[Pu]:
        kind = node.attrib.get("type")
        if kind == "PU":
            cpu = int(node.attrib["os_index"])
            core = above.core if above.core is not None else self._next("Core")
            nodes = cpus_of(node.attrib["nodeset"]) if "nodeset" in node.attrib else set()
            yield Pu(cpu, core, above.l3, above.l3_bytes, min(nodes, default=None), above.package,
                     self._kinds.get(cpu), cpu in self._allowed)
            return
        if kind == "Package":
            above = _Above(self._next("Package"), above.l3, above.l3_bytes)
        elif kind == "L3Cache":
            size = int(node.attrib.get("cache_size", 0)) or None
            above = _Above(above.package, self._next("L3Cache"), size)
        elif kind == "Core":
            above = _Above(above.package, above.l3, above.l3_bytes, self._next("Core"))
        for child in node.findall("object"):
            yield from self.pus(child, above)
