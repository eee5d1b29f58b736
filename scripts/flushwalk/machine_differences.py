"""What differs between the machines of two reports, as far as their machine.json files tell.

Contract: one line for each key that differs, what matters most to a flush first. What is another
in each run (when it started, what a clock's overhead came out as) is no difference.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple

from flushwalk.facts import UNKNOWN, Facts

# In this order; what is not named comes last.
_ORDER = ("host", "cpu", "topology", "caches", "hypervisor", "kernel", "mitigations", "shootdowns",
          "tlb", "vm", "memory", "clock", "perf", "counters", "flushwalk", "libraries",
          "command_line")
_OTHER_EACH_TIME = (
    "schema_version", "created", "memory.available_kib", "clock.frequency_hz",
    "clock.calibration_error_ppm", "clock.overhead_min_ns", "clock.overhead_ns",
    "clock.overhead_p99_ns", "counters.cost", "shootdowns.how",
)


class Difference(NamedTuple):
    key: str
    ours: str
    theirs: str


def differences(ours: Facts, theirs: Facts) -> list[Difference]:
    """Of two machine.json; a key that one of them lacks is unknown there."""
    keys = dict.fromkeys([*_paths(ours.values), *_paths(theirs.values)])
    found = [Difference(key, ours.text(key), theirs.text(key)) for key in keys
             if not key.startswith(_OTHER_EACH_TIME)]
    return sorted((each for each in found if each.ours != each.theirs), key=_rank)


def _paths(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The dotted paths of all that is no object."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _rank(difference: Difference) -> tuple[int, bool]:
    top = difference.key.split(".")[0]
    place = _ORDER.index(top) if top in _ORDER else len(_ORDER)
    return place, UNKNOWN in (difference.ours, difference.theirs)
