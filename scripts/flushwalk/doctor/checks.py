"""What the doctor looks at: a table of checks, each a judgement of what the machine tells.

Checks read machine.json (reports/SCHEMA.md), and what was measured beside it; none reads the
machine itself. To add one: a Check in CHECKS, with the key that it reads in bench/machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Mapping, Optional, Sequence

from flushwalk.facts import UNKNOWN, Facts

MOST_LOST_PERCENT = 0.1  # of a CPU's time, to others
FINEST_WANTED_PERCENT = 2.0  # a difference so small is to be resolved on a quiet machine
BUSY = 0.5  # load average: one program that runs half of the time
FEWEST_MAPPINGS = 65530  # Linux's default
PAIRS = 100  # of repetitions, from which the resolution is derived: as many as scripts/run takes
FEWEST_PAIRS = PAIRS // 2  # that must be valid: fewer, and what remains is no fair sample
RARELY = 60  # s between two interruptions for statistics


class Verdict(Enum):
    GOOD = "good"
    SPOILS = "spoils"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Resolution:
    """How small a difference can be told: half the width of the 95 % interval of a ratio, as
    percent of it, from `pairs` valid pairs of repetitions measured in turn."""

    what: str
    percent: float
    pairs: int


@dataclass(frozen=True)
class Seen:
    """All that is known of a machine. `noise` and `resolutions` are None where they were not
    measured; `root`: it was asked with root's rights."""

    machine: Facts
    noise: Optional[Sequence[Mapping[str, Any]]] = None
    resolutions: Optional[Sequence[Resolution]] = None
    root: bool = False


@dataclass(frozen=True)
class Check:
    """One thing to look at. `value` says what is there, for a person; `why` what it does to a
    measurement; `mend` is the command, or what else to do. `needs` names what must have been
    measured for it: without, the check is left out."""

    name: str
    value: Callable[[Seen], str]
    judge: Callable[[Seen], Verdict]
    why: str
    mend: str
    needs: Optional[str] = None


@dataclass(frozen=True)
class Finding:
    """A check's outcome on a machine."""

    check: Check
    value: str
    verdict: Verdict


@dataclass(frozen=True)
class Findings:
    all: tuple[Finding, ...] = field(default_factory=tuple)

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.all if finding.verdict is verdict)


def examine(seen: Seen) -> Findings:
    """Every check, in the table's order."""
    return Findings(tuple(
        Finding(check, check.value(seen), check.judge(seen)) for check in CHECKS
        if check.needs is None or getattr(seen, check.needs) is not None))


# ---- What values say

def _text(*paths: str) -> Callable[[Seen], str]:
    """The values at these paths, where known."""
    def value(seen: Seen) -> str:
        known = [text for text in map(seen.machine.text, paths) if text != UNKNOWN]
        return ", ".join(known) or UNKNOWN
    return value


def _with_unit(path: str, unit: str) -> Callable[[Seen], str]:
    def value(seen: Seen) -> str:
        text = seen.machine.text(path)
        return UNKNOWN if text == UNKNOWN else f"{text} {unit}"
    return value


def _hypervisor(seen: Seen) -> str:
    by_cpuid = seen.machine.text("hypervisor.vendor")
    by_kernel = seen.machine.text("hypervisor.kernel")
    if by_cpuid == "none" and by_kernel in ("none", UNKNOWN):
        return "none"
    if by_cpuid == UNKNOWN and by_kernel in ("none", UNKNOWN):
        return UNKNOWN
    return f"a guest (CPUID says {by_cpuid}, the kernel's log {by_kernel})"


def _pv_tlb_flush(seen: Seen) -> str:
    offered = seen.machine.value("hypervisor.pv_tlb_flush")
    used = seen.machine.value("hypervisor.kernel_pv_tlb_flush")
    tried = seen.machine.value("shootdowns.mechanism")
    by = [words for words, true in (("offered", offered is True), ("in the kernel's log", used is True),
                                    ("seen when tried", tried == "paravirtual")) if true]
    if by:
        return f"yes ({', '.join(by)})"
    sure = used is False or offered is False or tried in ("ipi", "broadcast")
    return "no" if sure else UNKNOWN


def _isolation(seen: Seen) -> str:
    parts = ((name, seen.machine.text(f"isolation.{name}"))
             for name in ("isolated", "nohz_full", "rcu_nocbs"))
    return ", ".join(f"{name} {value}" for name, value in parts)


def _page_tables(seen: Seen) -> str:
    return ", ".join(f"{name.upper()} {seen.machine.text(f'page_tables.{name}')}"
                     for name in ("pti", "pcid", "invpcid"))


def worst_noise(seen: Seen) -> Optional[Mapping[str, Any]]:
    """The CPU that loses most; None where none could be watched."""
    watched = [cpu for cpu in seen.noise or () if not cpu["error"]]
    return max(watched, key=lambda cpu: float(cpu["lost_percent"]), default=None)


def _noise(seen: Seen) -> str:
    worst = worst_noise(seen)
    if worst is None:
        return UNKNOWN
    return (f"CPU {worst['cpu']} loses {worst['lost_percent']:.2g} % of its time, up to "
            f"{worst['longest_ns'] / 1000:,.0f} us at once")


def percent(value: float) -> str:
    """Two digits; never as if there were none at all."""
    return f"{value:.2g} %" if value >= 0.1 else "0.1 %"


def resolved(found: Resolution) -> str:
    lost = PAIRS - found.pairs
    return (f"{found.what}: differences under {percent(found.percent)} will not be resolved here"
            + (f" ({lost} of {PAIRS} pairs were spoilt)" if lost > 0 else ""))


def _resolution(seen: Seen) -> str:
    return "; ".join(map(resolved, seen.resolutions or ())) or UNKNOWN


# ---- Judgements

def _verdict(good: Optional[bool]) -> Verdict:
    if good is None:
        return Verdict.UNKNOWN
    return Verdict.GOOD if good else Verdict.SPOILS


def _is(path: str, *good: Any) -> Callable[[Seen], Verdict]:
    """Good is one of these values; null is unknown."""
    def judge(seen: Seen) -> Verdict:
        value = seen.machine.value(path)
        return _verdict(None if value is None else value in good)
    return judge


def _number(path: str, good: Callable[[float], bool]) -> Callable[[Seen], Verdict]:
    def judge(seen: Seen) -> Verdict:
        value = seen.machine.value(path)
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        return _verdict(good(value) if known else None)
    return judge


def _words(words: Callable[[Seen], str], *good: str) -> Callable[[Seen], Verdict]:
    def judge(seen: Seen) -> Verdict:
        found = words(seen)
        return _verdict(None if found == UNKNOWN else found in good)
    return judge


def _judge_mechanism(seen: Seen) -> Verdict:
    mechanism = seen.machine.text("shootdowns.mechanism")
    return _verdict(None if mechanism == UNKNOWN else mechanism == "ipi")


def _judge_cores(seen: Seen) -> Verdict:
    cores, usable = (seen.machine.value(f"topology.{name}") for name in ("cores", "usable_cpus"))
    return _verdict(None if usable is None else cores != 1 and not str(usable).isdigit())


def _judge_frequency(seen: Seen) -> Verdict:
    governor = seen.machine.value("frequency.governor")
    return _verdict(None if governor is None else governor == "performance")


def _judge_smt(seen: Seen) -> Verdict:
    active = seen.machine.value("smt.active")
    isolated = seen.machine.value("isolation.isolated") not in (None, "none")
    return _verdict(None if active is None else not active or isolated)


def _judge_isolation(seen: Seen) -> Verdict:
    values = [seen.machine.value(f"isolation.{name}")
              for name in ("isolated", "nohz_full", "rcu_nocbs")]
    if "none" in values:
        return Verdict.SPOILS
    return _verdict(None if None in values else True)


def _judge_page_tables(seen: Seen) -> Verdict:
    pti, pcid = (seen.machine.value(f"page_tables.{name}") for name in ("pti", "pcid"))
    if pti is False or pcid is True:
        return Verdict.GOOD
    return _verdict(False if pti is True and pcid is False else None)


def _judge_paranoid(seen: Seen) -> Verdict:
    if seen.root:
        return Verdict.GOOD
    return _number("perf.event_paranoid", lambda level: level <= -1)(seen)


def _judge_quota(seen: Seen) -> Verdict:
    quota = seen.machine.value("load.cpu_quota")
    return _verdict(None if quota is None else quota == "none")


def _judge_noise(seen: Seen) -> Verdict:
    worst = worst_noise(seen)
    return _verdict(None if worst is None else worst["lost_percent"] <= MOST_LOST_PERCENT)


def _judge_resolution(seen: Seen) -> Verdict:
    found = seen.resolutions or ()
    fine = all(each.percent <= FINEST_WANTED_PERCENT and each.pairs >= FEWEST_PAIRS
               for each in found)
    return _verdict(fine if found else None)


_SYSCTL = "sudo sysctl -w {}"

CHECKS: tuple[Check, ...] = (
    Check("hypervisor", _hypervisor, _words(_hypervisor, "none"),
          "A guest's CPUs are taken away without its knowing, and an IPI may leave the guest: times "
          "hold for this guest only, relations carry further.",
          "measure on bare hardware"),
    Check("paravirtual TLB flush", _pv_tlb_flush, _words(_pv_tlb_flush, "no"),
          "The hypervisor flushes other CPUs in the kernel's place: a shootdown costs what it makes "
          "it cost, not what an IPI does.",
          "measure on bare hardware; QEMU: -cpu host,kvm-pv-tlb-flush=off"),
    Check("shootdown mechanism", _text("shootdowns.mechanism"), _judge_mechanism,
          "Only an interrupt is counted by the kernel. Without one, gaps in the responders' clocks "
          "are all the proof, and where the hardware broadcasts there is none.",
          "AMD: boot with clearcpuid=invlpgb to compare with IPIs; else nothing"),
    Check("hardware PMU", _text("perf.hardware_pmu"), _is("perf.hardware_pmu", True),
          "Without one, TLB and cache misses, cycles and page walks cannot be counted.",
          "measure on bare hardware, or let the guest have one (QEMU: -cpu host,pmu=on)"),
    Check("usable cores", _text("topology.usable_cpus"),
          _judge_cores,
          "With one CPU there is no responder to interrupt: only the walks can be measured.",
          "widen taskset or cpuset, or give the guest a second CPU"),
    Check("CPU quota", _text("load.cpu_quota"), _judge_quota,
          "A thread that has used its quota up is stopped for the rest of the period (100 ms).",
          "take the limit off the control group (docker: no --cpus)"),
    Check("other load", _text("load.average_1min"),
          _number("load.average_1min", lambda load: load < BUSY),
          "Who runs on a responder's CPU is interrupted in its place: the shootdown is not proven.",
          "stop it: top -o %CPU; builds and browsers first"),
    Check("frequency governor", _text("frequency.governor", "frequency.driver"), _judge_frequency,
          "The frequency follows the load: the first samples run slower than the last.",
          "sudo cpupower frequency-set -g performance"),
    Check("turbo", _text("frequency.turbo"), _is("frequency.turbo", False),
          "The frequency depends on heat, and on how many other cores work.",
          "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo; or echo 0 | sudo tee "
          "/sys/devices/system/cpu/cpufreq/boost"),
    Check("SMT", _text("smt.active"), _judge_smt,
          "What runs on a core's other thread takes half of the core.",
          "echo off | sudo tee /sys/devices/system/cpu/smt/control; or isolate the siblings"),
    Check("isolation", _isolation, _judge_isolation,
          "Scheduler, timer ticks and RCU callbacks interrupt the CPUs that are measured.",
          "boot with isolcpus=LIST nohz_full=LIST rcu_nocbs=LIST; then scripts/run --cpus=LIST"),
    Check("page tables", _page_tables, _judge_page_tables,
          "With PTI and no PCID, each system call loses the TLB: what a flush loses cannot be told.",
          "boot without nopcid; in a guest let CPUID show pcid (QEMU: -cpu host)"),
    Check("clock", _text("clock.source", "clock.how"), _is("clock.invariant", True),
          "A counter that changes its rate, or differs between CPUs, does not measure.",
          "see why the kernel distrusts it: dmesg | grep -i tsc"),
    Check("NUMA balancing", _text("kernel.numa_balancing"), _is("kernel.numa_balancing", 0),
          "The kernel takes pages' access away to see who uses them: faults and shootdowns that "
          "nobody asked for.", _SYSCTL.format("kernel.numa_balancing=0")),
    Check("transparent huge pages", _text("vm.thp"), _is("vm.thp", "madvise", "never"),
          "Whether descriptors and nodes lie in huge pages changes from run to run, and with it "
          "what a walk misses in the TLB.",
          "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"),
    Check("huge pages of shared memory", _text("vm.thp_shmem"),
          _is("vm.thp_shmem", "never", "advise", "deny"),
          "The arena is shared memory: in huge pages one translation stands for 512 pages.",
          "echo never | sudo tee /sys/kernel/mm/transparent_hugepage/shmem_enabled"),
    Check("page merging (KSM)", _text("vm.ksm"), _is("vm.ksm", 0, 2),
          "Merging write-protects pages: faults and shootdowns that nobody asked for.",
          "echo 0 | sudo tee /sys/kernel/mm/ksm/run"),
    Check("mappings a process may have", _text("vm.max_map_count"),
          _number("vm.max_map_count", lambda most: most >= FEWEST_MAPPINGS),
          "Revoking runs page by page splits mappings: with too few, cases are refused.",
          _SYSCTL.format(f"vm.max_map_count={FEWEST_MAPPINGS}")),
    Check("address randomisation", _text("kernel.aslr"), _is("kernel.aslr", 1, 2),
          "Where memory lies moves ratios. Randomised, repeated runs show by how much; fixed, all "
          "of them have the same bias.", _SYSCTL.format("kernel.randomize_va_space=2")),
    Check("NMI watchdog", _text("kernel.nmi_watchdog"), _is("kernel.nmi_watchdog", False),
          "It takes a hardware counter, and interrupts each CPU.",
          _SYSCTL.format("kernel.nmi_watchdog=0")),
    Check("statistics interval", _with_unit("vm.stat_interval", "s"),
          _number("vm.stat_interval", lambda seconds: seconds >= RARELY),
          "Each CPU is interrupted so often to add up statistics: seen in p99.9 and maxima.",
          _SYSCTL.format("vm.stat_interval=120")),
    Check("perf_event_paranoid", _text("perf.event_paranoid"), _judge_paranoid,
          "Above -1 the kernel's own cycles, misses and tracepoints are for root alone.",
          _SYSCTL.format("kernel.perf_event_paranoid=-1")),
    Check("build", _text("flushwalk.build_type"),
          _is("flushwalk.build_type", "Release", "RelWithDebInfo"),
          "Without optimisation the walk's code is another one.", "scripts/run builds a release"),
    Check("noise", _noise, _judge_noise,
          "Time that a CPU loses while it does nothing but read the clock is lost to samples, too.",
          "stop other programs, isolate CPUs; in a guest: pin its CPUs on the host", needs="noise"),
    Check("resolution", _resolution, _judge_resolution,
          "Differences that are smaller than the interval of a ratio are not told from noise.",
          "mend what spoils above; else more repetitions: four times as many halve it",
          needs="resolutions"),
)
