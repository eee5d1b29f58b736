"""scripts/run, once all is built: measures the cases of a plan into a folder and makes its report.

What goes wrong in one program is told and counted, and does not keep the rest from being measured
and reported. Puts into the folder, besides what the benches write: stale_alias.json, thread.json,
and what run_folder.py tells of.
"""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from flushwalk import (
    calls, child, machine_facts, measuring, options, plan, run_folder, set_up, shootdown_sweeps)
from flushwalk.doctor import probe, short
from flushwalk.facts import Facts
from flushwalk.measuring import Run
from flushwalk.progress import in_words

ROOT = Path(__file__).resolve().parents[2]
BINARIES = ROOT / "build" / "release" / "bin"
REPORTS = ROOT / "reports"
# Programs that show something and print what they saw as JSON: arguments, and the file for it.
SHOWN = {
    "stale_alias": (("--json",), "stale_alias.json"),
    "thread_answers": (("--seconds=0.7",), "thread.json"),
}
SHOWN_SECONDS = 60  # the longest that one of them may take


def _make_folder(wanted: options.Request) -> Path:
    if wanted.folder is not None:
        folder = wanted.folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    name = machine_facts.folder_for_now()
    if wanted.name is not None:
        name += f"-{wanted.name}"
    for attempt in range(1, 100):
        folder = REPORTS / (name if attempt == 1 else f"{name}_{attempt}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            pass
    raise FileExistsError(errno.EEXIST, "exists, and 98 more of that name", REPORTS / name)


def what_can_be_measured(wanted: options.Request) -> tuple[options.Request, list[calls.Call]]:
    """Without the sweeps that are refused, which become notes; and how the benches are to be
    called. Raises BadInput if none is left."""
    planned: list[calls.Call] = []
    notes = []
    first_refusal = None
    for sweep in wanted.sweeps:
        answer = calls.ask(BINARIES, wanted, sweep)
        if isinstance(answer, str):
            first_refusal = first_refusal or answer
            notes.append(f"left out: {sweep.title}: {answer}")
            less = sweep.fallback()
            answer = calls.ask(BINARIES, wanted, less) if less is not None else answer
        if isinstance(answer, calls.Call):
            planned.append(answer)
    if not planned and first_refusal is not None and wanted.resumed is None:
        raise options.BadInput(first_refusal)
    sweeps = [call.sweep for call in planned]
    return replace(wanted, sweeps=sweeps, notes=[*wanted.notes, *notes]), planned


def _has_shown(run: Run, program: str) -> bool:
    """Whether an earlier sitting of the run has what the program shows."""
    before = run.wanted.resumed
    failures = before.get("failures", []) if before is not None else []
    told = any(str(failure).startswith(program) for failure in failures)
    return before is not None and not told and (run.folder / SHOWN[program][1]).exists()


def show(run: Run, program: str) -> None:
    """Runs one of SHOWN; what it found becomes its file."""
    arguments, name = SHOWN[program]
    try:
        found = subprocess.run(
            [str(run.binaries / program), *arguments],
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
        run_folder.write_json(run.folder / name, findings)
    if found.returncode != 0:
        run.failures.append(measuring.how_it_ended(program, found.returncode))
    elif findings is None:
        run.failures.append(f"{program} told nothing")


def _programs(wanted: options.Request) -> list[Path]:
    names = {sweep.bench for sweep in wanted.sweeps}
    names |= {shootdown_sweeps.BENCH} if wanted.pairs else set()
    return [BINARIES / name for name in sorted(names)]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class Record:
    """run.json, from the beginning of a sitting to its end."""

    def __init__(self, wanted: options.Request, arguments: Sequence[str], left_out: Sequence[str]):
        command_line = [options.PROGRAM, *arguments]
        self._sitting: dict[str, Any] = {"began": _now(), "command_line": command_line}
        self._values: dict[str, Any] = dict(wanted.resumed) if wanted.resumed is not None else {
            "schema_version": 1,
            "name": wanted.name,
            "command_line": command_line,
            "plan": wanted.plan,
            "facts": set_up.facts(),
            "programs": set_up.digests(_programs(wanted)),
            "cases_left_out": [],
            "sittings": [],
        }
        # What a run that is killed leaves unsaid.
        self._values.update({
            "notes": wanted.notes, "interrupted": None, "ended": None, "failures": [],
            "cases_left_out": [*self._values["cases_left_out"], *left_out],
            "sittings": [*self._values["sittings"], self._sitting]})

    def write(self, folder: Path) -> None:
        run_folder.write_json(folder / run_folder.RUN, self._values)

    def note(self, run: Run, planned: int, missing: Sequence[str], partly: Sequence[str]) -> None:
        """All is measured that could be; the report tells of it."""
        self._sitting["measured_seconds"] = round(run.measured_seconds, 1)
        seconds = sum(each.get("measured_seconds", 0.0) for each in self._values["sittings"])
        self._values.update({
            "cases_planned": planned,
            "cases_not_measured": list(missing),
            "cases_unfinished": list(partly),
            "measured_seconds": round(seconds, 1),
            "interrupted": bool(run.stop.times),
            "failures": run.failures,
        })
        self.write(run.folder)

    def close(self, run: Run) -> None:
        """The report is made, or has failed."""
        self._values.update({"ended": _now(), "interrupted": run.stop.signal is not None})
        self.write(run.folder)


def note_the_end(run: Run, record: Record) -> None:
    """What was not measured is a failure; and all of it goes into run.json."""
    wanted = {case.name: sweep.repetitions for sweep in run.wanted.sweeps for case in sweep.cases()}
    planned = len(run.wanted.finished) + len(wanted)
    finished = run_folder.finished(run.folder, wanted)
    there = run_folder.repetitions(run.folder)
    missing = [name for name in wanted if name not in there]
    partly = [name for name in wanted if name in there and name not in finished]
    for names, how in ((missing, "not measured"), (partly, "measured in part only")):
        if names and not run.stop.times:
            run.failures.append(f"{len(names)} of {planned} cases were {how}")
    record.note(run, planned, missing, partly)


def write_report(run: Run) -> list[str]:
    """Figures and report of what there is; returns the answer's lines."""
    if not run_folder.repetitions(run.folder):
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


def _sit(run: Run, planned: Sequence[calls.Call], record: Record) -> int:
    """One sitting: what is to be shown and measured, and the report. Returns the exit status."""
    record.write(run.folder)
    with run.stop:
        for program in SHOWN:
            if not run.stop.times and not _has_shown(run, program):
                show(run, program)
        measuring.measure(run, planned)
    note_the_end(run, record)
    if not run.stop.times:
        print(f"measured for {in_words(run.measured_seconds)}", flush=True)
    try:
        answer = write_report(run)
    except KeyboardInterrupt:
        run.stop.signal = run.stop.signal or signal.SIGINT
        run.failures.append(f"stopped; scripts/report makes the report of {run.folder}")
        answer = []
    record.close(run)
    _tell_the_end(run, answer)
    if run.stop.signal is not None:
        return run.stop.exit_status
    return 1 if run.failures else 0


def _settings_of(path: Path) -> Facts:
    """Of a machine.json; nothing where there is none that can be read."""
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError):
        return Facts()
    return Facts(values) if isinstance(values, dict) else Facts()


def _check_set_up(wanted: options.Request) -> None:
    """Raises BadInput where the programs, or the machine's settings, are others than those that the
    run began with."""
    assert wanted.resumed is not None and wanted.folder is not None
    then = wanted.resumed["programs"]
    differing = set_up.differing_programs(then, set_up.digests(BINARIES / name for name in then))
    settings = _settings_of(wanted.folder / "machine.json")
    if settings.values and not differing:
        try:
            now = probe.look(BINARIES).machine
            differing = set_up.differing_settings(settings, now)
        except probe.ProbeError as error:
            print(f"the machine's settings were not compared: {error}", flush=True)
    if differing:
        raise options.BadInput(f"--resume: cannot go on in {wanted.folder}: {'; '.join(differing)}")


def _clear_half_done(wanted: options.Request, folder: Path) -> None:
    print(f"going on: {len(wanted.finished)} cases are finished", flush=True)
    rows = run_folder.set_aside(folder, {case.name for case in plan.all_cases(wanted.sweeps)})
    if rows:
        print(f"{rows} rows of cases that were half done: now in {run_folder.SET_ASIDE}/")


@dataclass
class _Prepared:
    """A run that may begin: its folder is there and held."""

    wanted: options.Request
    planned: list[calls.Call]
    left_out: list[str]
    folder: Path
    log: BinaryIO


def _open_log(folder: Path, option: str) -> BinaryIO:
    try:
        return run_folder.open_log(folder)
    except run_folder.FolderError as error:
        raise options.BadInput(f"{option}: {error}") from None


class _Unfit(Exception):
    """The machine, for a measurement that was to be strict."""


def _prepare(arguments: Sequence[str]) -> _Prepared:
    """Raises BadInput, OSError and _Unfit; no row was touched then."""
    wanted = options.request(arguments)
    log = None
    if wanted.resumed is not None:
        assert wanted.folder is not None
        log = _open_log(wanted.folder, "--resume")
        wanted = options.request(arguments)  # once more: nobody else writes now
        _check_set_up(wanted)
    everything = plan.all_cases(wanted.sweeps)
    wanted, planned = what_can_be_measured(wanted)
    left_out = {case.name for case in everything} - {
        case.name for case in plan.all_cases(wanted.sweeps)}
    for note in wanted.notes:
        print(note, flush=True)
    if not short.is_fit(BINARIES, wanted.strict):
        raise _Unfit("--strict: not measured; scripts/doctor tells how to mend it")
    folder = _make_folder(wanted)
    return _Prepared(wanted, planned, sorted(left_out), folder, log or _open_log(folder, "--out"))


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
        ready = _prepare(arguments)
    except options.BadInput as error:
        return _complain(str(error), options.BAD_INPUT)
    except OSError as error:
        return _complain(_in_one_line(error), options.BAD_INPUT)
    except _Unfit as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    wanted, folder = ready.wanted, ready.folder
    record = Record(wanted, arguments, ready.left_out)
    with ready.log as log:
        try:
            if wanted.resumed is not None:
                _clear_half_done(wanted, folder)
            print(f"measuring {options.summary(wanted)}, into {folder}", flush=True)
            run = Run(folder, BINARIES, wanted, child.Stop(), log)
            return _sit(run, ready.planned, record)
        except OSError as error:  # the disk is full, for instance
            return _complain(_in_one_line(error), 1)
