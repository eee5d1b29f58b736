"""What must be the same where a run goes on: the machine, as far as times depend on it, the source
and the programs.

Needs the standard library only. Facts are known before anything is built; settings are compared as
machine.json has them.
"""

from __future__ import annotations

import hashlib
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from flushwalk import machine_facts
from flushwalk.facts import UNKNOWN, Facts

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_SHOWN = 60  # of a fact that differs; of a longer one it is said only that it does


def git_revision(source: Path = _ROOT) -> str | None:
    """The commit of the source; None outside of a clone of it."""
    command = ["git", "-C", str(source), "rev-parse", "--show-prefix", "--verify", "HEAD"]
    try:
        asked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError:
        return None
    # The prefix is not empty where the source lies in a clone of something else.
    found = re.fullmatch(r"\n?([0-9a-f]+)\n", asked.stdout)
    return found[1] if asked.returncode == 0 and found else None


# By what a person calls them.
_FACTS: Mapping[str, Callable[[], str | None]] = {
    "host": platform.node,
    "CPU": machine_facts.cpu_model,
    "kernel": lambda: f"{platform.release()} {platform.version()}",
    "usable CPUs": lambda: ",".join(map(str, machine_facts.usable_cpus())),
    "git revision": git_revision,
}
# Of machine.json: what bears on times and counters, and can be changed without another kernel.
_SETTINGS = (
    "cpu.microcode", "kernel.command_line", "kernel.aslr", "kernel.numa_balancing", "mitigations",
    "page_tables", "hypervisor.vendor", "vm.thp", "vm.thp_shmem", "vm.ksm", "frequency.driver",
    "frequency.governor", "frequency.energy_preference", "frequency.turbo", "smt.active",
    "isolation", "load.cpu_quota", "perf.event_paranoid",
)


def facts() -> dict[str, str | None]:
    """Of this machine and source, now."""
    return {name: read() for name, read in _FACTS.items()}


def digests(programs: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each program that is there, by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in programs if path.exists()}


def _in_words(name: str, before: str, after: str) -> str:
    shown = max(len(before), len(after)) <= _LONGEST_SHOWN
    return f"{name} {before} then, {after} now" if shown else f"another {name}"


def differing_facts(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Each fact that is another one now, in words."""
    both = {name: [str(values.get(name) or UNKNOWN) for values in (then, now)] for name in _FACTS}
    return [_in_words(name, before, after) for name, (before, after) in both.items()
            if before != after]


def differing_settings(then: Facts, now: Facts) -> list[str]:
    """The same of two machine.json; what one of them does not know is not compared."""
    both = {path: (then.text(path), now.text(path)) for path in _SETTINGS}
    return [_in_words(path, before, after) for path, (before, after) in both.items()
            if before != after and UNKNOWN not in (before, after)]


def differing_programs(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [f"another {name}" for name in sorted(then) if now.get(name) != then[name]]
