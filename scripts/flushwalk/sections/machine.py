"""The machine, and what about it a reader should keep in mind."""

from __future__ import annotations

import re

from flushwalk.document import Block, Bullets, Numbers, Paragraph, Section
from flushwalk.facts import UNKNOWN, Facts
from flushwalk.figures.base import Table
from flushwalk.figures.machine import FIGURE
from flushwalk.machine_facts import is_emulated
from flushwalk.sections.base import Context, picture

_LINES = (
    ("host", "{host}"),
    ("measured", "{created}"),
    ("CPU", "{cpu.model} ({cpu.vendor}, family {cpu.family}, model {cpu.model_number}, "
            "stepping {cpu.stepping})"),
    ("microcode", "{cpu.microcode}"),
    ("CPU flags", "{cpu.flags_of_interest}"),
    ("topology", "{topology.summary}"),
    ("usable CPUs", "{topology.usable_cpus}"),
    ("caches", "{caches}"),
    ("memory", "{memory}"),
    ("kernel", "{kernel.release}"),
    ("kernel's version", "{kernel.version}"),
    ("kernel's command line", "{kernel.command_line}"),
    ("address randomisation", "{kernel.aslr}"),
    ("NUMA balancing", "{kernel.numa_balancing}"),
    ("NMI watchdog", "{kernel.nmi_watchdog}"),
    ("mitigations", "{mitigations}"),
    ("page tables", "{page_tables}"),
    ("TLBs", "{tlb.sizes} ({tlb.sizes_how})"),
    ("hypervisor", "CPUID: {hypervisor.vendor}; kernel: {hypervisor.kernel}"),
    ("paravirtual TLB flush", "offered: {hypervisor.pv_tlb_flush}; "
                              "used: {hypervisor.kernel_pv_tlb_flush}"),
    ("paravirtual IPI", "{hypervisor.pv_ipi}"),
    ("hardware PMU", "{perf.hardware_pmu}"),
    ("perf_event_paranoid", "{perf.event_paranoid}"),
    ("pages flushed one by one up to", "{tlb.single_page_flush_ceiling} ({tlb.how})"),
    ("shootdowns", "{shootdowns.mechanism}: {shootdowns.how}"),
    ("virtual memory", "{vm}"),
    ("frequency", "{frequency}"),
    ("SMT", "{smt}"),
    ("isolation", "{isolation}"),
    ("load", "{load}"),
    ("clock", "{clock.source}, {clock.frequency_hz} Hz"),
    ("libraries", "{libraries}"),
    ("flushwalk", "revision {flushwalk.git_revision}, {flushwalk.build_type}, "
                  "{flushwalk.compiler}, {flushwalk.compiler_flags}"),
)

# What each way of a shootdown but the plain interrupt means for the figures.
_MECHANISMS = {
    "paravirtual": "Shootdowns are the hypervisor's work here: it stops the other CPU and flushes "
                   "it, and the guest's kernel counts no interrupt. They are proven by the gaps in "
                   "the responders' clocks alone, and cost what the hypervisor makes them cost, "
                   "not what an IPI does.",
    "broadcast": "The hardware broadcasts TLB flushes: no CPU is stopped by one, so none can be "
                 "proven here, and a responder's stall is no cost of a flush.",
    "unknown": "How a shootdown reaches another CPU could not be found out: there was none, or it "
               "was too busy.",
}


def build(context: Context) -> Section:
    machine = context.report.machine
    blocks: list[Block] = []
    if FIGURE.name in context.drawn:
        blocks.append(picture(context.drawn[FIGURE.name]))
    found = warnings(machine)
    if found:
        blocks += [Paragraph("To keep in mind:"), Bullets(tuple(found))]
    rows = tuple((name, _fill(pattern, machine)) for name, pattern in _LINES)
    blocks.append(Numbers("What this was measured on (machine.json)",
                          Table(("", "this machine"), rows, words=2)))
    return Section("machine", "The machine", tuple(blocks))


def _fill(pattern: str, machine: Facts) -> str:
    """The pattern with every {path} replaced; one "unknown" where all of them are."""
    paths = [part.split("}")[0] for part in pattern.split("{")[1:]]
    values = {path: machine.text(path) for path in paths}
    if all(value == UNKNOWN for value in values.values()):
        return UNKNOWN
    for path, value in values.items():
        pattern = pattern.replace("{" + path + "}", value)
    return pattern


def warnings(machine: Facts) -> list[str]:
    """What about a machine or a build limits what its figures mean. Unknown is said as well."""
    found = []
    vendor = machine.text("hypervisor.vendor")
    if is_emulated(machine):
        found.append("The CPUs were emulated by a program (QEMU's TCG): no time in this report is a "
                     "machine's. What the kernel counted is true.")
    elif vendor == UNKNOWN:
        found.append("Whether this is a guest is unknown.")
    elif vendor != "none":
        found.append(f"This is a guest (CPUID: {vendor}): its CPUs are shared, an IPI may leave the guest, "
                     "and its times hold for this guest only. Relations carry further than times.")
    kernel = machine.text("hypervisor.kernel")
    # "Microsoft Hyper-V" is hyperv, "Xen HVM" is xen.
    if kernel not in (UNKNOWN, "none") and vendor not in re.sub("[^a-z]", "", kernel.lower()):
        found.append(f"The kernel's log names another hypervisor than CPUID: {kernel}.")
    if True in (machine.value("hypervisor.pv_tlb_flush"),
                machine.value("hypervisor.kernel_pv_tlb_flush")):
        found.append("Paravirtual TLB flush is on: the hypervisor may flush a CPU that is not "
                     "running without interrupting it.")
    if machine.value("hypervisor.pv_ipi") is True:
        found.append("Paravirtual IPIs are on: several are sent by one call of the hypervisor.")
    mechanism = machine.value("shootdowns.mechanism")
    if mechanism in _MECHANISMS:
        found.append(_MECHANISMS[mechanism])
    if machine.value("perf.hardware_pmu") is False:
        found.append("There is no hardware PMU: TLB and cache misses cannot be counted here.")
    if machine.value("clock.invariant") is False:
        found.append("The clock is not invariant: its rate may follow the CPU's frequency.")
    build_type = machine.text("flushwalk.build_type")
    if build_type not in (UNKNOWN, "Release", "RelWithDebInfo"):
        found.append(f"The build is {build_type}, not Release: its times mean little.")
    if machine.value("flushwalk.git_dirty") is True:
        found.append("The source had changes that are not in the revision named below.")
    if machine.value("topology.this_system") is False:
        found.append("The topology was not this system's: threads were not pinned to what it says.")
    return found
