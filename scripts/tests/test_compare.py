"""scripts/compare: what is held against what, what is left out, what it prints and how it ends."""

from __future__ import annotations

import copy
import csv
import json
import math
from pathlib import Path
from typing import Any, Callable

import pytest

from synthetic_report import MACHINE

from flushwalk import compare
from flushwalk.comparisons import axes_of, exceeding, pairs_of, runs
from flushwalk.facts import Facts
from flushwalk.machine_differences import differences
from flushwalk.results import ReportError, load
from flushwalk.statistics import FASTER, NOT_RESOLVED, SLOWER

Make = Callable[..., Path]
Row = dict[str, Any]

SMALL: Row = {"shootdowns": ("none",), "responders": (0,), "noise": 0.02}


@pytest.fixture
def two(make_report: Make) -> Callable[..., tuple[Path, Path]]:
    """Two folders, of which B's xarray walk takes `truth` times as long."""

    def make(truth: float = 1.0, **plan: Any) -> tuple[Path, Path]:
        return (make_report("a", **{**SMALL, **plan}),
                make_report("b", **{**SMALL, "seed": 2, "truth": truth, **plan}))

    return make


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = compare.main([str(each) for each in arguments])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_the_same_case_is_held_against_itself_in_the_other_run(
        two: Callable[..., tuple[Path, Path]]) -> None:
    a, b = (load([folder]) for folder in two(1.1))
    table = runs(a, b)
    assert [axes_of(each.case)["walk"] for each in table.comparisons] == ["free_list", "xarray"]
    assert all(each.baseline == each.case for each in table.comparisons)
    assert table.words == (NOT_RESOLVED, SLOWER)
    xarray = table.comparisons[1]
    assert xarray.ratio.ratio == pytest.approx(1.1, rel=0.03)
    assert xarray.after / xarray.before == pytest.approx(xarray.ratio.ratio, rel=0.01)
    assert xarray.repetitions == (12, 12) and not table.paired
    assert runs(b, a).words == (NOT_RESOLVED, FASTER)


def test_fewer_operations_a_second_are_slower(two: Callable[..., tuple[Path, Path]]) -> None:
    def as_throughput(row: Row) -> None:
        row.update(unit="operations/s", metric="throughput", p50=f"{1e9 / float(row['p50']):.3f}")

    a, b = (load([folder]) for folder in two(1.1, change=as_throughput))
    table = runs(a, b, ["throughput"])
    assert table.words[1] == SLOWER and table.comparisons[1].ratio.ratio > 1.05
    assert table.comparisons[1].after < table.comparisons[1].before


def test_cases_of_one_run_alone_are_named_and_invalid_rows_counted(
        make_report: Make, capsys: pytest.CaptureFixture[str]) -> None:
    def spoil(row: Row) -> None:
        if row["walk"] == "xarray" and row["repetition"] < 3:
            row.update(valid="false", invalid_reason="planted", p50="1e12")

    a = make_report("a", **{**SMALL, "blocks": (64, 4096)})
    b = make_report("b", **{**SMALL, "change": spoil})
    table = runs(load([a]), load([b]))
    assert [axes_of(name)["blocks"] for name in table.only_in[0]] == ["64", "64"]
    assert table.only_in[1] == () and table.invalid == (0, 3) and table.rows == (48, 24)
    assert table.comparisons[1].repetitions == (12, 9)
    assert set(table.words) == {NOT_RESOLVED}
    status, out, _ = said(capsys, a, b)
    assert status == 0 and "Only in A: 2 cases: flush_walk/walk:free_list" in " ".join(out.split())
    assert "0 of 48 in A, 3 of 24 in B" in " ".join(out.split())


def test_within_a_run_each_case_is_held_against_the_nearest_named_before(
        make_report: Make) -> None:
    def arms(row: Row) -> None:
        """Of each walk an arm that takes 1 % longer: every second repetition is the arm's."""
        if row["repetition"] % 2:
            row["case"] = row["case"].replace("/gather", "/injected_delay_ns:9/gather")
            row["injected_delay_ns"] = 9
            row["p50"] = f"{float(row['p50']) * 1.01:.3f}"
        row["repetition"] //= 2

    table = pairs_of(load([make_report(**{**SMALL, "noise": 0.0, "change": arms})]))
    against = {each.case.split("/gather")[0]: each.baseline.split("/gather")[0]
               for each in table.comparisons}
    plain = "flush_walk/walk:{}/check:locked"
    assert against == {
        plain.format("xarray"): plain.format("free_list"),
        f"{plain.format('free_list')}/injected_delay_ns:9": plain.format("free_list"),
        f"{plain.format('xarray')}/injected_delay_ns:9": plain.format("xarray")}
    assert [each.ratio.ratio for each in table.comparisons if "injected" in each.case] == \
        pytest.approx([1.01, 1.01], rel=1e-4)
    assert table.paired and all(each.repetitions == (6, 6) for each in table.comparisons)


def test_an_arm_with_a_delay_is_no_walk_of_a_report_and_no_case_of_two_runs(
        make_report: Make) -> None:
    def arm(row: Row) -> None:
        row["case"] = row["case"].replace("/gather", "/injected_delay_ns:0/gather")
        row["injected_delay_ns"] = 0

    a, b = (load([make_report(name, **{**SMALL, "change": arm})]) for name in ("a", "b"))
    assert a.flushes().empty
    with pytest.raises(ReportError, match="no case in common"):
        runs(a, b)


def test_drift_over_the_repetitions_is_found_and_shown(
        make_report: Make, capsys: pytest.CaptureFixture[str]) -> None:
    def slower_and_slower(row: Row) -> None:
        row["p50"] = f"{float(row['p50']) * (1 + row['repetition'] / 50):.3f}"

    folder = make_report(**{**SMALL, "repetitions": 20, "change": slower_and_slower})
    table = pairs_of(load([folder]))
    assert table.drifting() == ([True], [False])
    assert math.expm1(table.comparisons[0].time_drift.change) == pytest.approx(0.17, abs=0.03)
    out = said(capsys, folder)[1]
    assert "Times drift over the repetitions in 1 of 1 comparisons" in " ".join(out.split())
    assert "Ratios of pairs do not drift" in out


@pytest.mark.parametrize(("truth", "bound", "status"), [(1.2, "5%", 3), (1.2, "25%", 0),
                                                        (1.0, "0%", 0), (0.8, "5%", 0)])
def test_the_gate_fails_a_slowdown_that_passes_the_bound(
        two: Callable[..., tuple[Path, Path]], capsys: pytest.CaptureFixture[str], truth: float,
        bound: str, status: int) -> None:
    found, out, _ = said(capsys, *two(truth), f"--gate=slower={bound}")
    assert found == status
    line = out.splitlines()[-1]
    if status:
        assert "walk:xarray" in line and "x (95 % interval 1." in line
    else:
        assert "nothing is slower" in line


def test_the_gate_is_corrected_for_the_number_of_comparisons(
        two: Callable[..., tuple[Path, Path]]) -> None:
    # Of 6 + 6 repetitions p is at least 1 in 924: 2.5 % of one comparison, and of no 30.
    for blocks, found in (((4096,), 1), (tuple(range(100, 115)), 0)):
        a, b = (load([folder]) for folder in two(
            1.5, repetitions=6, blocks=blocks, change=lambda row: only_last(row, blocks[-1])))
        assert len(exceeding(a, b, runs(a, b), 0.05)) == found


def test_the_gates_test_is_of_its_bound_and_not_of_any_difference(
        two: Callable[..., tuple[Path, Path]]) -> None:
    a, b = (load([folder]) for folder in two(1.5, blocks=tuple(range(1000, 1015))))
    table = runs(a, b)
    highest = max(each.ratio.low for each in table.comparisons)
    # One interval is just above the bound: among 30 comparisons that is chance.
    assert exceeding(a, b, table, highest - 1 - 1e-6) == []
    assert len(exceeding(a, b, table, 0.2)) == 15


def only_last(row: Row, blocks: int) -> None:
    """Only one case is slower."""
    if row["blocks"] != blocks:
        row["p50"] = f"{1000 + row['repetition'] * 7 % 10:.3f}"


@pytest.mark.parametrize(("arguments", "words"), [
    ((), "one report folder or two are wanted, not 0"),
    (("{a}", "{b}", "{a}"), "one report folder or two are wanted, not 3"),
    (("{a}", "{a}"), "the same folder as A"),
    (("{a}", "nowhere"), "nowhere: no such folder"),
    (("{a}", "{b}", "--gate=slower=5"), "'slower=5' is not slower=PERCENT%"),
    (("{a}", "{b}", "--gate=faster=5%"), "'faster=5%' is not slower=PERCENT%"),
    (("{a}", "--gate=slower=5%"), "--gate needs two report folders"),
    (("{a}", "{b}", "--metric=,"), "',' is not a list of metrics"),
    (("{a}", "{b}", "--metric=walk"), "no case in common (metrics: walk)"),
    (("{a}", "--metric=stall"), "no two cases were sampled in turn (metrics: stall)"),
    (("{a}", "{b}", "--csv={a}/none/x.csv"), "x.csv: No such file or directory"),
    (("--self-test", "{a}"), "--self-test measures by itself"),
])
def test_bad_input_is_one_line_and_exit_2(
        two: Callable[..., tuple[Path, Path]], capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...], words: str) -> None:
    a, b = two()
    status: object = 2
    try:
        status = compare.main([each.format(a=a, b=b) for each in arguments])
    except SystemExit as ended:
        status = ended.code
    told = capsys.readouterr()
    assert status == 2 and told.out == ""
    assert told.err.startswith("compare: ") and told.err.count("\n") == 1
    assert words in told.err


def test_cases_that_differ_in_an_axis_are_not_matched(two: Callable[..., tuple[Path, Path]],
                                                      make_report: Make) -> None:
    a, _ = two()
    other = make_report("c", **{**SMALL, "blocks": (64,)})
    with pytest.raises(ReportError, match="no case in common"):
        runs(load([a]), load([other]))


def test_emulated_times_are_not_compared(two: Callable[..., tuple[Path, Path]],
                                         capsys: pytest.CaptureFixture[str]) -> None:
    a, b = two()
    machine = json.loads((b / "machine.json").read_text())
    machine["hypervisor"]["vendor"] = "tcg"
    (b / "machine.json").write_text(json.dumps(machine))
    status, out, err = said(capsys, a, b)
    assert status == 2 and out == "" and "CPUs were emulated" in err and str(b) in err


def test_what_differs_in_the_machines_comes_first() -> None:
    other = copy.deepcopy(MACHINE)
    other.update(created="2026-01-01T00:00:00Z", host="bare", command_line=["x"])
    other["clock"]["overhead_ns"] = 99.0
    other["kernel"]["release"] = "6.19.0"
    other["mitigations"].pop("meltdown")
    found = differences(Facts(MACHINE), Facts(other))
    assert [each.key for each in found] == ["host", "kernel.release", "mitigations.meltdown",
                                            "command_line"]
    assert found[1][1:] == ("6.18.5", "6.19.0")
    assert found[2][1:] == ("Not affected", "unknown")


def test_the_files_say_what_the_terminal_says(
        two: Callable[..., tuple[Path, Path]], capsys: pytest.CaptureFixture[str],
        tmp_path: Path) -> None:
    a, b = two(1.5)
    machine = copy.deepcopy(MACHINE)
    machine["kernel"]["release"] = "6.19.0"
    (b / "machine.json").write_text(json.dumps(machine))
    paths = {name: tmp_path / f"out.{name}" for name in ("csv", "markdown", "html")}
    status, out, _ = said(capsys, a, b, *(f"--{name}={path}" for name, path in paths.items()))
    assert status == 0
    assert out.index("kernel.release") < out.index("1 slower, 0 faster, 1 not resolved")
    assert "--all prints them" in out

    def first_words(text: str) -> list[str]:
        return [line.strip()[:12] for line in text.splitlines()]

    assert NOT_RESOLVED not in first_words(out)
    assert NOT_RESOLVED in first_words(said(capsys, a, b, "--all")[1])
    rows = list(csv.DictReader(paths["csv"].open(newline="")))
    assert [row["word"] for row in rows] == [NOT_RESOLVED, SLOWER]
    assert float(rows[1]["ratio"]) == pytest.approx(1.5, rel=0.03)
    assert float(rows[0]["smallest_ratio"]) > 1 and rows[1]["paired"] == "false"
    for name in ("markdown", "html"):
        text = paths[name].read_text()
        assert "kernel.release" in text and "Two runs are no pairs" in text
        assert text.index("kernel.release") < text.index("1 slower, 0 faster, 1 not resolved")
    assert "src=" not in paths["html"].read_text()


def test_metrics_can_be_named(two: Callable[..., tuple[Path, Path]]) -> None:
    a, b = (load([folder]) for folder in two(
        shootdowns=("mprotect_range",), responders=(1,)))
    assert {each.metric for each in runs(a, b).comparisons} == {"flush_time", "stall"}
    assert {each.metric for each in runs(a, b, ["walk_time"]).comparisons} == {"walk_time"}
