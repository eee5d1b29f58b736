"""scripts/run, once all is built: measures the cases of a plan into a folder and makes its report.

What goes wrong in one program is told and counted, and does not keep the rest from being measured
and reported. Puts into the folder, besides what the benches write: stale_alias.json, thread.json,
run.json (what was asked for, and how it ended) and run.log (what the programs said).
"""

from __future__ import annotations

import csv
import errno
import json
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from flushwalk import child, machine_facts, options, plan
from flushwalk.doctor import short
from flushwalk.sweeps import Sweep
from flushwalk.progress import Display, TimeLeft, display, in_words

ROOT = Path(__file__).resolve().parents[2]
BINARIES = ROOT / "build" / "release" / "bin"
REPORTS = ROOT / "reports"
# Programs that show something and print what they saw as JSON: arguments, and the file for it.
SHOWN = {
    "stale_alias": (("--json",), "stale_alias.json"),
    "thread_answers": (("--seconds=0.7",), "thread.json"),
}
SHOWN_SECONDS = 60  # the longest that one of them may take
# What --oracle has something to look at in.
ORACLE_BENCHES = ("flush_walk_bench", "patch_series_bench", "alloc_free_bench")
_LAST_WORDS = 3  # lines of a failed program's that are shown


@dataclass
class Run:
    """One run on its way. `failures` has a line for each thing that went wrong."""

    folder: Path
    wanted: options.Request
    command_line: list[str]
    stop: child.Stop
    log: BinaryIO
    failures: list[str] = field(default_factory=list)
    measured_seconds: float = 0.0


def _bench_command(wanted: options.Request, sweep: Sweep) -> list[str]:
    command = [str(BINARIES / sweep.bench), *sweep.flags()]
    if wanted.cpus is not None:
        command.append(f"--cpus={','.join(map(str, wanted.cpus))}")
    if wanted.counters is not None:
        command.append(f"--counters={wanted.counters}")
    elif not sweep.counted:
        command.append("--counters=none")
    if wanted.counter_rotation:
        command.append("--counter-rotation")
    if wanted.oracle and sweep.bench in ORACLE_BENCHES:
        command.append("--oracle")
    return command


def _short(folder: Path) -> str:
    """As the user would write it: the bench keeps its command line in machine.json."""
    here = Path.cwd()
    absolute = folder.absolute()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def _how_it_ended(program: str, status: int) -> str:
    if status < 0:
        return f"{program} was killed by signal {-status}"
    return f"{program} failed (exit status {status})"


def _make_folder(wanted: options.Request) -> Path:
    if wanted.folder is not None:
        folder = wanted.folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    name = machine_facts.folder_for_now()
    for attempt in range(1, 100):
        folder = REPORTS / (name if attempt == 1 else f"{name}_{attempt}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            pass
    raise FileExistsError(errno.EEXIST, "exists, and 98 more of that name", REPORTS / name)


def _refusal(wanted: options.Request, sweep: Sweep) -> str | None:
    """Why the bench can't measure a sweep here: a call that this kernel lacks, say."""
    command = [*_bench_command(wanted, sweep), "--dry-run"]
    asked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if asked.returncode != options.BAD_INPUT:
        return None
    words = asked.stderr.strip().splitlines() or [f"{sweep.bench} refuses {shlex.join(command)}"]
    return words[-1]


def what_can_be_measured(wanted: options.Request) -> options.Request:
    """Without the sweeps that are refused, which become notes; raises BadInput if none is left."""
    sweeps = []
    notes = []
    for sweep in wanted.sweeps:
        refusal = _refusal(wanted, sweep)
        if refusal is not None:
            notes.append(f"left out: {sweep.title}: {refusal}")
        less = sweep.fallback() if refusal is not None else sweep
        if less is not None and (refusal is None or _refusal(wanted, less) is None):
            sweeps.append(less)
    if not sweeps:
        raise options.BadInput(str(_refusal(wanted, wanted.sweeps[0])))
    return replace(wanted, sweeps=sweeps, notes=[*wanted.notes, *notes])


def show(run: Run, program: str) -> None:
    """Runs one of SHOWN; what it found becomes its file."""
    arguments, name = SHOWN[program]
    try:
        found = subprocess.run(
            [str(BINARIES / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=run.log,
            timeout=SHOWN_SECONDS,
            start_new_session=True,
        )
        findings = json.loads(found.stdout) if found.stdout.strip() else None
    except subprocess.TimeoutExpired:
        run.failures.append(f"{program} did not end in {SHOWN_SECONDS} s")
        return
    except (OSError, ValueError) as error:
        run.failures.append(f"{program}: {error}")
        return
    if findings is not None:
        _write_json(run.folder / name, findings)
    if found.returncode != 0:
        run.failures.append(_how_it_ended(program, found.returncode))
    elif findings is None:
        run.failures.append(f"{program} told nothing")


def measure_sweep(run: Run, sweep: Sweep, left: TimeLeft, shown: Display) -> None:
    """One call of a bench, watched."""
    case = sweep.title
    own_words = f"{sweep.bench}: "
    words: deque[str] = deque(maxlen=_LAST_WORDS)

    def on_progress(progress: Any) -> None:
        nonlocal case
        case = progress["case"]
        left.step(case, progress["done"], progress["total"])

    def on_words(line: str) -> None:
        words.append(line)
        if line.startswith(own_words):
            shown.say(line)

    told_to_wait = False

    def on_tick() -> None:
        nonlocal told_to_wait
        if run.stop.times and not told_to_wait:
            told_to_wait = True
            shown.say(f"stopping: waiting for {sweep.bench} to close its files")
        shown.tick(case, left)

    left.begin(sweep)
    command = [*_bench_command(run.wanted, sweep), f"--out={_short(run.folder)}", "--progress"]
    run.log.write(f"$ {shlex.join(command)}\n".encode())
    try:
        status = child.run(command, run.log, run.stop, on_progress, on_tick, on_words)
    except OSError as error:
        run.failures.append(f"{sweep.bench}: {error.strerror}")
        return
    if status != 0 and not run.stop.times:
        run.failures.append(f"{_how_it_ended(sweep.bench, status)} while measuring: {sweep.title}")
        for line in words:
            if not line.startswith(own_words):
                shown.say(f"  {line}")


def measure(run: Run) -> None:
    """All that the plan has, until the user wants to stop."""
    start = time.monotonic()
    left = TimeLeft(run.wanted.sweeps)
    with display() as shown:
        for sweep in run.wanted.sweeps:
            if run.stop.times:
                break
            measure_sweep(run, sweep, left, shown)
    run.measured_seconds = time.monotonic() - start


def measured_cases(folder: Path) -> set[str]:
    """The names in the case column of what was written; a last line may be cut off."""
    try:
        with (folder / options.MEASUREMENTS).open(newline="", errors="replace") as file:
            return {row["case"] for row in csv.DictReader(file) if row.get("case")}
    except (OSError, csv.Error):
        return set()


def note_what_is_missing(run: Run) -> None:
    planned = [case.name for case in plan.all_cases(run.wanted.sweeps)]
    measured = measured_cases(run.folder)
    missing = [name for name in planned if name not in measured]
    if missing and not run.stop.times:
        run.failures.append(f"{len(missing)} of {len(planned)} cases were not measured")
    _write_json(
        run.folder / "run.json",
        {
            "schema_version": 1,
            "command_line": run.command_line,
            "cases_planned": len(planned),
            "cases_not_measured": missing,
            "measured_seconds": round(run.measured_seconds, 1),
            "notes": run.wanted.notes,
            "interrupted": bool(run.stop.times),
            "failures": run.failures,
        },
    )


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_report(run: Run) -> list[str]:
    """Figures and report of what there is; returns the answer's lines."""
    if not measured_cases(run.folder):
        run.failures.append("nothing was measured, so there is no report")
        return []
    print("drawing the figures, writing the report", flush=True)
    try:
        from flushwalk import answer, report

        return list(answer.answer_lines(report.write_report(run.folder)))
    except Exception as error:  # whatever it is: the measurements are there, and are told of
        run.log.write(traceback.format_exc().encode())
        run.failures.append(f"the report could not be made: {error}")
        return []


def _tell_the_end(run: Run, answer: Sequence[str]) -> None:
    print()
    for line in answer:
        print(line)
    for path in (run.folder / "report.html", run.folder / "report.md"):
        if path.exists():
            print(f"report: {path}")
            break
    else:
        print(f"measurements: {run.folder}")
    sys.stdout.flush()
    for failure in run.failures:
        print(f"{options.PROGRAM}: {failure}", file=sys.stderr)
    if run.failures:
        log = run.folder / "run.log"
        print(f"{options.PROGRAM}: what the programs said: {log}", file=sys.stderr)


def _measure_and_report(
    wanted: options.Request, folder: Path, command_line: list[str], stop: child.Stop
) -> int:
    print(f"measuring {options.summary(wanted.sweeps)}, into {folder}", flush=True)
    with (folder / "run.log").open("ab", buffering=0) as log:
        run = Run(folder, wanted, command_line, stop, log)
        with stop:
            for program in SHOWN:
                if not stop.times:
                    show(run, program)
            measure(run)
        note_what_is_missing(run)
        if not stop.times:
            print(f"measured for {in_words(run.measured_seconds)}", flush=True)
        try:
            answer = write_report(run)
        except KeyboardInterrupt:
            stop.signal = stop.signal or signal.SIGINT
            run.failures.append(f"stopped; scripts/report makes the report of {folder}")
            answer = []
        _tell_the_end(run, answer)
    if stop.signal is not None:
        return stop.exit_status
    return 1 if run.failures else 0


def _in_one_line(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _complain(text: str, status: int) -> int:
    print(f"{options.PROGRAM}: {text}", file=sys.stderr)
    return status


def main(arguments: Sequence[str]) -> int:
    """Answers what needs no measuring; else measures and reports. Returns the exit status."""
    answered = options.main(arguments)
    if answered != options.NEEDS_MEASURING:
        return answered
    try:
        wanted = options.request(arguments)
        wanted = what_can_be_measured(wanted)
        for note in wanted.notes:
            print(note, flush=True)
        if not short.is_fit(BINARIES, wanted.strict):
            return _complain("--strict: not measured; scripts/doctor tells how to mend it", 1)
        folder = _make_folder(wanted)
    except options.BadInput as error:
        return _complain(str(error), options.BAD_INPUT)
    except OSError as error:
        return _complain(_in_one_line(error), options.BAD_INPUT)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    command_line = [options.PROGRAM, *arguments]
    try:
        return _measure_and_report(wanted, folder, command_line, child.Stop())
    except OSError as error:  # the disk is full, for instance
        return _complain(_in_one_line(error), 1)
