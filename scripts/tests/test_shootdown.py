"""What is read off shootdown_bench's rows: parts, steps, proof, pairs and the line, against the model
that the rows were made of."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from synthetic_report import MACHINE, Row
from synthetic_shootdown import (
    BASE, CALL, EACH, IDLE_PERCENT, REFILL_A_PAGE, REST, STALL, UNTOUCHED, Machine, Writer, quick,
    single_us, time_us, write_report)

from flushwalk import (
    pair_measures, responder_measures, scaling_measures, shootdown_measures, throughput_measures)
from flushwalk.results import Results, load

ARMS = ("operation", "untouched", "single_threaded", "membarrier", "noop", "none")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load([write_report(tmp_path_factory.mktemp("reports") / "quick", quick())])


def made(folder: Path, *cases: Iterator[Row], change: Callable[[Row], None] | None = None,
         **more: Any) -> Results:
    rows = (row for case in cases for row in case)
    return load([write_report(folder / "r", rows, change=change, **more)])


def test_a_shootdown_is_its_floor_its_work_and_a_rest(results: Results) -> None:
    parts = shootdown_measures.parts(results).set_index(["operation", "responders"])
    case = parts.loc[("mprotect", 1)]
    for name, us in (("floor", BASE + EACH), ("mappings", UNTOUCHED - CALL),
                     ("page_tables", single_us("mprotect", 1) - UNTOUCHED), ("rest", REST)):
        assert case[f"{name}_low"] <= us * 1000 <= case[f"{name}_high"], name
    assert case["explained"] == pytest.approx(1 - REST / time_us("mprotect", "operation", 1), rel=0.02)
    alone = parts.loc[("mprotect", 0)]
    assert alone["rest_low"] <= 0 <= alone["rest_high"]


def test_a_part_needs_its_own_arms_only(tmp_path: Path) -> None:
    def spoil(row: Row) -> None:
        if row["arm"] == "membarrier" and row["repetition"] != 3:
            row.update(valid="false", invalid_reason="planted")

    case = shootdown_measures.parts(made(tmp_path, Writer().case(arms=ARMS), change=spoil)).iloc[0]
    assert case["pairs"] == 1 and math.isnan(case["rest_low"])
    assert case["page_tables_low"] <= (single_us("mprotect", 1) - UNTOUCHED) * 1000 <= (
        case["page_tables_high"])


def test_proven_and_unproven_are_never_mixed(tmp_path: Path) -> None:
    def fast(row: Row) -> None:
        if row["metric"] == "unproven_operation_time":
            row.update(p50=1.0, max=9e9, samples=5000)

    clean, mixed = (shootdown_measures.latencies(made(tmp_path / name, Writer().case(), change=change))
                    for name, change in (("a", None), ("b", fast)))
    pd.testing.assert_frame_equal(clean, mixed)


def test_a_percentile_is_told_of_enough_samples(tmp_path: Path) -> None:
    few = shootdown_measures.latencies(made(tmp_path / "a", Writer().case(samples=90))).iloc[0]
    assert math.isnan(few["p99"]) and math.isnan(few["p999"]) and few["p90"] > few["p50"]
    # One unproven operation of 1,000 leaves that repetition too few for a p99.9.
    rows = shootdown_measures.latencies(
        made(tmp_path / "b", Writer().case(samples=1000, repetitions=2))).iloc[0]
    assert rows["samples"] == 1999 and rows["p999"] > rows["p99"]


def test_the_step_is_where_the_ceiling_is(results: Results, tmp_path: Path) -> None:
    steps = shootdown_measures.steps(shootdown_measures.by_pages(results))
    assert len(steps) == 6 and steps["apart"].all() and set(steps["ceiling"]) == {33}
    assert (steps["above_p50"] < steps["at_p50"]).all()

    def flat(row: Row) -> None:
        if row["pages"] == 34:
            row["p50"] = f"{float(row['p50']) + 5500:.2f}"

    cases = [Writer().case(pages=pages) for pages in (32, 33, 34)]
    (step,) = shootdown_measures.steps(
        shootdown_measures.by_pages(made(tmp_path, *cases, change=flat))).itertuples()
    assert not step.apart
    machine = {**MACHINE, "tlb": {"single_page_flush_ceiling": 8}}
    cases = [Writer().case(pages=pages) for pages in (7, 8, 9)]
    table = shootdown_measures.by_pages(made(tmp_path / "m", *cases, machine=machine))
    assert set(shootdown_measures.steps(table)["ceiling"]) == {8}


def test_other_pairs_of_cpus_are_in_the_map_alone(tmp_path: Path) -> None:
    cases = [Writer().case(arms=ARMS), Writer().case(operation="munmap"),
             Writer().case(cpus=(5, 6), us=900.0), Writer().case(cpus=(7, 8), us=900.0)]
    table = shootdown_measures.latencies(found := made(tmp_path, *cases))
    assert table["p50"].max() < 30_000
    assert len(pair_measures.pairs(found)) == 3


def test_what_responders_lose_is_beyond_what_they_lose_anyway(results: Results) -> None:
    lost = responder_measures.cpu_lost(results)
    assert list(lost["rate"]) == [1000, 4000, 16000, 0]
    assert lost["ns_each"].to_numpy() == pytest.approx(STALL * 1000, rel=0.01)
    assert set(lost["idle"]) == {IDLE_PERCENT}


def test_a_refill_is_more_than_an_interrupt_costs(results: Results) -> None:
    table = responder_measures.refills(results)
    assert list(table["working_set_pages"]) == [64, 512, 1536]
    assert table["refill_ns"].to_numpy() == pytest.approx(
        table["working_set_pages"] * REFILL_A_PAGE, rel=0.01)


def test_invalid_rows_are_in_the_proof_and_nowhere_else(tmp_path: Path) -> None:
    def spoil(row: Row) -> None:
        if row["repetition"] == 1:
            row.update(valid="false", invalid_reason="planted", p50=9e9, max=9e9)

    found = made(tmp_path, Writer().case(arms=ARMS, samples=200), change=spoil)
    proof = shootdown_measures.proof(found).iloc[0]
    assert (proof["rows"], proof["all_rows"]) == (7, 8)
    assert proof["shootdowns_proven"] == proof["shootdowns_expected"] == 1400
    assert (proof["all_shootdowns_proven"], proof["all_unproven_away"]) == (1599, 1)
    assert proof["unproven_ns"] == 9e9  # such are mostly in invalid rows
    # noop, none, untouched and single_threaded: one stray gap each, in the first of 8 repetitions.
    assert shootdown_measures.stray(found) == (4 * 8 * 200, 4)
    for table in (shootdown_measures.latencies(found), shootdown_measures.stalls(found)):
        assert table["max"].max() < 1e9


def test_threads_at_once_are_held_against_the_same_lock(results: Results) -> None:
    table = throughput_measures.throughputs(results).set_index(["arm", "initiators"])
    assert table.loc[("untouched", 2), "gain"] == pytest.approx(2 / 1.3, rel=0.05)
    assert table.loc[("operation", 2), "gain"] < 0.2
    assert table.loc[("operation", 1), "gain"] == 1
    assert table.loc[("operation", 2), "call_ns"] == pytest.approx(
        time_us("dontneed", "operation", 1) * 1300, rel=0.05)


def test_pairs_have_their_distance(tmp_path: Path) -> None:
    machine = Machine(2, 2, 2)
    found = pair_measures.pairs(made(tmp_path, machine.pairs(1), topology=machine.xml()))
    assert len(found) == 8 * 7
    for pair in found.itertuples():
        assert pair.p50 == pytest.approx(machine.pair_us(pair.initiator, pair.responder) * 1000, rel=0.15)
    assert found["distance"].value_counts().to_dict() == {
        "same core": 8, "same package": 16, "other package": 32}
    # Two threads of the first core, two of its neighbour, then the other package.
    assert list(found["initiator"].unique()) == [0, 4, 2, 6, 1, 5, 3, 7]
    assert list(found["initiator_package"].unique()) == [0, 1]


@pytest.mark.parametrize("text", [None, "<topology><object"])
def test_without_a_topology_cpus_stand_by_number(tmp_path: Path, text: str | None) -> None:
    found = pair_measures.pairs(made(tmp_path, Machine(2, 2, 1).pairs(1), topology=text))
    assert list(found["initiator"].unique()) == [0, 1, 2, 3]
    assert set(found["distance"]) == {"distance unknown"} and set(found["initiator_package"]) == {-1}


def test_one_pair_is_no_map(tmp_path: Path) -> None:
    assert pair_measures.pairs(made(tmp_path, Writer().case())).empty


def line_of(counts: tuple[int, ...], truth: Callable[[int], float], seed: int = 1,
            repetitions: int = 12, noise: float = 0.05) -> scaling_measures.Line | None:
    source = np.random.default_rng(seed)
    return scaling_measures.fit({
        count: truth(count) * source.lognormal(0.0, noise, repetitions) for count in counts})


def test_the_line_is_found_and_its_interval_holds_the_truth() -> None:
    def truth(count: int) -> float:
        return 16_000.0 + 1_250.0 * count

    held = 0
    for seed in range(60):
        line = line_of((1, 2, 4, 8, 15), truth, seed)
        assert line is not None
        low, high = line.interval(line.draws[:, 1])
        held += low <= 1_250 <= high
        far, least, most = line.at(1023)
        assert least < far < most and far == pytest.approx(truth(1023), rel=0.35)
    assert held >= 54


def test_a_disturbed_repetition_moves_the_line_little() -> None:
    source = np.random.default_rng(4)
    times = {count: (16_000 + 1_250 * count) * source.lognormal(0.0, 0.02, 12)
             for count in (1, 2, 4, 7)}
    for values in times.values():
        values[3] *= 40
    line = scaling_measures.fit(times)
    assert line is not None and line.each == pytest.approx(1_250, rel=0.15)


def test_what_is_no_line_shows_at_the_points_held_out() -> None:
    def two_packages(count: int) -> float:
        return 16_000 + 500 * count + (15_000 if count >= 8 else 0)

    straight = line_of((1, 2, 4, 8, 15), lambda count: 16_000 + 500.0 * count, noise=0.01)
    bent = line_of((1, 2, 4, 8, 15), two_packages, noise=0.01)
    assert straight is not None and bent is not None
    assert straight.largest_error < 0.03 and bent.largest_error > 0.2
    _, low, high = bent.at(15)
    assert low < two_packages(15) < high


def test_a_point_that_is_held_out_is_predicted_from_the_others() -> None:
    line = scaling_measures.fit({count: np.full(6, us * 1000) for count, us in
                                 ((1, 10.0), (2, 11.0), (4, 26.0))})
    assert line is not None
    assert line.errors[4] == pytest.approx(13 / 26 - 1)
    assert line.errors[1] == pytest.approx((11 - 7.5) / 10 - 1)


@pytest.mark.parametrize("counts, repetitions", [((1, 2), 12), ((0, 1, 2), 12), ((1, 2, 4), 4)])
def test_no_line_through_fewer_than_three_points(counts: tuple[int, ...], repetitions: int) -> None:
    assert line_of(counts, lambda count: 16_000.0 + count, repetitions=repetitions) is None
