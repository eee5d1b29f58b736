"""The five lines: every figure measured, what was not measured said."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

from flushwalk.answer import answer_lines
from flushwalk.results import load

Make = Callable[..., Path]


def lines_of(folder: Path) -> tuple[str, ...]:
    return answer_lines(load([folder]))


def test_the_lines_of_a_whole_run(make_report: Make) -> None:
    free_list, xarray, block, shootdown, machine = lines_of(make_report(noise=0.0))
    assert free_list == ("free list: 21.3 us a flush at 4,096 blocks (50 % full, 10 % dirty, "
                         "1 queue), leaves 205 of 410 freed slots stale")
    assert xarray == ("xarray: 98.8 us a flush, 4.63x (95 % interval 4.63-4.63, 12 pairs: "
                      "slower), leaves none stale")
    assert block == ("a visited block: free list 10.4 ns (visits 2,048 of 4,096), xarray 24.1 ns "
                     "(visits all 4,096)")
    assert shootdown == ("one shootdown (mprotect_range, 1 responder): 26.6 us (95 % interval "
                         "26.6 us to 26.6 us) at the initiator, 7.20 us stall at the responder, "
                         "5,998 of 6,000 proven in its valid rows")
    assert machine == ("machine: Intel(R) Xeon(R) Processor @ 2.10GHz, CPUs 0-1, guest (CPUID: KVM), "
                       "no PMU, Linux 6.18.5; 0 of 336 rows invalid")


def test_the_size_nearest_to_the_usual_one_is_taken(make_report: Make) -> None:
    free_list, xarray, *_ = lines_of(make_report(blocks=(64, 1000), full=(0, 25, 90)))
    assert "at 1,000 blocks (25 % full" in free_list and "blocks" not in xarray


def test_a_cheaper_walk_is_called_cheaper(make_report: Make) -> None:
    assert ": faster)" in lines_of(make_report(truth=0.1))[1]


def test_a_difference_within_the_noise_is_not_resolved(make_report: Make) -> None:
    equal = 10.4 / 24.1
    assert "not resolved)" in lines_of(make_report(truth=equal, full=(0,), noise=0.3, seed=4))[1]


def test_few_pairs_are_not_resolved(make_report: Make) -> None:
    assert lines_of(make_report(repetitions=4, noise=0.0))[1].startswith(
        "xarray: 98.8 us a flush, 4.63x (not resolved: 4 pairs), ")


def test_a_walk_without_its_pair_has_no_ratio(make_report: Make) -> None:
    free_list, xarray, block, *_ = lines_of(make_report(walks=("xarray",)))
    assert free_list == "free list: not measured (needs --walk=free_list --shootdown=none)"
    assert "at 4,096 blocks" in xarray and "ratio not measured (no pairs)" in xarray
    assert "free list not measured" in block


def test_without_a_walk_alone_nothing_is_made_up(make_report: Make) -> None:
    free_list, xarray, block, shootdown, _ = lines_of(make_report(shootdowns=("mprotect_range",)))
    assert "not measured (needs" in free_list and "not measured (needs" in xarray
    assert block == "a visited block: free list not measured, xarray not measured"
    assert "): 26." in shootdown


@pytest.mark.parametrize("plan", [{"responders": (0,)}, {"shootdowns": ("none", "noop")},
                                  {"shootdowns": ("none", "membarrier")}])
def test_without_a_responder_or_a_shootdown_there_is_none_to_tell(
        make_report: Make, plan: dict[str, Any]) -> None:
    assert lines_of(make_report(**plan))[3] == (
        "one shootdown: not measured (needs --shootdown=mprotect_range --responders=1 and a second "
        "CPU)")


def test_where_all_rows_were_invalid_the_reason_is_told(make_report: Make) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["responders"] > 0 and row["shootdown"] == "mprotect_range":
            row.update(valid="false", invalid_reason="responder was not there")

    *_, shootdown, machine = lines_of(make_report(change=spoil))
    assert shootdown == ("one shootdown: not measured: 72 rows there are, but none valid (most "
                         "often: responder was not there)")
    assert "96 of 336 rows invalid and left out (most often: responder was not there)" in machine


def test_invalid_rows_change_no_line_but_the_last(make_report: Make) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["repetition"] >= 12:
            row.update(valid="false", invalid_reason="planted", p50="9e15", p90="9e15",
                       stale_slots=99999, shootdowns_proven=0, visited_blocks=1)

    clean = lines_of(make_report("clean", noise=0.0, repetitions=12))
    planted = lines_of(make_report("planted", noise=0.0, repetitions=20, change=spoil))
    assert _without_proof(planted) == _without_proof(clean)
    assert "224 of 560 rows invalid" in planted[4]


def _without_proof(lines: tuple[str, ...]) -> tuple[str, ...]:
    return lines[:4]


def test_the_walk_with_the_least_part_in_the_flush_tells_the_shootdown(make_report: Make) -> None:
    def dear(row: dict[str, Any]) -> None:  # the xarray's flush with a shootdown: far too dear
        if row["walk"] == "xarray" and row["shootdown"] == "mprotect_range":
            row["p50"] = "9000000"

    assert "): 26.6 us (" in lines_of(make_report(noise=0.0, change=dear))[3]


def test_the_shootdown_is_its_own_time_and_not_a_difference(make_report: Make) -> None:
    def slow_alone(row: dict[str, Any]) -> None:  # a walk without shootdown says nothing of it
        if row["shootdown"] == "none":
            row["p50"] = "9000000"

    assert "): 26.6 us (" in lines_of(make_report(noise=0.0, change=slow_alone))[3]


def test_one_of_several_calls_is_told(make_report: Make) -> None:
    line = lines_of(make_report(noise=0.0, shootdowns=("none", "munmap")))[3]
    assert line.startswith("one shootdown (munmap, 1 responder): 19.6 us (")


def test_a_shootdown_is_told_of_the_hull_where_other_gathers_were_measured_too(
        make_report: Make) -> None:
    def per_block(row: dict[str, Any]) -> None:
        if row["shootdown"] == "cold_range":
            row.update(shootdown="mprotect_range", gather="per_block", shootdown_calls=40,
                       p50="7" if row["metric"] == "walk_time" else "9000000",
                       case=row["case"].replace("hull/shootdown:cold_range",
                                                "per_block/shootdown:mprotect_range"))

    shootdowns = ("none", "mprotect_range", "cold_range")
    line = lines_of(make_report(noise=0.0, shootdowns=shootdowns, change=per_block))[3]
    assert line.startswith("one shootdown (mprotect_range, 1 responder): 26.6 us (")


def test_slots_that_the_hull_covered_by_accident_are_told(make_report: Make) -> None:
    def covered(row: dict[str, Any]) -> None:
        row["stale_slots"] = min(row["stale_slots"], 3)

    assert lines_of(make_report(change=covered))[0].endswith(
        "leaves 3 of 410 freed slots stale (it did not find 205; the hull covered 202 of these by "
        "accident)")


def test_stale_slots_come_from_another_shootdown_where_none_has_no_count(make_report: Make) -> None:
    def uncounted(row: dict[str, Any]) -> None:
        if row["shootdown"] == "none":
            row["stale_slots"] = ""
        elif row["shootdown"] == "noop":
            row["stale_slots"] = 410

    lines = lines_of(make_report(change=uncounted))
    assert "leaves 205 of 410" in lines[0] and "leaves none stale" in lines[1]
    lines = lines_of(make_report("less", change=uncounted, shootdowns=("none", "noop")))
    assert lines[0].endswith("stale slots not measured")


def test_a_free_list_without_blocks_visits_none(make_report: Make) -> None:
    lines = lines_of(make_report(full=(100,)))
    assert "free list visits none" in lines[2]
    assert "leaves 410 of 410 freed slots stale" in lines[0]


def test_an_unknown_machine_is_said_to_be_unknown(make_report: Make) -> None:
    assert lines_of(make_report(machine=None))[4].startswith(
        "machine: unknown, CPUs unknown, hypervisor unknown, kernel unknown; 0 of")


def test_bare_metal_is_no_guest(make_report: Make) -> None:
    line = lines_of(make_report(machine={"hypervisor": {"vendor": "none"},
                                         "perf": {"hardware_pmu": True}}))[4]
    assert "guest" not in line and "PMU" not in line
