"""How scripts/run calls a bench: its command line, and what the bench says it would measure.

A bench samples the cases that it compares in turn: they are a group, measured on the same memory at
the same time. Groups come one after the other. Which cases make a group the bench alone knows; it
tells with --dry-run.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flushwalk import options
from flushwalk.sweeps import Sweep

# What --oracle has something to look at in.
ORACLE_BENCHES = ("flush_walk_bench", "patch_series_bench", "alloc_free_bench")

Group = tuple[str, ...]  # names of cases


@dataclass(frozen=True)
class Call:
    """One call of a bench: a sweep, and its cases in groups, in the order of the bench."""

    sweep: Sweep
    groups: tuple[Group, ...]

    def without(self, cases: Set[str]) -> Call | None:
        """The groups of which no case is among these; None if there are none."""
        groups = tuple(group for group in self.groups if cases.isdisjoint(group))
        sweep = self.sweep.among({case for group in groups for case in group})
        return Call(sweep, groups) if sweep is not None else None


def command(binaries: Path, wanted: options.Request, sweep: Sweep) -> list[str]:
    """The bench and its arguments, as far as they tell what is measured."""
    words = [str(binaries / sweep.bench), *sweep.flags()]
    if wanted.counters is not None:
        words.append(f"--counters={wanted.counters}")
    elif not sweep.counted:
        words.append("--counters=none")
    if wanted.counter_rotation:
        words.append("--counter-rotation")
    if wanted.oracle and sweep.bench in ORACLE_BENCHES:
        words.append("--oracle")
    return words


@contextmanager
def standard_input(sweep: Sweep) -> Iterator[IO[bytes]]:
    """What the bench is to read: a file, which no one has to write to while it starts."""
    with tempfile.TemporaryFile() as file:
        file.write(sweep.spoken_cases().encode())
        file.seek(0)
        yield file


def ask(binaries: Path, wanted: options.Request, sweep: Sweep) -> Call | str:
    """What the bench would do; or, in its words, why it can't measure this here: a call that this
    kernel lacks, say."""
    words = [*command(binaries, wanted, sweep), "--dry-run"]
    with standard_input(sweep) as file:
        asked = subprocess.run(words, stdin=file, capture_output=True, text=True)
    if asked.returncode == options.BAD_INPUT:
        lines = asked.stderr.strip().splitlines()
        return lines[-1] if lines else f"{sweep.bench} refuses {shlex.join(words)}"
    told = [tuple(part.split()) for part in asked.stdout.split("\n\n")]
    groups = [group for group in told if group]
    known = {case for group in groups for case in group}
    # A bench that tells nothing is found out when it is to measure.
    groups += [(case.name,) for case in sweep.cases() if case.name not in known]
    return Call(sweep, tuple(groups))
