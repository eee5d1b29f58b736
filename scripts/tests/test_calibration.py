"""How often a comparison is wrong, and how often it finds what was planted: 1,000 comparisons each,
of simulated samples and of the reference run's own repetitions. Seeds are fixed; nothing is timed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flushwalk.significance import Numbers
from flushwalk.statistics import (
    FASTER, NOT_RESOLVED, SLOWER, ratio_of_runs, ratios_of_pairs, words)

COMPARISONS, PAIRS = 1000, 20
TWO_PERCENT = math.log(1.02)
QUIET = 0.01  # of a median over a repetition, relative; quieter than three quarters of the reference
NOISE = ("normal", "log_normal", "bimodal", "drifting")
REFERENCE = Path(__file__).resolve().parents[2] / "reports" / "reference" / "measurements.csv"


def arms(noise: str, shape: tuple[int, int], seed: int) -> tuple[Numbers, Numbers]:
    """Log times of the same work twice: comparisons × repetitions."""
    random = np.random.default_rng(seed)

    def arm() -> Numbers:
        own = QUIET * random.normal(size=shape)
        if noise == "log_normal":
            return 10 * own
        stolen = 0.7 * (random.random(shape) < 0.3) if noise == "bimodal" else 0.0
        return own + stolen

    # What both halves of a pair share: a machine that gets slower and faster by 2 % a repetition.
    shared = np.cumsum(0.02 * random.normal(size=shape), axis=1) if noise == "drifting" else 0.0
    return arm() + shared, arm() + shared


@pytest.mark.parametrize("noise", NOISE)
def test_identical_work_in_pairs_is_called_different_in_at_most_one_of_twenty(noise: str) -> None:
    before, after = arms(noise, (COMPARISONS, PAIRS), 31)
    found = [ratio.verdict for ratio in ratios_of_pairs(after - before)]
    assert 0 < COMPARISONS - found.count(NOT_RESOLVED) <= 0.05 * COMPARISONS


def test_a_table_of_identical_work_has_no_word_in_it_nineteen_times_of_twenty() -> None:
    before, after = arms("bimodal", (COMPARISONS, PAIRS), 32)
    ratios = ratios_of_pairs(after - before)
    tables = [words(ratios[start:start + 20]) for start in range(0, COMPARISONS, 20)]
    assert sum(set(table) != {NOT_RESOLVED} for table in tables) <= 0.1 * len(tables)


def test_two_percent_is_found_on_a_quiet_machine() -> None:
    before, after = arms("drifting", (COMPARISONS, PAIRS), 33)
    found = [ratio.verdict for ratio in ratios_of_pairs(after - before + TWO_PERCENT)]
    assert found.count(SLOWER) >= 0.9 * COMPARISONS
    assert FASTER not in found


def test_what_could_have_been_resolved_is_resolved_nine_times_of_ten() -> None:
    before, after = arms("normal", (COMPARISONS, PAIRS), 34)
    smallest = float(np.median([ratio.smallest() for ratio in ratios_of_pairs(after - before)]))
    for share, least, most in ((1.0, 0.85, 0.97), (0.3, 0.0, 0.35)):
        planted = ratios_of_pairs(after - before + share * math.log(smallest))
        assert least <= sum(each.verdict == SLOWER for each in planted) / COMPARISONS <= most


@pytest.fixture(scope="module")
def recorded() -> list[Numbers]:
    """Log medians of the reference's cases with 80 repetitions or more, in their order: of a guest
    whose neighbours take its CPUs away. Read without what `load` checks, which takes seconds."""
    rows = pd.read_csv(REFERENCE, usecols=["case", "repetition", "metric", "p50", "bench", "valid"])
    rows = rows[(rows["bench"] == "flush_walk_bench") & (rows["metric"] == "flush_time")
                & rows["valid"]]
    return [np.log(case["p50"].to_numpy(dtype=np.float64)) for _, case in
            rows.sort_values("repetition").groupby("case") if len(case) >= 80]


@pytest.fixture(scope="module")
def neighbours(recorded: list[Numbers]) -> Numbers:
    """A A pairs: two repetitions of a case that follow each other, A B B A; 20 pairs a comparison."""
    found = []
    for case in recorded:
        pairs = case[:len(case) // 2 * 2].reshape(-1, 2)
        ratios = pairs[:, 1] - pairs[:, 0]
        ratios[1::2] *= -1
        found += [ratios[start:start + PAIRS] for start in range(len(ratios) - PAIRS + 1)]
    return np.array(found)[:COMPARISONS]


def test_recorded_repetitions_of_the_same_case_are_seldom_called_different(
        neighbours: Numbers) -> None:
    assert len(neighbours) == COMPARISONS
    found = [ratio.verdict for ratio in ratios_of_pairs(neighbours)]
    assert found.count(NOT_RESOLVED) >= 0.95 * COMPARISONS


def test_two_percent_on_a_shared_guest_is_found_or_not_resolved_but_never_turned_round(
        neighbours: Numbers) -> None:
    found = ratios_of_pairs(neighbours + TWO_PERCENT)
    assert FASTER not in [ratio.verdict for ratio in found]
    # What could be resolved is what nine of ten such runs find: that is no empty word.
    able = [ratio.verdict for ratio in found if ratio.smallest() <= 1.02]
    assert able and able.count(SLOWER) >= 0.85 * len(able)


@pytest.mark.parametrize("noise", ["normal", "log_normal", "bimodal"])
def test_two_runs_of_identical_work_are_seldom_called_different(noise: str) -> None:
    before, after = arms(noise, (200, 12), 35)
    found = [ratio_of_runs(a, b).verdict for a, b in zip(before, after)]
    assert found.count(NOT_RESOLVED) >= 0.95 * len(found)


def test_two_runs_that_wander_apart_are_not_called_different() -> None:
    (ours, _), (theirs, _) = arms("drifting", (200, 20), 36), arms("drifting", (200, 20), 37)
    found = [ratio_of_runs(a, b).verdict for a, b in zip(ours, theirs)]
    assert found.count(NOT_RESOLVED) >= 0.95 * len(found)


def test_five_percent_between_two_quiet_runs_is_found() -> None:
    before, after = arms("normal", (100, 12), 38)
    found = [ratio_of_runs(a, b + math.log(1.05)).verdict for a, b in zip(before, after)]
    assert found.count(SLOWER) >= 0.95 * len(found)


def test_halves_of_a_recorded_run_are_no_two_machines(recorded: list[Numbers]) -> None:
    found = [ratio_of_runs(case[:len(case) // 2], case[len(case) // 2:]).verdict
             for case in recorded]
    assert len(found) >= 50 and found.count(NOT_RESOLVED) >= 0.95 * len(found)
