"""What is claimed of an emulated guest's run, on files made up as such a run leaves them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Callable

import pytest
from synthetic_report import MACHINE

from flushwalk import answer, guest_claims, plot
from flushwalk.results import ReportError, load
from flushwalk.sections.machine import warnings

FLUSHES = 50
EMULATED = {**MACHINE, "hypervisor": {"vendor": "tcg"}, "perf": {"event_paranoid": 4},
            "topology": {"packages": 2, "numa_nodes": 2, "pus": 8, "summary": "2 packages"}}
FOUND = {"status": "counted", "errno": None, "reason": None, "remedy": None}
DENIED = {"name": "page-faults", "kind": "software", "status": "permission_denied",
          "errno": "EACCES", "reason": "not permitted", "remedy": "CAP_PERFMON (root)"}
COMPACT, LISTED = [0, 1, 2, 3, 4, 5, 6, 7], [7, 0, 6, 1, 5, 2, 4, 3]
Rows = list[dict[str, Any]]


def rows_of(bench: str, cpus: list[int], placement: str, calls: int = 1) -> Rows:
    """An initiator's rows, and one of each responder."""
    place = "" if placement == "compact" else f"/placement:{placement}"
    proof = {"bench": bench, "case": f"{bench}/calls:{calls}{place}", "samples": 9,
             "placement": placement, "initiator_cpu": cpus[0],
             "memory_node": cpus[0] // 4,
             "responder_cpus": " ".join(map(str, cpus[1:])), "context_switches": 0,
             "shootdowns_expected": FLUSHES * calls, "tlb_interrupts": FLUSHES * calls,
             "shootdowns_proven": 9, "valid": "false", "invalid_reason": "9 of 50; more"}
    samples = {"flush_walk_bench": {"flush_time": FLUSHES, "shootdown_time": FLUSHES},
               "flush_range_bench": {"shootdown_time": FLUSHES},
               "shootdown_bench": {"operation_time": 9, "unproven_operation_time": FLUSHES - 9,
                                   "operation_rate": 2}}
    initiator = [{**proof, "role": "initiator", "cpu": cpus[0], "metric": metric, "samples": count}
                 for metric, count in samples[bench].items()]
    return [*initiator, *({**proof, "role": "responder", "cpu": cpu, "metric": "stall"}
                         for cpu in cpus[1:])]


def counters_of(rows: Rows) -> Rows:
    return [{"case": row["case"], "cpu": row["cpu"], "raw": FLUSHES,
             "counter": guest_claims.REMOTE} for row in rows]


class Guest:
    """The files of one run, all as claimed, to be spoilt by a test before they are written."""

    def __init__(self) -> None:
        compact = rows_of("flush_walk_bench", COMPACT, "compact")
        listed = rows_of("flush_walk_bench", LISTED, "cpus:7,0,6,1,5,2,4,3")
        alone = [row for cpu in COMPACT[1:]
                 for row in rows_of("flush_walk_bench", [0, cpu], f"cpus:0,{cpu}")]
        ranges = [row for calls in (1, 4)
                  for row in rows_of("flush_range_bench", COMPACT, "compact", calls)]
        self.placements = {"cross_package": "4,5,6,7", "cross_numa": "4,5,6,7"}
        self.rows = {"compact": compact, "listed": listed, "alone": alone, "ranges": ranges,
                     "calls": rows_of("shootdown_bench", COMPACT, "compact"),
                     "user": rows_of("flush_walk_bench", COMPACT, "compact")}
        self.counters = {name: counters_of(self.rows[name])
                         for name in ("compact", "listed", "alone", "calls")}
        self.counters["user"] = [
            {"counter": "page-faults", "kind": "software", "raw": "", "reason": "why",
             "status": "permission_denied"},
            {"counter": "/proc/interrupts:TLB", "kind": "table", "raw": 50, "reason": "",
             "status": "counted"},
            {"counter": "cycles_per_shootdown", "kind": "metric", "raw": "", "reason": "",
             "status": "counted"}]
        self.machine: dict[str, Any] = json.loads(json.dumps(EMULATED))
        self.events: Rows = [dict(DENIED), {"name": "/proc/interrupts:TLB", **FOUND},
                             {"name": "/proc/vmstat:nr_tlb_*", "kind": "table", **FOUND,
                              "status": "not_supported", "reason": "no such row"}]
        self.ended = "stale_alias 0\ncompact 0\n"
        self.test = "[       OK ] Counting.PageFaultsOfTouchedPagesAreThatManyExactly (3 ms)\n"
        self.stale = {"v6.4": (True, True, 64), "p1": (False, False, 0)}

    def write(self, folder: Path) -> Path:
        for files, file_name in ((self.rows, "measurements.csv"), (self.counters, "counters.csv")):
            for name, rows in files.items():
                (folder / name).mkdir(parents=True, exist_ok=True)
                with (folder / name / file_name).open("w", newline="") as file:
                    writer = csv.DictWriter(file, sorted({key for row in rows for key in row}))
                    writer.writeheader()
                    writer.writerows(rows)
        (folder / "compact" / "machine.json").write_text(json.dumps(self.machine))
        (folder / "user" / "machine.json").write_text(json.dumps(
            {**self.machine, "counters": {"events": self.events}}))
        walks = [{"revision": revision, "stale": stale, "read_new_owner": read, "stale_pages": some}
                 for revision, (stale, read, some) in self.stale.items()]
        (folder / "stale_alias.txt").write_text(json.dumps({"walks": walks}))
        (folder / "packages.txt").write_text("".join(f"{cpu} {cpu // 4}\n" for cpu in range(8)))
        (folder / "placements.txt").write_text("".join(
            f"{name}   cores of another one\n               here: initiator 0, responders {cpus}\n"
            for name, cpus in self.placements.items()))
        (folder / "ended.txt").write_text(self.ended)
        (folder / "counters_test.txt").write_text(self.test)
        return folder


def failures(folder: Path) -> list[str]:
    return [claim.text for claim in guest_claims.claims(folder) if claim.holds is False]


def test_a_run_as_it_must_be_passes_and_tells_the_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guest_claims.main([str(Guest().write(tmp_path))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "PASS  compact: flush_walk_bench/calls:1: each of 7 responders: 50 flushes, " \
           "50 shootdowns, 50 TLB interrupts, 50 of reason 1 (by gaps alone 9 to 9)" in lines
    assert "PASS  calls: shootdown_bench/calls:1: each of 7 responders: 50 flushes, " \
           "50 shootdowns, 50 TLB interrupts, 50 of reason 1 (by gaps alone 9 to 9)" in lines
    assert "PASS  ranges: flush_range_bench/calls:4: each of 7 responders: 50 flushes, " \
           "200 shootdowns, 200 TLB interrupts (by gaps alone 9 to 9)" in lines
    assert "PASS  compact: no thread was switched out in 9 rows" in lines
    assert "PASS  listed: memory was found on node 1 (the initiator's is 1)" in lines
    assert "NOTE  compact: 0 of 9 rows are valid; one that is not: 9 of 50" in lines


def _interrupt_lost(guest: Guest) -> None:
    guest.rows["compact"][5]["tlb_interrupts"] = FLUSHES - 1


def _row_not_counted(guest: Guest) -> None:
    guest.rows["user"][4]["tlb_interrupts"] = ""


def _none_of_reason_1(guest: Guest) -> None:
    guest.counters["listed"][3]["raw"] = 0


def _counter_missing(guest: Guest) -> None:
    del guest.counters["alone"][-1]


def _responder_missing(guest: Guest) -> None:
    del guest.rows["alone"][-2:]


def _nothing_was_to_be_shot(guest: Guest) -> None:
    for row in guest.rows["ranges"]:
        row["shootdowns_expected"] = row["tlb_interrupts"] = 0


def _no_flush(guest: Guest) -> None:
    guest.rows["calls"] = [row for row in guest.rows["calls"] if row["metric"] == "stall"]


def _switched_out(guest: Guest) -> None:
    guest.rows["listed"][2]["context_switches"] = 3


def _memory_elsewhere(guest: Guest) -> None:
    guest.rows["listed"][2]["memory_node"] = 0


def _memory_not_told(guest: Guest) -> None:
    guest.rows["calls"][0]["memory_node"] = ""


def _far_ones_first(guest: Guest) -> None:
    guest.rows["compact"][0]["responder_cpus"] = "4 5 6 7 1 2 3"


def _other_cpus(guest: Guest) -> None:
    guest.rows["listed"][0]["responder_cpus"] = "0 1 2 3 4 5 6"


def _not_emulated(guest: Guest) -> None:
    guest.machine["hypervisor"]["vendor"] = "kvm"


def _one_socket(guest: Guest) -> None:
    guest.machine["topology"]["packages"] = 1


def _crashed(guest: Guest) -> None:
    guest.ended += "user 139\n"


def _skipped(guest: Guest) -> None:
    guest.test = guest.test.replace("      OK", " SKIPPED")


def _p1_stale(guest: Guest) -> None:
    guest.stale["p1"] = (True, True, 64)


def _no_remedy(guest: Guest) -> None:
    guest.events[0]["remedy"] = None


def _a_zero_for_a_missing_count(guest: Guest) -> None:
    guest.counters["user"][0]["raw"] = 0


def _too_near(guest: Guest) -> None:
    guest.placements["cross_numa"] = "3,4,5,6"


def _placement_refused(guest: Guest) -> None:
    guest.placements["cross_package"] = "not told"


def _no_reason(guest: Guest) -> None:
    guest.counters["user"][0]["reason"] = ""


@pytest.mark.parametrize("spoil, said", [
    (_interrupt_lost, "CPU 4: 50 flushes, 50 shootdowns, 49 TLB interrupts, 50 of reason 1;"),
    (_row_not_counted, "CPU 3: 50 flushes, 50 shootdowns, None TLB interrupts"),
    (_none_of_reason_1, "CPU 6: 50 flushes, 50 shootdowns, 50 TLB interrupts, 0 of reason 1"),
    (_counter_missing, "CPU 7: 50 flushes, 50 shootdowns, 50 TLB interrupts, None of reason 1"),
    (_responder_missing, "alone: flush_walk_bench/calls:1: each of 6 responders"),
    (_nothing_was_to_be_shot, "ranges: flush_range_bench/calls:4: each of 7 responders: 50 flush"),
    (_no_flush, "calls: no flush was made"),
    (_switched_out, "listed: no thread was switched out, but responder on CPU 0: 3"),
    (_memory_elsewhere, "listed: memory was found on node 0 (the initiator's is 1), 1 (the"),
    (_memory_not_told, "calls: memory was found on node unknown (the initiator's is 0), 0 (the"),
    (_far_ones_first, "compact: initiator on CPU 0, responders on 4 5 6 7 1 2 3"),
    (_other_cpus, "cpus:7,0,6,1,5,2,4,3: used were 7,0,1,2,3,4,5,6"),
    (_too_near, "cross_numa: CPUs 0 3 4 5 6: the first one's responders are the 3 of the other"),
    (_placement_refused, "cross_package: CPUs none"),
    (_not_emulated, "machine.json does not say that the CPUs are emulated"),
    (_one_socket, "machine.json says that the CPUs are emulated"),
    (_crashed, "not well: user with 139"),
    (_skipped, "the test failed or was skipped"),
    (_p1_stale, "v6.4 64, p1 64"),
    (_no_remedy, "without reason, errno and remedy: page-faults"),
    (_a_zero_for_a_missing_count, "neither a count nor a reason: page-faults"),
    (_no_reason, "neither a count nor a reason: page-faults"),
])
def test_what_is_not_so_fails_and_is_named(
    tmp_path: Path, spoil: Callable[[Guest], None], said: str
) -> None:
    guest = Guest()
    spoil(guest)
    found = failures(guest.write(tmp_path))
    assert any(said in text for text in found), found


def test_a_file_that_is_missing_or_torn_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Guest().write(tmp_path)
    (folder / "user" / "machine.json").write_text("{")
    assert guest_claims.main([str(folder)]) == 2
    assert "user/machine.json: " in capsys.readouterr().err
    (folder / "stale_alias.txt").unlink()
    assert guest_claims.main([str(folder)]) == 2
    assert "stale_alias.txt: No such file" in capsys.readouterr().err


def test_emulated_times_are_marked_and_stand_beside_no_others(
    make_report: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = make_report(name="real")
    emulated = make_report(name="emulated", machine=EMULATED)
    with pytest.raises(ReportError, match="emulated: its CPUs were emulated"):
        load([real, emulated])
    assert plot.main(["walk-cost", str(real), str(emulated), "-o", str(tmp_path / "a.svg")]) == 2
    assert "not beside another report" in capsys.readouterr().err
    assert not (tmp_path / "a.svg").exists()
    results = load([emulated])
    assert "emulated: its times mean nothing" in answer.answer_lines(results)[-1]
    assert "emulated by a program" in warnings(results.reports[0].machine)[0]
