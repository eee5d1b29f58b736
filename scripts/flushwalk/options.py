"""scripts/run's command line, and whatever can be answered without measuring.

Needs the standard library only, so that help, --list, --dry-run and complaints come before anything
is installed or built; so does what it asks of a folder in which a run is to go on. As a program it
exits 0 (answered), 2 (bad input) or NEEDS_MEASURING.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from flushwalk import machine_facts, pair_run, plan, run_folder, set_up, shootdown_sweeps
from flushwalk.progress import in_words

PROGRAM = "scripts/run"
BAD_INPUT = 2
NEEDS_MEASURING = 3
MOST_CPU_NUMBER = 65535
# As the benches have them (--list-placements); of a list of CPUs the name is "cpus:0,4".
PLACEMENTS = ("compact", "scatter", "smt", "same_l2", "same_l3", "cross_l3", "cross_numa",
              "cross_package")
# Those that have room for as many responders as there are other cores.
_ROOMY = ("compact", "scatter")
MOST_SAMPLES = 1_000_000
MOST_REPETITIONS = 10_000
LONGEST_NAME = 40
# Unless --pairs says otherwise, the pairs of so many CPUs: 4 in the quick set, 16 in the full one.
PAIRS_UNASKED = {False: 12, True: 240}
_REFUSED = "cannot go on in"
# What may be asked of a run that goes on, and was not when it began.
_OF_A_SITTING = ("resume", "dry_run", "list", "strict")

_ABOUT = """\
Measures what a complete TLB flush costs on this machine: the walk over the free lists against the
walk over the xarray, alone and with real shootdowns. Installs what is missing (Debian, Ubuntu) and
builds first; ends with a folder in reports/ that holds measurements, figures and a report, and with
a short answer.
"""
_EXAMPLES = """\
examples:
  scripts/run                           the quick set: about two minutes
  scripts/run --dry-run --full          what the full set would measure, and how long that takes
  scripts/run --filter='blocks:4096/' --out=/tmp/small
  taskset -c 2-5 scripts/run            on these CPUs, chosen by nearness
  scripts/run --cpus=2,4                the initiator on CPU 2, the responder on CPU 4
  scripts/run --pairs=only --cpus=0-15  the map of shootdowns between each two of these CPUs alone
  scripts/run --full --name=quiet       to be found again; then, should it be stopped or killed:
  scripts/run --resume=reports/...      goes on with what it had left

exit status: 0 all measured, 1 something failed (what was measured is reported) or --strict refused,
2 bad input, 130 stopped by Ctrl-C (what was measured is reported)
"""


class BadInput(Exception):
    """What was asked for cannot be done; the text is one line that says why."""


@dataclass(frozen=True)
class Request:
    """What to measure, and where to put it."""

    sweeps: list[plan.Sweep]
    notes: list[str]  # a line each: what is left out here, and why
    placements: list[str]  # how the benches choose CPUs
    folder: Path | None  # None: a new one in reports/
    dry_run: bool
    list_cases: bool
    counters: str | None = None  # as the benches take it; None: what works here
    counter_rotation: bool = False
    oracle: bool = False  # stale aliases are looked for, too
    strict: bool = False  # nothing is measured where the doctor finds what spoils it
    name: str | None = None  # the run's
    plan: str = ""  # the fingerprint of the whole plan, what is finished and left out included
    resumed: Mapping[str, Any] | None = None  # the run.json of a run that goes on
    finished: frozenset[str] = frozenset()  # the cases that it has measured
    pairs: tuple[pair_run.Pair, ...] = ()  # of CPUs, for the map of shootdowns
    samples: int | None = None  # the user's, of a repetition
    repetitions: int | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message.removeprefix('argument ')} ({PROGRAM} --help tells more)")


def _number(most: int):
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number in 1..{most}")
        return int(text)

    return read


def cpu_list(text: str) -> list[int]:
    """ "0,4,8" or "0-3" or both mixed, in the order written."""
    cpus: list[int] = []
    for entry in text.split(","):
        found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", entry)
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of CPUs such as 0,4 or 0-3")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last <= MOST_CPU_NUMBER:
            raise argparse.ArgumentTypeError(f"{entry!r} is not a range of CPUs such as 0-3")
        cpus.extend(range(first, last + 1))
    if len(set(cpus)) < len(cpus):
        raise argparse.ArgumentTypeError(f"{text!r} names a CPU twice")
    return cpus


def placement_list(text: str) -> list[str]:
    """Names, and lists of CPUs: "smt,cpus:0,4-6"; what begins with a digit goes on a list."""
    parts: list[str] = []
    for part in text.split(","):
        if re.match(r"[0-9]", part) and parts and parts[-1].startswith("cpus:"):
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    for part in parts:
        if part.startswith("cpus:"):
            cpu_list(part.removeprefix("cpus:"))
        elif part not in PLACEMENTS:
            raise argparse.ArgumentTypeError(
                f"{part!r} is not one of {', '.join(PLACEMENTS)}, cpus:LIST")
    if len(set(parts)) < len(parts):
        raise argparse.ArgumentTypeError(f"{text!r} names a placement twice")
    return parts


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        message = f"{text!r} is not a regular expression: {error}"
        raise argparse.ArgumentTypeError(message) from None


def _name(text: str) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name: letters, digits, '.', '_' and '-', {LONGEST_NAME} of them at "
            "most, a letter or a digit first")
    return text


def parser() -> argparse.ArgumentParser:
    result = _Parser(
        prog=PROGRAM,
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = result.add_argument
    add("--full", action="store_true", help="the full set: under half an hour on two cores")
    add("--filter", metavar="REGEX", type=_pattern, help="only cases whose name has a match")
    where = result.add_mutually_exclusive_group()
    where.add_argument(
        "--placement",
        metavar="LIST",
        type=placement_list,
        help=f"how CPUs are chosen: {', '.join(PLACEMENTS)}, or cpus:LIST; of several each is "
        "measured (default: compact, a core for each thread, the nearest first; "
        "build/release/bin/flush_walk_bench --list-placements tells which there is room for)",
    )
    where.add_argument(
        "--cpus",
        metavar="LIST",
        type=cpu_list,
        help="the CPUs to use, such as 0,4 or 0-3: the first is the initiator's, the others the "
        "responders'; short for --placement=cpus:LIST",
    )
    add(
        "--pairs",
        nargs="?",
        const="all",
        choices=("all", "only", "none"),
        help="measure the shootdown from each CPU to each other, about a third of a second for each of "
        "n * (n - 1) pairs: besides the rest (all, the default of --pairs alone), or nothing else "
        "(only); without the option up to 4 CPUs, with --full up to 16, unless --filter is given",
    )
    add("--samples", metavar="N", type=_number(MOST_SAMPLES), help="samples in a repetition")
    add("--repetitions", metavar="N", type=_number(MOST_REPETITIONS), help="repetitions of a case")
    add(
        "--counters",
        metavar="LIST",
        help="what is counted beside the times: tlb, walk, memory, software, all, names of events, "
        "or none (default: hardware where there is a PMU, else software, tracepoints and tables; "
        "build/release/bin/flush_walk_bench --list-counters tells which can be counted here)",
    )
    add("--counter-rotation", action="store_true",
        help="hardware events that do not fit at once: one group a repetition, not multiplexed")
    add(
        "--out",
        metavar="FOLDER",
        type=Path,
        help="write here (default: reports/<date>-<host>-<cpu>-<kernel>); a folder without "
        "measurements",
    )
    add(
        "--name",
        metavar="LABEL",
        type=_name,
        help="what to call the run: the end of its folder's name, and the report's title",
    )
    add(
        "--resume",
        metavar="FOLDER",
        type=Path,
        help="go on with a run that was stopped, killed, or lost cases: what it has finished stays "
        "as it is, the rest is measured; with the options that it began with, on the same machine, "
        "with the same programs",
    )
    add(
        "--oracle",
        action="store_true",
        help="look for stale aliases beside each case, on real memory: takes several times as long",
    )
    add("--strict", action="store_true",
        help="measure only where nothing spoils it (scripts/doctor tells what does)")
    add("--list", action="store_true", help="print the names of the cases; measure nothing")
    add("--dry-run", action="store_true", help="print cases and estimated time; measure nothing")
    return result


def _placements(given: argparse.Namespace) -> list[str]:
    """What is asked for, its CPUs usable."""
    if given.cpus is not None:
        _check_usable("--cpus", given.cpus)
        return [f"cpus:{','.join(map(str, given.cpus))}"]
    for name in given.placement or ():
        if name.startswith("cpus:"):
            _check_usable("--placement", cpu_list(name.removeprefix("cpus:")))
    return given.placement or ["compact"]


def _threads_on(placement: str) -> int:
    """For how many threads there is a CPU; of placements that only a bench knows the room of, one
    responder beside the initiator."""
    if placement.startswith("cpus:"):
        return len(cpu_list(placement.removeprefix("cpus:")))
    return machine_facts.usable_cores() if placement in _ROOMY else 2


def _check_usable(option: str, cpus: list[int]) -> None:
    usable = machine_facts.usable_cpus()
    for cpu in cpus:
        if cpu not in usable:
            raise BadInput(
                f"{option}: {cpu} is not a CPU this process may use ({','.join(map(str, usable))})"
            )


def _check_folder(folder: Path) -> None:
    """Writable, or can be made; and not another run's, whose rows would mix with the new ones."""
    if (folder / run_folder.MEASUREMENTS).exists():
        raise BadInput(f"--out: {folder} already holds measurements")
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--out: {folder} is not a folder")
    parent = folder.absolute()
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise BadInput(f"--out: {folder}: {parent} is not a folder that can be written to")


def request(arguments: Sequence[str]) -> Request:
    """What the command line asks for on this machine; raises BadInput."""
    given = parser().parse_args(arguments)
    if given.resume is not None:
        try:
            return _resumed(given)
        except run_folder.FolderError as error:
            raise BadInput(f"--resume: {error}") from None
    if given.out is not None:
        _check_folder(given.out)
    return _planned(given)


def _resumed(given: argparse.Namespace) -> Request:
    """What a run has left. Raises FolderError where it can't go on, or not like this."""
    folder = given.resume
    record = run_folder.record(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise run_folder.FolderError(f"{folder} cannot be written to")
    began_with = [str(word) for word in record["command_line"][1:]]
    then = parser().parse_args(began_with)
    usual = parser().parse_args([])
    for option, value in vars(given).items():
        asked = value != getattr(usual, option) and option not in _OF_A_SITTING
        if asked and str(value) != str(getattr(then, option)):
            raise run_folder.FolderError(
                f"--{option.replace('_', '-')} is not what {folder} began with: "
                f"{shlex.join([PROGRAM, *began_with])}")
    differing = set_up.differing_facts(record["facts"], set_up.facts())
    if differing:
        raise run_folder.FolderError(f"{_REFUSED} {folder}: {'; '.join(differing)}")
    whole = _planned(then)
    if whole.plan != record["plan"]:
        raise run_folder.FolderError(f"{_REFUSED} {folder}: another plan of cases")
    wanted = {case.name: sweep.repetitions for sweep in whole.sweeps for case in sweep.cases()}
    finished = run_folder.finished(folder, wanted)
    rest = wanted.keys() - finished - set(record.get("cases_left_out", ()))
    left = [less for sweep in whole.sweeps if (less := sweep.among(rest)) is not None]
    return replace(whole, sweeps=left, folder=folder, dry_run=given.dry_run, list_cases=given.list,
                   strict=given.strict, resumed=record, finished=finished)


def _pairs(given: argparse.Namespace) -> tuple[pair_run.Pair, ...]:
    """The pairs of CPUs to measure, of those given or usable."""
    cpus = given.cpus if given.cpus is not None else machine_facts.usable_cpus()
    pairs = tuple(shootdown_sweeps.all_pairs(cpus))
    if given.pairs is None:
        few = len(pairs) <= PAIRS_UNASKED[given.full] and given.filter is None
        return pairs if few else ()
    if given.pairs == "none":
        return ()
    if not pairs:
        raise BadInput(f"--pairs: one CPU ({cpus[0]}) is no pair; two or more are needed")
    if given.pairs == "only" and given.filter is not None:
        raise BadInput("--filter: with --pairs=only there are no cases that it could choose from")
    return pairs


def _planned(given: argparse.Namespace) -> Request:
    placements = _placements(given)
    cores = min(map(_threads_on, placements))
    notes = []
    if cores == 1:
        what = "CPU given" if placements[0].startswith("cpus:") else "usable core"
        notes.append(f"one {what}: only the cases without responders are measured")
    whole_set = plan.full_set(cores) if given.full else plan.quick_set(cores)
    placed = plan.placed(whole_set, placements)
    sweeps = plan.narrowed(placed, given.filter, given.samples, given.repetitions)
    pairs = _pairs(given)
    if given.pairs == "only":
        sweeps, notes = [], []
    elif not sweeps:
        raise BadInput(
            f"--filter: {given.filter.pattern!r} finds no case; {PROGRAM} --list names them"
        )
    return Request(sweeps, notes, placements, given.out, given.dry_run, given.list,
                   given.counters, given.counter_rotation, given.oracle, given.strict,
                   given.name, plan.fingerprint(sweeps), pairs=pairs, samples=given.samples,
                   repetitions=given.repetitions)


def is_over(wanted: Request) -> bool:
    """Whether a run that is to go on has nothing left: no case, and no failure to mend."""
    before = wanted.resumed
    return (before is not None and not wanted.sweeps and bool(before.get("ended"))
            and not before.get("interrupted") and before.get("failures") == [])


def summary(wanted: Request) -> str:
    """123 cases and 2 pairs of CPUs, about 2 min 05 s"""
    cases, pairs = len(plan.all_cases(wanted.sweeps)), len(wanted.pairs)
    what = [f"{cases:,} case{'s' if cases != 1 else ''}"] if cases or not pairs else []
    what += [f"{pairs:,} pairs of CPUs"] if pairs else []
    seconds = plan.total_seconds(wanted.sweeps) + pair_run.seconds(wanted.pairs)
    return f"{' and '.join(what)}, about {in_words(seconds)}"


def _print_cases(wanted: Request) -> None:
    if wanted.resumed is not None and not wanted.list_cases:
        print(f"# {len(wanted.finished)} cases are finished in {wanted.folder}")
    for sweep in wanted.sweeps:
        if not wanted.list_cases:
            print(f"# {sweep.title}: {in_words(sweep.seconds())}")
        for case in sweep.cases():
            print(case.name)
    if not wanted.list_cases:
        if wanted.pairs:
            print(f"# {len(wanted.pairs):,} pairs of CPUs: "
                  f"{in_words(pair_run.seconds(wanted.pairs))}")
        print(f"# {summary(wanted)} of measuring")


def main(arguments: Sequence[str]) -> int:
    try:
        wanted = request(arguments)
    except BadInput as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return BAD_INPUT
    if is_over(wanted) and not wanted.list_cases:
        print(f"{wanted.folder} is finished: {len(wanted.finished)} cases measured; "
              f"report: {wanted.folder}/report.html")
        return 0
    if not wanted.list_cases and not wanted.dry_run:
        return NEEDS_MEASURING
    for note in wanted.notes:
        print(note, file=sys.stderr)
    try:
        _print_cases(wanted)
        sys.stdout.flush()
    except BrokenPipeError:  # scripts/run --list | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
