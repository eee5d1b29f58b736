"""Sets what can be set of a machine while a command runs, and puts everything back.

Back means: on every way out, also when the command fails, and after Ctrl-C, SIGTERM or SIGHUP.
Nothing survives a SIGKILL of this program or a crash of the machine: so what was there is printed
before it is changed. What brings CPUs up or down (SMT) is left alone: it is another machine then.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Sequence

from flushwalk.child import Stop

COMMAND_FAILED_TO_START = 127
_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class Knob:
    """A file of /proc or /sys (a pattern, where there are several) and what it is to say; with one
    of `fine` it is left as it is."""

    pattern: str
    value: str
    fine: tuple[str, ...] = ()


_CPUS = "sys/devices/system/cpu"
KNOBS = (
    Knob(f"{_CPUS}/cpufreq/policy*/scaling_governor", "performance"),
    Knob(f"{_CPUS}/intel_pstate/no_turbo", "1"),
    Knob(f"{_CPUS}/cpufreq/boost", "0"),
    Knob("sys/kernel/mm/transparent_hugepage/enabled", "madvise", ("never",)),
    Knob("sys/kernel/mm/transparent_hugepage/shmem_enabled", "never", ("advise", "deny")),
    Knob("sys/kernel/mm/ksm/run", "0", ("2",)),
    Knob("proc/sys/kernel/numa_balancing", "0"),
    Knob("proc/sys/kernel/nmi_watchdog", "0"),
    Knob("proc/sys/kernel/perf_event_paranoid", "-1"),
    Knob("proc/sys/vm/stat_interval", "120"),
)


def value_in(path: Path) -> str:
    """What a setting is: of "always [madvise] never" the word in brackets. Raises OSError."""
    text = path.read_text().strip()
    chosen = re.search(r"\[([^]]*)\]", text)
    return chosen[1] if chosen else text


@dataclass(frozen=True)
class _Change:
    path: Path
    before: str


class Tuning:
    """The changes made to the machine under a root folder; `tell` gets a line for each."""

    def __init__(self, root: Path, tell: Callable[[str], None]):
        self._root = root
        self._tell = tell
        self._made: list[_Change] = []
        self.refused: list[str] = []

    @property
    def changed(self) -> int:
        """Settings that are not as they were."""
        return len(self._made)

    def _files(self) -> Iterator[tuple[Path, Knob]]:
        for knob in KNOBS:
            for path in sorted(self._root.glob(knob.pattern)):
                yield path, knob

    def set_all(self, stop: Stop) -> bool:
        """Sets what is not yet as wanted. False: something was to be set, and nothing could be."""
        for path, knob in self._files():
            if stop.times:
                break
            try:
                before = value_in(path)
                if before == knob.value or before in knob.fine:
                    continue
            except OSError as error:
                self._refuse(path, error)
                continue
            self._tell(f"{path}: {before} -> {knob.value}")
            # Noted first: whatever happens in the middle of it, it is put back.
            self._made.append(_Change(path, before))
            try:
                path.write_text(knob.value)
            except OSError as error:
                self._made.pop()
                self._refuse(path, error)
        return bool(self._made) or not self.refused

    def _refuse(self, path: Path, error: OSError) -> None:
        self.refused.append(f"{path} stays as it is: {error.strerror}")

    def put_back(self) -> list[str]:
        """Undoes what was set, the last first; gives a line for each that could not be."""
        failed = []
        while self._made:
            change = self._made.pop()
            try:
                change.path.write_text(change.before)
            except OSError as error:
                failed.append(f"{change.path} could not be put back to {change.before}: "
                              f"{error.strerror}")
        return failed


def _run(command: Sequence[str], stop: Stop, complain: Callable[[str], None]) -> int:
    """Runs a command to its end: it may have files to close, whatever signals come. It has a
    session of its own, so that a terminal's Ctrl-C comes to us alone, and is passed on once."""
    try:
        process = subprocess.Popen(command, start_new_session=True)
    except OSError as error:
        complain(f"{command[0]}: {error.strerror}")
        return COMMAND_FAILED_TO_START
    passed_on = 0
    while True:
        try:
            status = process.wait(_SECONDS_BETWEEN_LOOKS)
            return status if status >= 0 else 128 - status
        except subprocess.TimeoutExpired:
            if stop.times > passed_on:
                passed_on += 1
                process.send_signal(stop.signal or signal.SIGTERM)


def _wait(stop: Stop) -> int:
    while not stop.times:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return 0 if stop.signal == signal.SIGINT else stop.exit_status


def tuned(root: Path, command: Sequence[str], tell: Callable[[str], None],
          complain: Callable[[str], None]) -> int | None:
    """Runs the command (none: waits for Ctrl-C) on a machine that is set as it should be. Gives its
    exit status; None, without running it, where nothing could be set. 1: something was not put
    back."""
    tuning = Tuning(root, tell)
    status: int | None = None
    with Stop() as stop:  # signals only leave a note: putting back is never interrupted
        try:
            able = tuning.set_all(stop)
            for line in tuning.refused:
                complain(line)
            if stop.times:
                status = stop.exit_status
            elif able:
                if not command:
                    tell("set; Ctrl-C puts it back")
                status = _run(command, stop, complain) if command else _wait(stop)
        finally:
            changed = tuning.changed
            failed = tuning.put_back()
    if changed and not failed:
        tell(f"{changed} settings are as they were")
    for line in failed:
        complain(line)
    return 1 if failed else status
