"""scripts/doctor's command line. Needs the standard library only, so that help and complaints come
before anything is installed or built. As a program it exits 0 (answered), 2 (bad input), or says by
NEEDS_PROBE and NEEDS_TUNING what is to be done."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flushwalk.cli import Parser

PROGRAM = "scripts/doctor"
NEEDS_PROBE = 3
NEEDS_TUNING = 4

_ABOUT = """\
Tells what on this machine would spoil a measurement, why, and how to mend it: settings, what each
CPU loses to others (two seconds, all at once), and how small a difference can be told here.
"""
_EXAMPLES = """\
examples:
  scripts/doctor                           the whole examination: some ten seconds, once all is built
  scripts/doctor --strict && scripts/run   measure only where nothing spoils it
  sudo scripts/doctor --tune -- scripts/run --full
                                           set what can be set while a command runs, then put it back
  sudo scripts/doctor --tune               the same until Ctrl-C

exit status: 0, 1 (--strict) something spoils or the machine could not be examined, 2 bad input;
with --tune that of the command, 1 if something could not be put back
"""


@dataclass(frozen=True)
class Request:
    strict: bool
    json: bool
    tune: bool
    command: list[str]  # to run while tuned; empty: until Ctrl-C
    root: Path  # stands for / when tuning (tests)


def request(arguments: Sequence[str]) -> Request:
    """What is asked for. Ends the program, with one line, for bad input."""
    own, command = list(arguments), []
    if "--" in own:
        at = own.index("--")
        own, command = own[:at], own[at + 1:]
    parser = Parser(prog=PROGRAM, usage=f"{PROGRAM} [--strict] [--json] | --tune [-- COMMAND...]",
                    description=_ABOUT, epilog=_EXAMPLES, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strict", action="store_true", help="exit 1 if something spoils")
    parser.add_argument("--json", action="store_true", help="one JSON object (reports/SCHEMA.md)")
    parser.add_argument("--tune", action="store_true",
                        help="set what can be set (root) while COMMAND runs, or until Ctrl-C")
    parser.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    given = parser.parse_args(own)
    if given.tune and (given.strict or given.json):
        parser.error("--tune: goes with a command alone, not with --strict or --json")
    if command and not given.tune:
        parser.error(f"{command[0]}: a command goes with --tune")
    return Request(given.strict, given.json, given.tune, command, given.root)


def main(arguments: Sequence[str]) -> int:
    return NEEDS_TUNING if request(arguments).tune else NEEDS_PROBE
