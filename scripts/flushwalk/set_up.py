"""What must be the same where a run goes on: the machine, as far as times depend on it, and the
programs.

Needs the standard library only. Two set-ups are compared key by key; a fact that this machine does
not tell is None.
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

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_SHOWN = 60  # of a fact that differs; of a longer one it is said only that it does


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return None


def _microcode() -> str | None:
    found = re.search(r"^microcode\s*:\s*(.*)$", _read("/proc/cpuinfo") or "", re.MULTILINE)
    return found[1] if found else None


def _boot_parameters() -> str | None:
    """Without those for the first process."""
    text = _read("/proc/cmdline")
    return None if text is None else text.split(" -- ")[0]


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
    "microcode": _microcode,
    "kernel": lambda: f"{platform.release()} {platform.version()}",
    "kernel's command line": _boot_parameters,
    "usable CPUs": lambda: ",".join(map(str, machine_facts.usable_cpus())),
    "transparent huge pages": lambda: _read("/sys/kernel/mm/transparent_hugepage/enabled"),
    "huge pages of shared memory":
        lambda: _read("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
    "perf_event_paranoid": lambda: _read("/proc/sys/kernel/perf_event_paranoid"),
    "git revision": git_revision,
}


def facts() -> dict[str, str | None]:
    """Of this machine and source, now."""
    return {name: read() for name, read in _FACTS.items()}


def digests(programs: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each program that is there, by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in programs if path.exists()}


def differing_facts(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Each fact that is another one now, in words."""
    words = []
    for name in _FACTS:
        before, after = (values.get(name) or "unknown" for values in (then, now))
        if before != after:
            shown = max(len(str(before)), len(str(after))) <= _LONGEST_SHOWN
            words.append(f"{name} {before} then, {after} now" if shown else f"another {name}")
    return words


def differing_programs(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [f"another {name}" for name in sorted(then) if now.get(name) != then[name]]
