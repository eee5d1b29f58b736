"""What a run must know of this machine before anything is built: its names, and the usable CPUs.

For naming folders and choosing cases only; what a report says about the machine is in machine.json,
which flush_walk_bench writes. And whether that machine's times mean anything.
"""

from __future__ import annotations

import os
import platform
import re
from datetime import datetime
from pathlib import Path

from flushwalk.facts import Facts

_LONGEST_NAME = 40
_NOISE = re.compile(r"\((r|tm|c)\)|@.*$|\b(cpu|processor|with)\b|\b\d+-core\b", re.IGNORECASE)


def sanitised(text: str) -> str:
    """Fit for a file name on any system: letters, digits, dots, underscores; 40 at most."""
    name = re.sub(r"[^A-Za-z0-9.]+", "_", text).strip("._")
    return name[:_LONGEST_NAME].rstrip("._") or "unknown"


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The kernel's name of the CPU without trademarks and clock rate; else the architecture."""
    try:
        text = cpuinfo.read_text(errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    model = " ".join(_NOISE.sub(" ", found.group(1)).split()) if found else ""
    return model or platform.machine()


def folder_name(when: datetime, host: str, cpu: str, kernel: str) -> str:
    """<date>-<host>-<cpu>-<kernel>; the date with the time of day, so that names sort by age."""
    names = "-".join(sanitised(part) for part in (host, cpu, kernel))
    return f"{when:%Y-%m-%d_%H%M%S}-{names}"


def folder_for_now() -> str:
    return folder_name(datetime.now(), platform.node(), cpu_model(), platform.release())


def usable_cpus() -> list[int]:
    """The CPUs this process may use (cpuset, taskset), by the kernel's numbers."""
    return sorted(os.sched_getaffinity(0))


def usable_cores(
    cpus: list[int] | None = None, sysfs: Path = Path("/sys/devices/system/cpu")
) -> int:
    """How many cores have a usable CPU: each thread of a measurement gets a core of its own."""
    cores = set()
    for cpu in usable_cpus() if cpus is None else cpus:
        topology = sysfs / f"cpu{cpu}" / "topology"
        try:
            cores.add((topology / "thread_siblings_list").read_text().strip())
        except OSError:
            cores.add(f"cpu{cpu}")
    return len(cores)


def is_emulated(machine: Facts) -> bool:
    """Whether machine.json is of CPUs that a program imitates (QEMU's TCG, by CPUID's word): what
    their kernel counts is true, and their times are no machine's."""
    return machine.value("hypervisor.vendor") == "tcg"
