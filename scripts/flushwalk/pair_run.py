"""Measures the map of pairs: the same shootdown from each CPU to each other one, a short call of the
bench for each pair.

Apart from the plan's sweeps, for all pairs are cases of one name: which are measured is told by the
CPUs in the rows. Knows nothing of how a run is displayed or ends.
"""

from __future__ import annotations

import csv
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from flushwalk import shootdown_sweeps
from flushwalk.progress import in_words

Pair = tuple[int, int]  # the initiator's CPU, and the responder's

SECONDS_PER_PAIR = 0.3  # with the start of the bench, which is most of it
_PATIENCE_SECONDS = 60.0
_MOST_FAILURES = 3  # in a row: the next pair would fail as well
_SECONDS_BETWEEN_LINES = 10.0


def seconds(pairs: Sequence[Pair]) -> float:
    return SECONDS_PER_PAIR * len(pairs)


def command(program: Path, pair: Pair, folder: str, samples: int | None = None,
            repetitions: int | None = None) -> list[str]:
    """The call that measures a pair and adds its rows to the folder's."""
    sweep = shootdown_sweeps.pair(*pair, samples, repetitions)
    return [str(program), *sweep.flags(), f"--cpus={pair[0]},{pair[1]}", "--counters=none",
            f"--out={folder}"]


def measured(measurements: Path) -> set[Pair]:
    """The pairs that have rows, valid or not; a last line may be cut off."""
    (case,) = shootdown_sweeps.pair(0, 1).cases()
    try:
        with measurements.open(newline="", errors="replace") as file:
            return {(int(row["initiator_cpu"]), int(row["responder_cpus"]))
                    for row in csv.DictReader(file)
                    if (row.get("case") or "").partition("/placement:")[0] == case.name
                    and row.get("metric") == "operation_time"
                    and (row.get("responder_cpus") or "").isdigit()}
    except (OSError, csv.Error):
        return set()


def measure(pairs: Sequence[Pair], command_of: Callable[[Pair], list[str]], log: BinaryIO,
            wants_to_stop: Callable[[], bool], say: Callable[[str], None]) -> list[str]:
    """Measures one after the other; a line for whatever went wrong. A pair that is under way when
    the user wants to stop is measured to its end."""
    failures: list[str] = []
    in_a_row = 0
    start = said = time.monotonic()
    for done, pair in enumerate(pairs):
        if wants_to_stop():
            break
        now = time.monotonic()
        if done and now - said > _SECONDS_BETWEEN_LINES:
            said = now
            left = (now - start) / done * (len(pairs) - done)
            say(f"pair {done + 1:,} of {len(pairs):,}, {in_words(left)} left")
        failure = _measure_one(command_of(pair), log)
        in_a_row = in_a_row + 1 if failure else 0
        if failure:
            failures.append(f"pair of CPUs {pair[0]} and {pair[1]}: {failure}")
        if in_a_row == _MOST_FAILURES:
            failures.append(f"{len(pairs) - done - 1:,} further pairs of CPUs were not tried")
            break
    return failures


def _measure_one(words: list[str], log: BinaryIO) -> str | None:
    """What went wrong, or None."""
    log.write(f"$ {shlex.join(words)}\n".encode())
    program = Path(words[0]).name
    try:
        # In a session of its own: a terminal's Ctrl-C is for us, and this takes but a moment.
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.PIPE,
                               timeout=_PATIENCE_SECONDS, start_new_session=True)
    except subprocess.TimeoutExpired:
        return f"{program} did not end in {in_words(_PATIENCE_SECONDS)}"
    except OSError as error:
        return f"{program}: {error.strerror}"
    log.write(ended.stderr)
    if ended.returncode < 0:
        return f"{program} was killed by signal {-ended.returncode}"
    if ended.returncode:
        own = [line for line in ended.stderr.decode(errors="replace").splitlines()
               if line.startswith(f"{program}: ")]
        return own[-1] if own else f"{program} failed (exit status {ended.returncode})"
    return None
