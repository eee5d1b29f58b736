"""Measures the calls of a plan, one after the other, under a watch; then the pairs of CPUs.

What goes wrong in one group of cases costs that group: the bench is called again for those after
it. A bench that says nothing for much longer than a group should take is killed. Nothing is tried
twice here: that is for a run that goes on (scripts/run --resume).
"""

from __future__ import annotations

import shlex
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from flushwalk import calls, child, options, pair_run, shootdown_sweeps
from flushwalk.progress import Display, Place, TimeLeft, display, in_words
from flushwalk.run_folder import MEASUREMENTS, Finished

# A group may take this many times its estimate, and at least so long, before it counts as hung.
PATIENCE_FACTOR = 20.0
PATIENCE_SECONDS = 120.0
# Calls of a sweep in a row that finish nothing: the next one would not either.
MOST_BARREN_CALLS = 5
# A bench with one of these has tried all its cases, or refuses to measure at all.
_TRIED_ALL = (1, options.BAD_INPUT)
CLOCK = time.monotonic  # that patience is measured with
_LAST_WORDS = 3  # lines of a failed program's that are shown


@dataclass
class Run:
    """One run on its way. `failures` has a line for each thing that went wrong."""

    folder: Path
    binaries: Path
    wanted: options.Request
    stop: child.Stop
    log: BinaryIO
    failures: list[str] = field(default_factory=list)
    measured_seconds: float = 0.0


def short(folder: Path) -> str:
    """As the user would write it: the bench keeps its command line in machine.json."""
    here = Path.cwd()
    absolute = folder.absolute()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def how_it_ended(program: str, status: int) -> str:
    if status < 0:
        return f"{program} was killed by signal {-status}"
    return f"{program} failed (exit status {status})"


class Watch:
    """How far one call of a bench is, by its progress lines."""

    def __init__(self, call: calls.Call):
        self._groups = call.groups
        self._at_of = {case: at for at, group in enumerate(call.groups) for case in group}
        self._at = 0
        self.written = 0  # repetitions of the group under way
        self.barren = True  # no case was finished

    def heard(self, progress: Mapping[str, Any]) -> Sequence[str]:
        """Takes a line; returns the cases that are finished with it."""
        at = self._at_of.get(progress["case"], self._at)
        self.written = self.written + 1 if at == self._at else 1
        self._at = at
        finished: Sequence[str] = progress.get("finished", ())
        if finished:
            self.barren = False
            self._at, self.written = self._at + 1, 0
        return finished

    @property
    def under_way(self) -> calls.Group:
        """Empty when all groups are over."""
        return self._groups[self._at] if self._at < len(self._groups) else ()

    @property
    def tried(self) -> Set[str]:
        """The cases of all groups up to the one under way."""
        return {case for group in self._groups[: self._at + 1] for case in group}


class _Listener:
    """What is done with what one call of a bench says."""

    def __init__(self, run: Run, call: calls.Call, left: TimeLeft, shown: Display, done: Finished):
        self._run, self._call, self._left, self._shown, self._done = run, call, left, shown, done
        self._seconds = {case.name: case.seconds for case in call.sweep.cases()}
        self._own_words = f"{call.sweep.bench}: "
        self._told_to_wait = False
        self._patience = child.Patience(self._limit_of(call.groups[0]), CLOCK)
        self.hung = False
        self.watch = Watch(call)
        self.words: deque[str] = deque(maxlen=_LAST_WORDS)  # that were not shown

    def _limit_of(self, group: calls.Group) -> float:
        estimate = sum(self._seconds.get(case, 0.0) for case in group)
        return max(PATIENCE_SECONDS, PATIENCE_FACTOR * estimate)

    @property
    def limit(self) -> float:
        """Seconds that the bench may say nothing."""
        return self._patience.seconds

    def on_progress(self, progress: Mapping[str, Any]) -> None:
        self._left.step(progress["case"], progress["done"], progress["total"])
        finished = self.watch.heard(progress)
        if finished:
            self._done.add(finished)
        self._patience.renew(self._limit_of(self.watch.under_way))

    def on_words(self, line: str) -> None:
        if line.startswith(self._own_words):
            self._shown.say(line)
        else:
            self.words.append(line)

    def on_tick(self) -> bool:
        """Whether the bench is to go on."""
        if self._run.stop.times and not self._told_to_wait:
            self._told_to_wait = True
            self._shown.say(f"stopping: waiting for {self._call.sweep.bench} to close its files")
        sweep, group = self._call.sweep, self.watch.under_way
        at = min(self.watch.written + 1, sweep.repetitions)
        self._shown.tick(Place(group[0] if group else sweep.title, at, sweep.repetitions),
                         self._left)
        self.hung = self.hung or self._patience.over()
        return not self.hung


def _call_bench(run: Run, call: calls.Call, listener: _Listener) -> int:
    """Its exit status. Raises OSError where it cannot be started."""
    command = [*calls.command(run.binaries, run.wanted, call.sweep), f"--out={short(run.folder)}",
               "--progress"]
    run.log.write(f"$ {shlex.join(command)}\n".encode())
    with calls.standard_input(call.sweep) as file:
        if call.sweep.only is not None:
            run.log.write(f"the cases that it is told:\n{call.sweep.spoken_cases()}".encode())
        return child.run(command, file, run.log, run.stop, listener)


def _what_it_cost(listener: _Listener, bench: str, status: int) -> str:
    group = listener.watch.under_way
    how = how_it_ended(bench, status)
    if listener.hung:
        how = f"{bench} said nothing for {in_words(listener.limit)} and was killed"
    if not group:
        return f"{how} after its last case"
    rivals = f" (with {len(group) - 1} sampled in turn with it)" if len(group) > 1 else ""
    return f"{how} while measuring {group[0]}{rivals}"


def measure_sweep(
    run: Run, call: calls.Call, left: TimeLeft, shown: Display, done: Finished
) -> None:
    """One sweep: the bench is called until each group has been tried."""
    left.begin(call.sweep)
    bench = call.sweep.bench
    barren = 0
    rest: calls.Call | None = call
    while rest is not None:
        listener = _Listener(run, rest, left, shown, done)
        try:
            status = _call_bench(run, rest, listener)
        except OSError as error:
            run.failures.append(f"{bench}: {error.strerror}")
            return
        if status == 0 or run.stop.times:
            return
        run.failures.append(_what_it_cost(listener, bench, status))
        for line in listener.words:
            shown.say(f"  {line}")
        rest = rest.without(listener.watch.tried)
        barren = barren + 1 if listener.watch.barren else 0
        if status in _TRIED_ALL or rest is None:
            return
        if barren == MOST_BARREN_CALLS:
            run.failures.append(f"{bench} failed {barren} times before it had finished a case: "
                                f"the rest was not tried: {call.sweep.title}")
            return
        left.go_on(rest.sweep)


def measure_pairs(run: Run, say: Callable[[str], None]) -> None:
    """The map of pairs, but for those that have rows: of the plan's cases, or of an earlier sitting."""
    wanted, program = run.wanted, run.binaries / shootdown_sweeps.BENCH
    measured = pair_run.measured(run.folder / MEASUREMENTS) if wanted.pairs else set()
    pairs = [pair for pair in wanted.pairs if pair not in measured]
    run.failures += pair_run.measure(
        pairs, lambda pair: pair_run.command(program, pair, short(run.folder), wanted.samples,
                                             wanted.repetitions),
        run.log, lambda: run.stop.times > 0, say)


def measure(run: Run, planned: Sequence[calls.Call]) -> None:
    """All that the plan has, until the user wants to stop."""
    start = time.monotonic()
    left = TimeLeft([call.sweep for call in planned])
    done = Finished(run.folder)
    try:
        with display() as shown:
            for call in planned:
                if run.stop.times:
                    break
                measure_sweep(run, call, left, shown, done)
            measure_pairs(run, shown.say)
    finally:
        done.close()
        run.measured_seconds = time.monotonic() - start
