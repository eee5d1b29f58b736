"""Pairs are those that were sampled in turn; intervals hold what was planted and no more."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from flushwalk.measures import costs, shootdown_costs, walk_rows
from flushwalk.results import load
from flushwalk.statistics import (
    MIN_PAIRS, Ratio, _middle_ranks, median_interval, pair_ratios, ratio_of_pairs, ratio_of_runs,
    table_level, with_ratios, words)

Make = Callable[..., Path]


def ratio_in(folder: Path, per: str | None = None) -> Ratio:
    pairs = pair_ratios(load([folder]).flushes().query("shootdown == 'none'"), "xarray", per=per)
    return ratio_of_pairs(pairs["log_ratio"].to_numpy())


def test_a_ratio_without_noise_is_exact(make_report: Make) -> None:
    found = ratio_in(make_report(noise=0.0))
    truth = (40 + 4096 * 24.1) / (40 + 2048 * 10.4)
    assert found.ratio == pytest.approx(truth, rel=1e-5)
    assert found.low == pytest.approx(truth, rel=1e-5) == found.high
    assert found.pairs == 12 and found.verdict == "slower"


def test_a_ratio_of_visited_blocks_is_of_visited_blocks(make_report: Make) -> None:
    found = ratio_in(make_report(noise=0.0), per="visited_blocks")
    assert found.ratio == pytest.approx((40 / 4096 + 24.1) / (40 / 2048 + 10.4), rel=1e-5)


def test_drift_that_both_halves_of_a_pair_share_does_not_widen_the_interval(
        make_report: Make) -> None:
    # The repetitions drift by a factor of two, the walks within a pair by a twentieth of it.
    found = ratio_in(make_report(noise=0.7, repetitions=20, change=_quiet_pairs))
    assert found.high / found.low < 1.05


def _quiet_pairs(row: dict[str, Any]) -> None:
    """All walks of a repetition get the same factor, very different from repetition to next."""
    middle = 1000.0 * (1 + row["repetition"] * 7 % 20) * (2.0 if row["walk"] == "xarray" else 1.0)
    row["p50"] = f"{middle * (1 + row['repetition'] % 3 / 100):.3f}"


def test_pairs_do_not_depend_on_the_order_of_rows(make_report: Make) -> None:
    rows = load([make_report()]).flushes()
    shuffled = rows.sample(frac=1.0, random_state=3)
    first, second = (pair_ratios(some, "xarray").set_index(["shootdown", "repetition",
                                                            "responders"])["log_ratio"].sort_index()
                     for some in (rows, shuffled))
    assert first.equals(second)


def test_the_same_pairs_give_the_same_figures_in_any_order() -> None:
    pairs = np.random.default_rng(10).normal(0.0, 0.1, 20)
    first, interval = ratio_of_pairs(pairs), median_interval(pairs)
    _middle_ranks.cache_clear()  # another process draws anew
    assert ratio_of_pairs(pairs[::-1]) == first and median_interval(pairs) == interval


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    found = ratio_of_pairs(np.log([1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 900.0]))
    assert found.ratio == pytest.approx(1.4)


def test_a_case_is_the_median_of_its_repetitions(make_report: Make) -> None:
    results = load([make_report(noise=0.3)])
    case = costs(results.flushes()).query("shootdown == 'none' and walk == 'xarray'").iloc[0]
    rows = results.flushes().query("shootdown == 'none' and walk == 'xarray'")
    for name in ("p10", "p50", "p90"):
        assert case[f"{name}_ns"] == pytest.approx(rows[name].median())
    stalls = results.stalls().query("walk == 'xarray'")
    shot = shootdown_costs(results).query("walk == 'xarray' and shootdowns_expected > 0")
    assert shot["stall_ns"].item() == pytest.approx(stalls["p50"].median())
    assert case["repetitions"] == 12 and case["samples"] == 12 * 500


def test_the_usual_slice_is_taken_where_there_is_one(make_report: Make) -> None:
    def more_of_50(row: dict[str, Any]) -> None:
        if row["dirty_percent"] == 10 and row["repetition"] > 2:
            row.update(valid="false", invalid_reason="planted")

    rows = walk_rows(load([make_report(dirty=(10, 50), queues=(1, 8), change=more_of_50)]))
    assert set(rows["dirty_percent"]) == {10} and set(rows["queues"]) == {1}
    rows = walk_rows(load([make_report("other", dirty=(1, 50), queues=(4, 8), change=fewer_of_50)]))
    assert set(rows["dirty_percent"]) == {1} and set(rows["queues"]) == {4}


def fewer_of_50(row: dict[str, Any]) -> None:
    if row["dirty_percent"] == 50 and row["repetition"] > 2:
        row.update(valid="false", invalid_reason="planted")


@pytest.mark.parametrize("axis", ["gather", "shootdown", "full_percent", "dirty_percent", "queues",
                                  "responders", "check", "placement", "dirty_slots"])
def test_rows_that_differ_in_another_axis_are_no_pair(make_report: Make, axis: str) -> None:
    def differ(row: dict[str, Any]) -> None:
        if row["walk"] == "xarray":
            row[axis] = row[axis] + 1 if isinstance(row[axis], int) else "other"

    rows = load([make_report(change=differ, shootdowns=("mprotect_range",), responders=(1,))])
    assert len(pair_ratios(rows.flushes(), "xarray")) == 0


def test_half_a_pair_is_no_pair(make_report: Make) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["walk"] == "xarray" and row["repetition"] in (2, 5):
            row.update(valid="false", invalid_reason="planted", p50="1e15")

    found = ratio_in(make_report(change=spoil))
    assert found.pairs == 10 and found.high < 5


def test_a_second_run_in_the_folder_gives_pairs_of_its_own(make_report: Make) -> None:
    folder = make_report(repetitions=3)
    path = folder / "measurements.csv"
    text = path.read_bytes()
    path.write_bytes(text + text.split(b"\n", 1)[1])
    assert ratio_in(folder).pairs == 6


@pytest.mark.parametrize("pairs", [0, 1, MIN_PAIRS - 1])
def test_too_few_pairs_are_not_resolved(pairs: int) -> None:
    found = ratio_of_pairs(np.full(pairs, math.log(3.0)))
    assert found.verdict == "not resolved" and found.pairs == pairs
    assert math.isnan(found.low) and math.isnan(found.high)


@pytest.mark.parametrize(("low", "high", "p", "word"), [
    (1.01, 1.2, 0.05, "slower"), (0.8, 0.99, 0.05, "faster"), (0.9, 1.1, 0.0, "not resolved"),
    (1.0005, 1.1, 0.0, "not resolved"), (0.9, 0.9995, 0.0, "not resolved"),
    (1.01, 1.2, 0.051, "not resolved"), (1.01, 1.2, math.nan, "not resolved")])
def test_a_word_needs_the_interval_and_the_test(low: float, high: float, p: float,
                                                word: str) -> None:
    assert Ratio(1.0, low, high, 20, p=p).verdict == word


def test_one_small_p_of_many_is_no_word() -> None:
    ratios = [Ratio(1.1, 1.05, 1.2, 20, p=0.02), *[Ratio(1.0, 0.9, 1.1, 20, p=0.5)] * 9]
    assert ratios[0].verdict == "slower" and set(words(ratios)) == {"not resolved"}
    # Where most of a table differs, it is one: the corrected p is 0.02 * 10 / 10.
    assert set(words([ratios[0]] * 10)) == {"slower"}


def test_many_comparisons_of_few_pairs_can_resolve_nothing_and_say_so() -> None:
    ratio = ratio_of_pairs(np.full(6, math.log(7.0)) + np.arange(6) / 100)
    assert ratio.verdict == "slower" and math.isfinite(ratio.smallest())
    alone_in_many = [ratio, *[Ratio(1.0, 0.9, 1.1, 6, p=0.5)] * 99]
    assert words(alone_in_many)[0] == "not resolved"
    assert math.isinf(ratio.smallest(table_level(alone_in_many)))


def test_two_runs_are_resampled_apart() -> None:
    # Had both been drawn alike, the same noise in both would leave no interval.
    run = np.random.default_rng(15).normal(0.0, 0.1, 20)
    found = ratio_of_runs(run, run + math.log(1.5))
    assert found.ratio == pytest.approx(1.5) and found.high / found.low > 1.05
    assert found.verdict == "slower"


def test_an_interval_holds_what_was_planted_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(13)
    held = 0
    for _ in range(300):
        found = ratio_of_pairs(math.log(4.0) + random.normal(0.0, 0.1, 12))
        held += found.low <= 4.0 <= found.high
    assert 0.92 * 300 <= held <= 0.99 * 300


def test_the_interval_of_a_median_holds_it_and_narrows_with_the_noise() -> None:
    random = np.random.default_rng(14)
    for noise in (5.0, 0.5):
        low, high = median_interval(random.normal(100.0, noise, 20))
        assert 100 - noise < low < 100 < high < 100 + noise
    assert all(math.isnan(bound) for bound in median_interval(np.ones(4)))


def test_ratios_stand_beside_their_cases_and_the_baseline_has_none(make_report: Make) -> None:
    folder = make_report(blocks=(64, 4096), full=(0, 50), noise=0.0)
    rows = walk_rows(load([folder]))
    frame = with_ratios(costs(rows), rows)
    baseline = frame[frame["walk"] == "free_list"]
    assert baseline["ratio"].isna().all() and (baseline["verdict"] == "").all()
    times = frame.set_index(["walk", "blocks", "full_percent"])["p50_ns"]
    for case in frame[frame["walk"] == "xarray"].itertuples():
        other = times["free_list", case.blocks, case.full_percent]
        assert case.ratio == pytest.approx(case.p50_ns / other, rel=1e-3)
