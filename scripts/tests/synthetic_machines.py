"""Machines made up for the tests: machine.json as the programs write it, and topology.xml as hwloc
does (what of it flushwalk reads)."""

from __future__ import annotations

import copy
from itertools import count
from typing import Any, Iterable, Optional, Sequence

# Bare metal, set as it should be.
BARE: dict[str, Any] = {
    "flushwalk": {"build_type": "Release"},
    "topology": {"cores": 64, "usable_cpus": "0-127"},
    "page_tables": {"pti": False, "pcid": True, "invpcid": True},
    "kernel": {"aslr": 2, "numa_balancing": 0, "nmi_watchdog": False},
    "hypervisor": {"vendor": "none", "pv_tlb_flush": False, "pv_ipi": False, "kernel": "none",
                   "kernel_pv_tlb_flush": False},
    "vm": {"max_map_count": 1048576, "thp": "madvise", "thp_shmem": "never", "ksm": 0,
           "stat_interval": 120},
    "frequency": {"driver": "intel_pstate", "governor": "performance", "turbo": False},
    "smt": {"control": "off", "active": False},
    "isolation": {"isolated": "2-63", "nohz_full": "2-63", "rcu_nocbs": "2-63"},
    "load": {"average_1min": 0.02, "cpu_quota": "none"},
    "perf": {"event_paranoid": -1, "hardware_pmu": True},
    "shootdowns": {"mechanism": "ipi"},
    "clock": {"source": "tsc", "how": "invariant by CPUID 0x80000007 edx bit 8", "invariant": True},
}


def changed(machine: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """changed(BARE, vm__ksm=1): the same but for that key."""
    result = copy.deepcopy(machine)
    for path, value in changes.items():
        group, key = path.split("__")
        result[group][key] = value
    return result


# Two CPUs of a KVM host whose CPUID signs as another's, as they come.
GUEST = changed(
    BARE, topology__cores=2, topology__usable_cpus="0-1", hypervisor__vendor="bhyve",
    hypervisor__pv_tlb_flush=None, hypervisor__pv_ipi=None, hypervisor__kernel="KVM",
    hypervisor__kernel_pv_tlb_flush=True, shootdowns__mechanism="paravirtual",
    perf__hardware_pmu=False, perf__event_paranoid=2, frequency__driver=None,
    frequency__governor=None, frequency__turbo=None, isolation__isolated="none",
    isolation__nohz_full="none", isolation__rcu_nocbs="none", vm__stat_interval=1)
LAPTOP = changed(
    BARE, frequency__governor="powersave", frequency__turbo=True, smt__active=True,
    isolation__isolated="none", isolation__nohz_full="none", isolation__rcu_nocbs="none",
    load__average_1min=1.7, perf__event_paranoid=4, kernel__nmi_watchdog=True,
    vm__thp="always", vm__stat_interval=1)


def noise(*lost_percent: float) -> list[dict[str, Any]]:
    """What CPUs 0, 1, ... lose in two seconds."""
    return [{"cpu": cpu, "seconds": 2.0, "gaps_over_1us": 3000, "gaps_over_10us": 400,
             "gaps_over_100us": 20, "longest_ns": 4.6e6, "lost_percent": lost, "error": None}
            for cpu, lost in enumerate(lost_percent)]


def bitmap(cpus: Iterable[int]) -> str:
    """32-bit words, the highest first, as hwloc writes them."""
    value = sum(1 << cpu for cpu in cpus)
    words = []
    while value or not words:
        words.append(f"0x{value & 0xffffffff:08x}")
        value >>= 32
    return ",".join(reversed(words))


def _object(kind: str, cpus: Sequence[int], node: int, inner: str, **attributes: Any) -> str:
    own = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return (f'<object type="{kind}" cpuset="{bitmap(cpus)}" nodeset="{bitmap([node])}"{own}>'
            f"{inner}</object>")


def topology_xml(packages: int = 1, nodes: int = 1, l3s: int = 1, cores: int = 2, threads: int = 1,
                 efficiency_cores: int = 0, usable: Optional[Iterable[int]] = None) -> str:
    """A machine of `packages` x `nodes` x `l3s` x (`cores` of `threads` and efficiency cores)."""
    numbers, node_numbers = count(), count()
    slow: list[int] = []
    everything: list[int] = []

    def core(node: int, of: int) -> tuple[str, list[int]]:
        cpus = [next(numbers) for _ in range(of)]
        pus = "".join(_object("PU", [cpu], node, "", os_index=cpu) for cpu in cpus)
        return _object("Core", cpus, node, pus), cpus

    def l3(node: int) -> tuple[str, list[int]]:
        text, cpus = "", []
        for at in range(cores + efficiency_cores):
            part, own = core(node, threads if at < cores else 1)
            text, cpus = text + part, cpus + own
            slow.extend(own if at >= cores else [])
        return _object("L3Cache", cpus, node, text, cache_size=32 << 20), cpus

    text = ""
    for _ in range(packages):
        inner, in_package, node = "", [], 0
        for _ in range(nodes):
            node = next(node_numbers)
            parts = [l3(node) for _ in range(l3s)]
            cpus = [cpu for _, own in parts for cpu in own]
            inner += _object("NUMANode", cpus, node, "", os_index=node)
            inner += "".join(part for part, _ in parts)
            in_package += cpus
        text += _object("Package", in_package, node, inner)
        everything += in_package
    allowed = bitmap(everything if usable is None else usable)
    kinds = ""
    if slow:
        for cpus, name in ((slow, "IntelAtom"), (set(everything) - set(slow), "IntelCore")):
            kinds += (f'<cpukind cpuset="{bitmap(cpus)}"><info name="CoreType" value="{name}"/>'
                      "</cpukind>")
    machine = _object("Machine", everything, 0, text, allowed_cpuset=allowed)
    return f'<?xml version="1.0"?><topology version="2.0">{machine}{kinds}</topology>'
