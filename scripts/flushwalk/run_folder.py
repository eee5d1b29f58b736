"""What scripts/run keeps in a report folder so that a run that was stopped, or killed, can go on.

- run.json: what was asked for, of which machine and programs, and how it ended. Written when the
  run begins, and again at its end.
- finished.txt: the cases of which every repetition is written, a line each, appended when the bench
  says so. A case is finished together with its rivals: they are sampled in turn, on the same memory.
- run.log: what the programs said. Its lock is the folder's: two runs cannot measure into one.
- set_aside/: rows of cases that were half done when a run went on, and were measured anew.

Needs the standard library only. Whatever is wrong with a folder raises FolderError.
"""

from __future__ import annotations

import csv
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import IO, Any, BinaryIO

from flushwalk.files import write_whole

RUN = "run.json"
FINISHED = "finished.txt"
LOG = "run.log"
SET_ASIDE = "set_aside"
MEASUREMENTS = "measurements.csv"
COUNTERS = "counters.csv"


class FolderError(Exception):
    """A folder that a run cannot use; the text is one line that says why."""


def open_log(folder: Path) -> BinaryIO:
    """The folder's log, unbuffered, for appending; locked while it, or a program that it was given
    to as standard output, is open."""
    log = (folder / LOG).open("ab", buffering=0)
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.close()
        raise FolderError(f"{folder}: a run is measuring into it just now") from None
    return log


def write_json(path: Path, value: Any) -> None:
    write_whole(path, (json.dumps(value, indent=2) + "\n").encode())


def record(folder: Path) -> dict[str, Any]:
    """The folder's run.json."""
    path = folder / RUN
    if not folder.is_dir():
        raise FolderError(f"{folder}: no such folder")
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        raise FolderError(f"{folder}: no {RUN} in it: not a folder that scripts/run made") from None
    except (OSError, ValueError) as error:
        raise FolderError(f"{path}: cannot be read: {error}") from None
    whole = isinstance(values, dict) and all(
        isinstance(values.get(key), kind)
        for key, kind in (("command_line", list), ("plan", str), ("facts", dict),
                          ("programs", dict), ("sittings", list)))
    if not whole:
        raise FolderError(f"{path}: does not tell how the run began: an older flushwalk made it")
    return dict(values)


class Finished:
    """finished.txt, opened for appending."""

    def __init__(self, folder: Path):
        path = folder / FINISHED
        torn = path.exists() and not path.read_bytes().endswith(b"\n")
        self._file: IO[bytes] = path.open("ab", buffering=0)
        if torn:
            self._file.write(b"\n")

    def add(self, cases: Iterable[str]) -> None:
        self._file.write("".join(f"{case}\n" for case in cases).encode())

    def close(self) -> None:
        self._file.close()


def _records(path: Path) -> Iterator[tuple[bytes, list[str]]]:
    """Each complete record of a CSV file as it stands there, and its cells; the header first."""
    with path.open("rb") as file:
        record = b""
        for line in file:
            record += line
            if line.endswith(b"\n") and record.count(b'"') % 2 == 0:
                yield record, next(csv.reader([record.decode(errors="replace")]), [])
                record = b""


def repetitions(folder: Path) -> dict[str, set[str]]:
    """The repetitions of which measurements.csv has rows, by case. Nothing where there is no such
    file."""
    found: dict[str, set[str]] = {}
    try:
        records = _records(folder / MEASUREMENTS)
        header = next(records, (b"", []))[1]
        if "case" not in header or "repetition" not in header:
            return {}
        case, repetition = header.index("case"), header.index("repetition")
        for _, cells in records:
            if len(cells) == len(header):
                found.setdefault(cells[case], set()).add(cells[repetition])
    except (OSError, csv.Error):
        pass
    return found


def finished(folder: Path, wanted: Mapping[str, int]) -> frozenset[str]:
    """Of the wanted cases (with their number of repetitions) those that are finished. After a crash
    of the machine finished.txt may know more than the rows that came to the disk: they decide."""
    try:
        *lines, _ = (folder / FINISHED).read_text(errors="replace").split("\n")
    except OSError:
        return frozenset()
    there = repetitions(folder)
    return frozenset(case for case in lines
                     if case in wanted and len(there.get(case, ())) >= wanted[case])


def set_aside(folder: Path, cases: Set[str]) -> int:
    """Takes the rows of these cases out of the folder's CSV files, into set_aside/; all other rows
    stay byte for byte. Returns how many there were."""
    rows = 0
    for name in (MEASUREMENTS, COUNTERS):
        path = folder / name
        if path.exists():
            rows += _set_aside_of(path, folder / SET_ASIDE / name, cases)
    return rows


def _set_aside_of(path: Path, aside: Path, cases: Set[str]) -> int:
    records = _records(path)
    header, names = next(records, (b"", []))
    kept, taken = [header], []
    case = names.index("case") if "case" in names else len(names)
    for record, cells in records:
        half_done = case < len(cells) and cells[case] in cases
        (taken if half_done else kept).append(record)
    if not taken:
        return 0
    # The copy first: killed in between, a row is in both, and the next run takes it out again.
    aside.parent.mkdir(exist_ok=True)
    with aside.open("ab") as file:
        file.write(b"".join(taken if file.tell() else [header, *taken]))
        file.flush()
        os.fsync(file.fileno())
    write_whole(path, b"".join(kept))
    return len(taken)
