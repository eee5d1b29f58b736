"""What a run of scripts/shootdown_guest must show, looked up in what it left.

    python3 -m flushwalk.guest_claims FOLDER

Contract: prints a line for each claim, PASS or FAIL with the numbers behind it, and NOTE where
nothing is claimed; the exit code is 1 where one fails, 2 where a file is missing or is no such
file. Only what the guest's kernel counted decides. Gaps in the responders' clocks are told, and
decide nothing: where the host has fewer CPUs than the guest, a responder may stand still as a
flush begins, and its gap then began before it; and a flush takes so long there that a gap of
another cause may begin in it.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Sequence

from flushwalk import cli
from flushwalk.facts import Facts
from flushwalk.machine_facts import is_emulated
from flushwalk.results import ReportError

CPUS = 8
CPUS_OF_A_NODE = 4
REMOTE = "tlb:tlb_flush/reason==1/"  # a flush that another CPU asked for
# Folder -> whether REMOTE was counted there.
RUNS = {"compact": True, "listed": True, "alone": True, "ranges": False, "calls": True,
        "user": False}
# Whose samples are a bench's flushes, each once.
FLUSHES = {"flush_walk_bench": ("flush_time",), "flush_range_bench": ("shootdown_time",),
           "shootdown_bench": ("operation_time", "unproven_operation_time")}

Row = dict[str, str]


@dataclass(frozen=True)
class Claim:
    holds: bool | None  # None: a note
    text: str

    def __str__(self) -> str:
        word = "NOTE" if self.holds is None else "PASS" if self.holds else "FAIL"
        return f"{word}  {self.text}"


@dataclass(frozen=True)
class Counts:
    """What one responder's CPU took in one case; None: not counted."""

    flushes: int
    shootdowns: int  # calls that had to reach it
    interrupts: int | None  # by which its TLB row moved
    remote: int | None  # of REMOTE

    def agree(self, with_remote: bool) -> bool:
        told = (self.interrupts, self.remote) if with_remote else (self.interrupts,)
        return self.shootdowns > 0 and all(count == self.shootdowns for count in told)

    def text(self, with_remote: bool) -> str:
        remote = f", {self.remote} of reason 1" if with_remote else ""
        return (f"{self.flushes} flushes, {self.shootdowns} shootdowns, "
                f"{self.interrupts} TLB interrupts{remote}")


def claims(folder: Path) -> Iterator[Claim]:
    yield from _programs(folder)
    yield _stale_alias(folder)
    yield _machine(folder)
    yield from _placements(folder)
    for name, with_remote in RUNS.items():
        yield from _shootdowns(folder / name, with_remote)
    yield from _ordinary_user(folder / "user")


def _programs(folder: Path) -> Iterator[Claim]:
    ended = [line.split() for line in (folder / "ended.txt").read_text().splitlines()]
    failed = [f"{name} with {status}" for name, status in ended if status != "0"]
    yield Claim(bool(ended) and not failed, f"{len(ended)} programs ended, "
                + (f"not well: {', '.join(failed)}" if failed else "each with status 0"))
    said = (folder / "counters_test.txt").read_text()
    exact = "[       OK ] Counting.PageFaultsOfTouchedPagesAreThatManyExactly" in said
    yield Claim(exact, "1, 2 and 500 touched pages are counted as just as many page faults"
                + ("" if exact else ": the test failed or was skipped, see counters_test.txt"))


def _stale_alias(folder: Path) -> Claim:
    walks = {walk["revision"]: walk for walk in _json(folder / "stale_alias.txt")["walks"]}
    old, new = walks["v6.4"], walks["p1"]
    return Claim(old["read_new_owner"] and not new["stale"],
                 f"stale pages after a flush: v6.4 {old['stale_pages']}, p1 {new['stale_pages']}")


def _machine(folder: Path) -> Claim:
    machine = _json(folder / "compact" / "machine.json")
    topology = machine["topology"]
    as_booted = (topology["packages"], topology["numa_nodes"], topology["pus"]) == (2, 2, CPUS)
    emulated = is_emulated(Facts(machine))
    says = "says" if emulated else "does not say"
    return Claim(as_booted and emulated,
                 f"machine.json {says} that the CPUs are emulated; {topology['summary']}")


def _placements(folder: Path) -> Iterator[Claim]:
    packages = {int(cpu): int(package) for cpu, package in
                map(str.split, (folder / "packages.txt").read_text().splitlines())}
    row = _rows(folder / "compact" / "measurements.csv")[0]
    initiator = int(row["initiator_cpu"])
    responders = [int(cpu) for cpu in row["responder_cpus"].split()]
    far = [packages[cpu] != packages[initiator] for cpu in responders]
    yield Claim(set(responders) == _others(row) and far == sorted(far) and far.count(True) == 4,
                f"compact: initiator on CPU {initiator}, responders on {row['responder_cpus']}: "
                "its own socket's first")
    row = _rows(folder / "listed" / "measurements.csv")[0]
    used = ",".join([row["initiator_cpu"], *row["responder_cpus"].split()])
    yield Claim(row["placement"] == f"cpus:{used}", f"{row['placement']}: used were {used}")
    listed = (folder / "placements.txt").read_text()
    for name in ("cross_package", "cross_numa"):
        found = re.search(rf"^{name} .*\n +here: initiator (\d+), responders ([\d,]+)$", listed,
                          re.MULTILINE)
        cpus = [int(cpu) for cpu in ",".join(found.groups()).split(",")] if found else []
        other = sum(packages[cpu] != packages[cpus[0]] for cpu in cpus)
        yield Claim(len(cpus) == 5 and other == 4,
                    f"{name}: CPUs {' '.join(map(str, cpus)) or 'none'}: the first one's "
                    f"responders are the {other} of the other socket")


def _shootdowns(folder: Path, with_remote: bool) -> Iterator[Claim]:
    rows = _rows(folder / "measurements.csv")
    flushes = _flushes(rows)
    if not flushes:
        yield Claim(False, f"{folder.name}: no flush was made")
    stalls = [row for row in rows if row["metric"] == "stall"]
    remote = _remote(folder / "counters.csv") if with_remote else {}
    for case in flushes:
        of_case = [row for row in stalls if _case(row) == case]
        counts = {int(row["cpu"]): Counts(flushes[case], int(row["shootdowns_expected"]),
                                          _number(row["tlb_interrupts"]),
                                          remote.get((case, row["cpu"]))) for row in of_case}
        holds = (bool(of_case) and set(counts) == _others(of_case[0])
                 and all(one.agree(with_remote) for one in counts.values()))
        gaps = [int(row["shootdowns_proven"]) for row in of_case] or [0]
        yield Claim(holds, f"{folder.name}: {case}: {_in_words(counts, with_remote)} "
                    f"(by gaps alone {min(gaps)} to {max(gaps)})")
    nodes = {(int(row["initiator_cpu"]) // CPUS_OF_A_NODE, row["memory_node"]) for row in rows}
    found = ", ".join(f"{node or 'unknown'} (the initiator's is {own})"
                      for own, node in sorted(nodes))
    yield Claim(all(str(own) == node for own, node in nodes),
                f"{folder.name}: memory was found on node {found}")
    switched = [f"{row['role']} on CPU {row['cpu']}: {row['context_switches']}"
                for row in rows if row["context_switches"] != "0"]
    yield Claim(not switched, f"{folder.name}: no thread was switched out"
                + (f", but {'; '.join(switched)}" if switched else f" in {len(rows)} rows"))
    yield Claim(None, f"{folder.name}: {_validity(rows)}")


def _flushes(rows: Sequence[Row]) -> dict[str, int]:
    """How many each case had; in one of the runs that share a folder, as all had as many."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        if row["role"] == "initiator" and row["metric"] in FLUSHES[row["bench"]]:
            counts.setdefault(_case(row), {})[row["metric"]] = int(row["samples"])
    return {case: sum(of_metric.values()) for case, of_metric in counts.items()}


def _case(row: Row) -> str:
    """Without its placement: each responder alone is one case, on seven placements."""
    return row["case"].split("/placement:")[0]


def _others(row: Row) -> set[int]:
    return set(range(CPUS)) - {int(row["initiator_cpu"])}


def _in_words(counts: dict[int, Counts], with_remote: bool) -> str:
    told = {one.text(with_remote) for one in counts.values()}
    if len(told) == 1:
        return f"each of {len(counts)} responders: {told.pop()}"
    return "; ".join(f"CPU {cpu}: {one.text(with_remote)}" for cpu, one in counts.items())


def _validity(rows: Sequence[Row]) -> str:
    reasons = [row["invalid_reason"] for row in rows if row["valid"] != "true"]
    text = f"{len(rows) - len(reasons)} of {len(rows)} rows are valid"
    return text + (f"; one that is not: {reasons[0].split('; ')[0]}" if reasons else "")


def _ordinary_user(folder: Path) -> Iterator[Claim]:
    machine = _json(folder / "machine.json")
    paranoid = machine["perf"]["event_paranoid"]
    missing = [event for event in machine["counters"]["events"] if event["status"] != "counted"]
    # No call fails of a table without the row, and nothing but another kernel would have it.
    silent = [event["name"] for event in missing if not event["reason"] or
              (event["kind"] != "table" and not (event["errno"] and event["remedy"]))]
    yield Claim(bool(missing) and not silent,
                f"ordinary user, kernel.perf_event_paranoid={paranoid}, no tracefs: {len(missing)} "
                f"of {len(machine['counters']['events'])} counters are missing, "
                + (f"of these without reason, errno and remedy: {', '.join(silent)}" if silent
                   else "each with reason, errno and remedy"))
    wrong = [row["counter"] for row in _rows(folder / "counters.csv")
             if row["kind"] != "metric" and (row["raw"] == "") != (row["reason"] != "")]
    yield Claim(not wrong, "its counters.csv: "
                + (f"neither a count nor a reason: {', '.join(sorted(set(wrong)))}" if wrong
                   else "each row has a count, or the reason why not"))


def _remote(path: Path) -> dict[tuple[str, str], int | None]:
    """What was counted of REMOTE, by case and CPU."""
    return {(_case(row), row["cpu"]): _number(row["raw"]) for row in _rows(path)
            if row["counter"] == REMOTE}


def _number(text: str) -> int | None:
    return int(text) if text else None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ReportError(f"{path}: {error}") from None


def _rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ReportError(f"{path}: no rows")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.Parser(prog="guest_claims",
                        description="What a run of scripts/shootdown_guest must show.")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="what that run left")
    folder: Path = parser.parse_args(arguments).folder

    def work() -> int:
        found = []
        for claim in claims(folder):
            print(claim)
            found.append(claim)
        return 1 if any(claim.holds is False for claim in found) else 0

    return cli.run("guest_claims", work)


if __name__ == "__main__":
    sys.exit(main())
