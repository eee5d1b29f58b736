"""How far a run is and how long it still takes, on a terminal and without one.

The time left starts from the plan's estimate and follows what this machine really needs: the
estimate of what is left, times measured over estimated time of what is done. Knows nothing of
processes and files.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from flushwalk import plan, sweeps

SECONDS_BETWEEN_LINES = 10.0
_NOT_IN_SHORT = ("walk:", "check:", "gather:")
_TRUST_AFTER = 0.02  # of the whole: the measured speed counts from here on


def in_words(seconds: float) -> str:
    """45 s; 2 min 05 s; 1 h 10 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def in_short(case: str) -> str:
    """A case's name without what its rivals share or differ in: fits a terminal's line."""
    bench, *parts = case.split("/")
    kept = [part for part in parts if not part.startswith(_NOT_IN_SHORT)]
    if bench != "flush_walk":
        kept.insert(0, bench.replace("_", " "))
    return " ".join(kept).removeprefix("shootdown:")


class TimeLeft:
    """Adds up the estimated seconds of what is done: `begin` for each sweep, then its `step`s."""

    def __init__(self, planned: Sequence[sweeps.Sweep], clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._start = clock()
        self._total = plan.total_seconds(planned)
        self._before = 0.0  # of the sweeps that are over
        self._within = 0.0  # of this sweep
        self._sweep_seconds = 0.0
        self._weights: dict[str, float] = {}
        self._steps_done = 0

    def begin(self, sweep: sweeps.Sweep) -> None:
        self._before += self._sweep_seconds
        self._within = 0.0
        self._sweep_seconds = sweep.seconds()
        self._weights = {case.name: case.seconds for case in sweep.cases()}
        self._steps_done = 0

    def go_on(self, rest: sweeps.Sweep) -> None:
        """The sweep goes on with less: what it had beside this is over."""
        self._before += self._sweep_seconds - rest.seconds()
        self._sweep_seconds = 0.0
        self.begin(rest)

    def step(self, case: str, done: int, total: int) -> None:
        """`done` of the sweep's `total` steps are over; the new ones were `case` and its rivals."""
        if total <= 0 or done <= self._steps_done:
            return
        if self._steps_done == 0:
            self._within = sweeps.SECONDS_PER_SWEEP
        steps_of_a_case = max(1.0, total / max(1, len(self._weights)))
        average = (self._sweep_seconds - sweeps.SECONDS_PER_SWEEP) / total
        weight = self._weights[case] / steps_of_a_case if case in self._weights else average
        self._within += (done - self._steps_done) * weight
        self._steps_done = done
        if done >= total:
            self._within = self._sweep_seconds
        self._within = min(self._within, self._sweep_seconds)

    @property
    def fraction(self) -> float:
        return min(1.0, (self._before + self._within) / self._total) if self._total else 1.0

    @property
    def seconds_left(self) -> float:
        done = self._before + self._within
        left = max(0.0, self._total - done)
        if self.fraction < _TRUST_AFTER:
            return left
        return left * (self._clock() - self._start) / done


@dataclass(frozen=True)
class Place:
    """Where a run is: the repetition (from 1) of a case, or of all that are sampled with it."""

    case: str
    repetition: int
    repetitions: int


class Display(Protocol):
    """Where progress is shown. `tick` is called a few times a second, news or not."""

    def __enter__(self) -> "Display": ...
    def __exit__(self, *_: object) -> None: ...
    def tick(self, place: Place, left: TimeLeft) -> None: ...
    def say(self, line: str) -> None: ...


class Lines:
    """A line every ten seconds: for logs, pipes and CI."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic):
        self._out = out
        self._clock = clock
        self._next = clock()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tick(self, place: Place, left: TimeLeft) -> None:
        if self._clock() < self._next:
            return
        self._next = self._clock() + SECONDS_BETWEEN_LINES
        self.say(f"{left.fraction:4.0%}  {in_words(left.seconds_left)} left  "
                 f"{place.repetition}/{place.repetitions}  {place.case}")

    def say(self, line: str) -> None:
        print(line, file=self._out, flush=True)


class Bar:
    """One line that is drawn anew; on terminals."""

    def __init__(self, console: Any):
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            BarColumn(bar_width=10),
            TextColumn("{task.percentage:3.0f} %  {task.fields[left]} left  "
                       "{task.fields[repetition]}  {task.description}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=1.0, left="", repetition="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tick(self, place: Place, left: TimeLeft) -> None:
        self._progress.update(
            self._task,
            description=in_short(place.case),
            repetition=f"{place.repetition}/{place.repetitions}",
            completed=left.fraction,
            left=in_words(left.seconds_left),
        )

    def say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False)


def display(out: TextIO = sys.stdout) -> Display:
    """A bar on a terminal that can redraw a line, where rich is there; else lines."""
    if out.isatty():
        try:
            from rich.console import Console
        except ImportError:
            return Lines(out)
        console = Console(file=out)
        if console.is_terminal and not console.is_dumb_terminal:
            return Bar(console)
    return Lines(out)
